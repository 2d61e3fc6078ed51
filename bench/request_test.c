/* SPDX-License-Identifier: Apache-2.0 */
#include "request.h"

#include <string.h>

#include "test/t.h"

static void is(const struct request *r, const char *want)
{
	T_INT(r->len, strlen(want));
	T_INT(memcmp(r->bytes, want, r->len), 0);
}

TEST(a_single_body_gets_its_numbers_in_place)
{
	struct request_spec spec = { .method = "POST",
				     .path = "/events",
				     .host = "127.0.0.1:1",
				     .header = "Authorization: Bearer k",
				     .item = "{\"k\":\"{seed}-{n}\",\"u\":\"{u}\",\"a\":{a}.5}",
				     .seed = "s1" };
	struct request r;

	request_init(&r, &spec);
	request_number(&r, 7);
	is(&r, "POST /events HTTP/1.1\r\nHost: 127.0.0.1:1\r\nAuthorization: Bearer k\r\n"
	       "Content-Type: application/json\r\nContent-Length: 43\r\n\r\n"
	       "{\"k\":\"s1-000000000007\",\"u\":\"007\",\"a\":107.5}");
	request_number(&r, 123456789012);
	is(&r, "POST /events HTTP/1.1\r\nHost: 127.0.0.1:1\r\nAuthorization: Bearer k\r\n"
	       "Content-Type: application/json\r\nContent-Length: 43\r\n\r\n"
	       "{\"k\":\"s1-123456789012\",\"u\":\"012\",\"a\":112.5}");
	request_release(&r);
}

TEST(a_batch_numbers_its_items_one_by_one)
{
	struct request_spec spec = { .method = "POST",
				     .path = "/b",
				     .host = "h",
				     .item = "{\"n\":\"{n}\"}",
				     .seed = "",
				     .batch = 3 };
	struct request r;

	request_init(&r, &spec);
	T_INT(r.items, 3);
	request_number(&r, 999);
	is(&r,
	   "POST /b HTTP/1.1\r\nHost: h\r\nContent-Type: application/json\r\nContent-Length: 75\r\n\r\n"
	   "{\"events\":[{\"n\":\"000000000999\"},{\"n\":\"000000001000\"},{\"n\":\"000000001001\"}]}");
	request_release(&r);
}

TEST(a_request_without_a_body_has_no_content_type)
{
	struct request_spec spec = {
		.method = "GET", .path = "/x/{n}", .host = "h", .item = "", .seed = ""
	};
	struct request r;

	request_init(&r, &spec);
	request_number(&r, 5);
	is(&r, "GET /x/000000000005 HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\n\r\n");
	request_release(&r);
}

T_MAIN(T(a_single_body_gets_its_numbers_in_place), T(a_batch_numbers_its_items_one_by_one),
       T(a_request_without_a_body_has_no_content_type))

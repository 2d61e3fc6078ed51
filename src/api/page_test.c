/* SPDX-License-Identifier: Apache-2.0 */
/* Long lists and lists of large things are walked to their end: nothing is lost, nothing twice. */
#include <stdio.h>

#include "api/server_test.h"
#include "store/page.h"

#define PAD_BYTES ((size_t)200 << 10)
#define LARGE 23 /* of them, between small ones */

struct stage {
	struct fixture *f;
	struct client c;
	const char *key;
	char pad[PAD_BYTES + 1];
};

static void stage_init(struct stage *s)
{
	s->f = server_new(NULL);
	s->c = client_open(s->f);
	s->key = server_key(s->f, "acme", ~0u);
	memset(s->pad, 'x', PAD_BYTES);
	s->pad[PAD_BYTES] = '\0';
}

static void stage_release(struct stage *s)
{
	client_close(&s->c);
	server_free(&s->f);
}

static const char *ask(struct stage *s, const char *method, const char *path, const char *body,
		       const char *status)
{
	const char *reply = server_ask(&s->c, method, path, s->key, body);

	if (strncmp(reply, status, 3) != 0) {
		fail_msg("%s %s: %.200s, not %s", method, path, reply, status);
	}
	return reply;
}

static void post_event(struct stage *s, unsigned n, const char *pad)
{
	char body[PAD_BYTES + 100];

	snprintf(body, sizeof(body), "{\"type\":\"t\",\"payload\":{\"number\":%u,\"pad\":\"%s\"}}",
		 n, pad);
	ask(s, "POST", "/api/v1/events", body, "201");
}

/* The numbers in this page go on downwards from *last. Returns how many there are. */
static size_t count_down(const char *reply, unsigned *last)
{
	static const char name[] = "\"number\":";
	size_t n = 0;

	for (const char *at = reply; (at = strstr(at, name)) != NULL; n++) {
		at += strlen(name);
		T_INT(strtoul(at, NULL, 10), --*last);
	}
	return n;
}

TEST(pages_of_large_events_end_early_and_go_on)
{
	static struct stage s;
	unsigned last = 3 * LARGE + 1;
	char path[256] = "/api/v1/events?limit=1000";
	size_t pages = 0;

	stage_init(&s);
	for (unsigned n = 1; n < last; n++) {
		post_event(&s, n, n % 3 == 0 ? s.pad : "");
	}
	for (;;) {
		const char *reply = ask(&s, "GET", path, "", "200");
		const char *cursor = server_member(reply, "nextCursor");
		size_t bytes = strlen(reply);

		T_TRUE(count_down(reply, &last) > 0);
		T_TRUE(bytes < PAGE_BYTES_MAX + PAD_BYTES + 1000);
		pages++;
		if (strcmp(cursor, "null") == 0) {
			break;
		}
		T_TRUE(bytes >= PAGE_BYTES_MAX);
		snprintf(path, sizeof(path), "/api/v1/events?limit=1000&cursor=%s", cursor);
	}
	T_INT(last, 1);
	T_INT(pages, (LARGE + 5) / 6);
	stage_release(&s);
}

/* Older lists have no cursor that could go on, so theirs are whole. */
TEST(older_pages_of_large_events_are_whole)
{
	static struct stage s;
	unsigned last = 11;

	stage_init(&s);
	for (unsigned n = 1; n < last; n++) {
		post_event(&s, n, s.pad);
	}
	T_INT(count_down(ask(&s, "GET", "/events?limit=100", "", "200"), &last), 10);
	stage_release(&s);
}

T_MAIN(T(pages_of_large_events_end_early_and_go_on), T(older_pages_of_large_events_are_whole))

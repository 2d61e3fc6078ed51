/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NET_HTTP_CALL_H
#define NET_HTTP_CALL_H

#include "base/err.h"
#include "base/slice.h"
#include "net/ip.h"

/*
 * An outgoing HTTP request and what became of it, as plain values: channels make the one and judge
 * the other, http_client.h is between. Pure; any thread.
 */
#define HTTP_CALL_HEADERS_MAX 64		    /* ours and a tenant's together */
#define HTTP_CALL_HEAD_BYTES_MAX ((size_t)16 << 10) /* servers refuse more than 8 to 32 KiB */
#define HTTP_CALL_BODY_BYTES_MAX ((size_t)1 << 20)  /* an event is 256 KiB; escapes make it grow */
#define HTTP_CALL_RESPONSE_BYTES_MAX ((size_t)64 << 10) /* a webhook has nothing longer to say */
#define HTTP_CALL_CONNECT_US (INT64_C(5) * 1000 * 1000) /* resolve, connect and TLS */
#define HTTP_CALL_TOTAL_US \
	(INT64_C(15) * 1000 * 1000) /* all of it; Standard Webhooks' lower bound */

struct http_call_header {
	struct slice name;
	struct slice value;
};

/* Zero in a timeout or limit takes the constant above. */
struct http_call {
	const char *method; /* "POST"; NULL takes it */
	struct slice url;
	const struct http_call_header *headers;
	size_t headers_n;
	struct slice body;
	int64_t connect_us;
	int64_t total_us;
	size_t response_bytes_max;
};

/* HTTP_FAIL_NONE: a whole response came, of whatever status. */
enum http_fail {
	HTTP_FAIL_NONE,
#define X(kind, code, transient, text) HTTP_FAIL_##kind,
#include "net/http_fail.def"
#undef X
	HTTP_FAILS
};
/* The code of the table; "none" for HTTP_FAIL_NONE. */
const char *http_fail_name(enum http_fail f);
/* Whether the same call may go better later. False for HTTP_FAIL_NONE. */
bool http_fail_transient(enum http_fail f);

/*
 * status is set as soon as the peer has said it, also when the call failed after that: a peer that
 * has said 200 has the message, however its body goes on. Header values are cut at 512 bytes.
 */
struct http_result {
	enum http_fail fail;
	unsigned status;	  /* final status; 0: none came */
	struct slice retry_after; /* raw header values, empty when absent */
	struct slice location;
	struct slice content_type;
	struct slice body; /* what came of it, at most response_bytes_max */
	bool sent;	   /* bytes of the request may have reached the peer */
	struct ip address; /* the peer's, when connected */
	bool connected;
	const char *text;    /* one line for people; names no inside address */
	int64_t resolved_us; /* from the start of the call; 0: did not get there */
	int64_t connected_us;
	int64_t secured_us;
	int64_t first_byte_us;
	int64_t total_us;
};

/*
 * RFC 9110 section 5.6.2 token as name; value without CR, LF, NUL and other control bytes but tab.
 * Names that say how the message is framed or sent belong to the client and are refused. INVALID.
 */
NODISCARD bool http_call_header_check(struct slice name, struct slice value, struct err *err);
/* method, sizes and every header. The URL is not looked at. INVALID or TOO_LARGE. */
NODISCARD bool http_call_check(const struct http_call *call, struct err *err);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NET_HTTP_PARSE_H
#define NET_HTTP_PARSE_H

#include "base/slice.h"

/*
 * Strict HTTP/1.1 messages, server side (RFC 9112, RFC 9110): bytes in, facts out; no I/O and no
 * allocation. Whatever two readers could frame differently is refused, never repaired: both
 * Content-Length and Transfer-Encoding, repeated lengths, bare CR or LF, folded lines, control
 * bytes, white space around names, a missing, repeated or contradicting Host, odd chunk sizes.
 *
 * Results are places in the caller's bytes (struct http_span), so that these may move. Feeding a
 * head whole or byte by byte gives the same result. One thread at a time per struct.
 */

#define HTTP_LINE_BYTES_MAX 8192       /* request line: what proxies commonly pass on */
#define HTTP_HEAD_BYTES_MAX 16384      /* the whole head with its request line */
#define HTTP_HEADERS_MAX 100	       /* as Apache and HAProxy have it */
#define HTTP_CHUNK_LINE_BYTES_MAX 256  /* one chunk size with its extensions */
#define HTTP_CHUNK_EXT_BYTES_MAX 16384 /* all extensions of one body: nobody uses them */
#define HTTP_TRAILER_BYTES_MAX 8192    /* all trailers of one body; they are dropped */

static_assert(HTTP_HEAD_BYTES_MAX <= UINT16_MAX, "struct http_span holds 16-bit places");

enum http_method {
	HTTP_OTHER, /* a valid token that is none of these: see method_text */
	HTTP_GET,
	HTTP_HEAD,
	HTTP_POST,
	HTTP_PUT,
	HTTP_PATCH,
	HTTP_DELETE,
	HTTP_OPTIONS,
	HTTP_METHODS
};

/* Headers with an index of their own: HTTP_H_HOST, HTTP_H_CONTENT_TYPE... see http_known.def. */
enum http_known {
#define X(kind, name, count) HTTP_H_##kind,
#include "net/http_known.def"
#undef X
	HTTP_KNOWN_N
};
/* "content-type" */
struct slice http_known_name(enum http_known h);

struct http_span {
	uint16_t at;
	uint16_t n;
};

struct http_field {
	struct http_span name;
	struct http_span value; /* without white space around; may be empty */
};

enum http_parse {
	HTTP_MORE, /* well so far; needs more bytes */
	HTTP_DATA, /* bodies: here is a run of data; call again */
	HTTP_DONE,
	HTTP_BAD /* answer status and close: what follows cannot be trusted */
};

struct http_head {
	/* Results, valid at HTTP_DONE. */
	enum http_method method;
	struct http_span method_text;
	struct http_span target; /* as sent */
	struct http_span path; /* without query; "*" for OPTIONS *; "/" at least, n may be 0 then */
	struct http_span query; /* behind '?', not decoded */
	struct http_span
		host;	 /* of the Host header, with its port; empty in HTTP/1.0 without one */
	unsigned minor;	 /* HTTP/1.minor: 0 or 1 */
	bool keep_alive; /* as the client wishes */
	bool upgrade;	 /* Connection: upgrade, and an Upgrade header is there (1.1 only) */
	bool chunked;
	bool expect_continue; /* 1.1 only */
	bool has_length;
	uint64_t content_length;
	size_t bytes; /* of the whole head with its empty line */
	size_t fields_n;
	struct http_field fields[HTTP_HEADERS_MAX];
	uint8_t known[HTTP_KNOWN_N]; /* index + 1 of the first field of that name, 0: none */

	/* At HTTP_BAD: 400, 414, 417, 431, 501 or 505, and why, in lower case. */
	int status;
	const char *reason;

	/* Progress. */
	struct http_span authority; /* of an absolute-form target */
	size_t at;		    /* where the line begins that is not complete yet */
	size_t scanned;		    /* no line feed in at..scanned */
	bool started;		    /* the request line is done */
	bool skipped;		    /* one empty line before the request line was dropped */
};

void http_head_init(struct http_head *h);
/*
 * Look at p[0..n): all bytes of the head so far, from its first one, the old ones unchanged; bytes
 * behind the head do no harm. HTTP_MORE, HTTP_DONE (then h->bytes are the head's) or HTTP_BAD.
 */
enum http_parse http_head_parse(struct http_head *h, const char *p, size_t n);

static inline struct slice http_span_slice(const char *p, struct http_span s)
{
	return (struct slice) { .p = p + s.at, .n = s.n };
}
/* The first value of a known header, or the empty slice; p is what was parsed. */
static inline struct slice http_head_get(const struct http_head *h, const char *p,
					 enum http_known k)
{
	return h->known[k] == 0 ? (struct slice) { 0 }
				: http_span_slice(p, h->fields[h->known[k] - 1].value);
}
/*
 * Walk the values of all fields called name (any case), in order: start with *at = 0. False when
 * there is no other.
 */
bool http_head_next(const struct http_head *h, const char *p, struct slice name, size_t *at,
		    struct slice *value);
/* Whether the comma separated list has this token, in any case. */
bool http_list_has(struct slice list, struct slice token);
/* RFC 9110 section 5.6.2: at least one tchar and nothing else. */
bool http_is_token(struct slice s);
/* RFC 9110 section 5.5: visible, space, tab or above 127; no other control byte. */
bool http_is_field_value(struct slice s);

/* A body in chunks, RFC 9112 section 7.1. */
struct http_chunked {
	int state;
	uint64_t left;	   /* data bytes of the chunk still to come */
	unsigned digits;   /* of the size line */
	size_t line_bytes; /* of the size or trailer line so far */
	size_t ext_bytes;
	size_t trailer_bytes;
	const char *reason; /* at HTTP_BAD; the status is always 400 */
};

void http_chunked_init(struct http_chunked *c);
/*
 * Take bytes off the front of *in. HTTP_DATA: *data is the next run of body bytes, inside what was
 * *in. HTTP_MORE: *in is used up. HTTP_DONE: the body is complete, *in is what follows it.
 */
enum http_parse http_chunked_parse(struct http_chunked *c, struct slice *in, struct slice *data);

#endif

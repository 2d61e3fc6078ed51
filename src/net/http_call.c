/* SPDX-License-Identifier: Apache-2.0 */
/* The table of failures, and the checks that keep a value from becoming a header of its own. */
#include "net/http_call.h"

static const struct {
	const char *name;
	bool transient;
} fails[] = {
	[HTTP_FAIL_NONE] = { "none", false },
#define X(kind, code, transient, text) [HTTP_FAIL_##kind] = { code, transient },
#include "net/http_fail.def"
#undef X
};
static_assert(ARRAY_LEN(fails) == HTTP_FAILS, "one row per failure");

/* Framing, connection and proxy matters (RFC 9110 section 7.6.1), and what follows from the URL. */
static const struct slice own_headers[] = {
	S("host"),
	S("content-length"),
	S("transfer-encoding"),
	S("connection"),
	S("keep-alive"),
	S("te"),
	S("trailer"),
	S("upgrade"),
	S("expect"),
	S("http2-settings"),
	S("proxy-connection"),
	S("proxy-authorization"),
	S("proxy-authenticate"),
};

const char *http_fail_name(enum http_fail f)
{
	return fails[f].name;
}

bool http_fail_transient(enum http_fail f)
{
	return fails[f].transient;
}

static bool is_token(struct slice s)
{
	for (size_t i = 0; i < s.n; i++) {
		char c = s.p[i];
		bool alnum = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') ||
			     (c >= 'A' && c <= 'Z');
		if (!alnum && (c == '\0' || strchr("!#$%&'*+-.^_`|~", c) == NULL)) {
			return false;
		}
	}
	return s.n > 0;
}

static bool is_value(struct slice s)
{
	for (size_t i = 0; i < s.n; i++) {
		unsigned char c = (unsigned char)s.p[i];
		if ((c < ' ' && c != '\t') || c == 0x7f) {
			return false;
		}
	}
	return true;
}

bool http_call_header_check(struct slice name, struct slice value, struct err *err)
{
	if (!is_token(name)) {
		return err_set(err, ERR_INVALID, "header name \"%.*s\" is not a token",
			       (int)(name.n < 64 ? name.n : 64), name.n == 0 ? "" : name.p);
	}
	for (size_t i = 0; i < ARRAY_LEN(own_headers); i++) {
		if (slice_eq_nocase(name, own_headers[i])) {
			return err_set(err, ERR_INVALID, "header \"%.*s\" is set by the sender",
				       SARG(name));
		}
	}
	if (!is_value(value)) {
		return err_set(err, ERR_INVALID, "header \"%.*s\" has a control byte in its value",
			       SARG(name));
	}
	return true;
}

bool http_call_check(const struct http_call *call, struct err *err)
{
	size_t bytes = 0;

	if (call->method != NULL && !is_token(slice_of(call->method))) {
		return err_set(err, ERR_INVALID, "method is not a token");
	}
	if (call->headers_n > HTTP_CALL_HEADERS_MAX) {
		return err_set(err, ERR_TOO_LARGE, "more than %d headers", HTTP_CALL_HEADERS_MAX);
	}
	if (call->body.n > HTTP_CALL_BODY_BYTES_MAX) {
		return err_set(err, ERR_TOO_LARGE, "body is over %zu bytes",
			       HTTP_CALL_BODY_BYTES_MAX);
	}
	for (size_t i = 0; i < call->headers_n; i++) {
		const struct http_call_header *h = &call->headers[i];
		if (!http_call_header_check(h->name, h->value, err)) {
			return false;
		}
		bytes += h->name.n + h->value.n + 4;
	}
	if (bytes > HTTP_CALL_HEAD_BYTES_MAX) {
		return err_set(err, ERR_TOO_LARGE, "headers are over %zu bytes",
			       HTTP_CALL_HEAD_BYTES_MAX);
	}
	return true;
}

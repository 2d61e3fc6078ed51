/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Incremental reply reader. A head that arrives in one piece (nearly always) is read where it lies;
 * only a cut one is collected first. That keeps the client's share of the two cores small.
 */
#include "load/reply.h"

#include <string.h>
#include <strings.h>

void reply_clear(struct reply *r)
{
	r->phase = REPLY_HEAD;
	r->status = 0;
	r->close = false;
	r->replayed = false;
	r->chunked = false;
	r->has_length = false;
	r->left = 0;
	r->body_total = 0;
	r->head_len = 0;
	r->body_len = 0;
	r->tail_len = 0;
	r->body[0] = '\0';
	r->tail[0] = '\0';
}

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static int hex_value(char c)
{
	if (is_digit(c)) {
		return c - '0';
	}
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static bool read_length(struct reply *r, const char *p, const char *end)
{
	r->left = 0;
	if (p == end) {
		return false;
	}
	for (; p < end; p++) {
		if (!is_digit(*p) || r->left > UINT64_MAX / 16) {
			return false;
		}
		r->left = r->left * 10 + (uint64_t)(*p - '0');
	}
	r->has_length = true;
	return true;
}

static bool name_is(const char *line, size_t len, const char *name)
{
	return strlen(name) == len && strncasecmp(line, name, len) == 0;
}

static bool read_field(struct reply *r, const char *line, const char *end)
{
	const char *colon = memchr(line, ':', (size_t)(end - line));
	const char *value;

	if (colon == NULL) {
		return false;
	}
	value = colon + 1;
	while (value < end && (*value == ' ' || *value == '\t')) {
		value++;
	}
	while (end > value && (end[-1] == ' ' || end[-1] == '\t')) {
		end--;
	}
	if (name_is(line, (size_t)(colon - line), "content-length")) {
		return read_length(r, value, end);
	}
	if (name_is(line, (size_t)(colon - line), "transfer-encoding")) {
		r->chunked = name_is(value, (size_t)(end - value), "chunked");
		return r->chunked;
	}
	if (name_is(line, (size_t)(colon - line), "connection")) {
		r->close = name_is(value, (size_t)(end - value), "close");
	} else if (name_is(line, (size_t)(colon - line), "idempotent-replayed")) {
		r->replayed = name_is(value, (size_t)(end - value), "true");
	}
	return true;
}

/* The head without its empty last line: p..end ends with the CRLF of the last field. */
static bool read_head(struct reply *r, const char *p, const char *end)
{
	const char *line;

	if (end - p < 14 || memcmp(p, "HTTP/1.1 ", 9) != 0 || !is_digit(p[9]) || !is_digit(p[10]) ||
	    !is_digit(p[11])) {
		return false;
	}
	r->status = (p[9] - '0') * 100 + (p[10] - '0') * 10 + (p[11] - '0');
	line = (const char *)memchr(p, '\n', (size_t)(end - p)) + 1;
	while (line < end) {
		const char *eol = memchr(line, '\n', (size_t)(end - line));

		if (eol == NULL || eol == line || eol[-1] != '\r' ||
		    !read_field(r, line, eol - 1)) {
			return false;
		}
		line = eol + 1;
	}
	return true;
}

static enum reply_state after_head(struct reply *r)
{
	if (r->status >= 100 && r->status < 200) {
		reply_clear(r);
		return REPLY_MORE;
	}
	if (r->status == 204 || r->status == 304) {
		return REPLY_DONE;
	}
	if (r->chunked) {
		r->phase = REPLY_CHUNK_SIZE;
		r->head_len = 0;
		return REPLY_MORE;
	}
	if (!r->has_length) {
		return REPLY_BAD;
	}
	r->phase = REPLY_FIXED;
	return r->left == 0 ? REPLY_DONE : REPLY_MORE;
}

static enum reply_state feed_head(struct reply *r, const char *p, size_t n, size_t *used)
{
	const char *end = r->head_len == 0 ? memmem(p, n, "\r\n\r\n", 4) : NULL;
	size_t old = r->head_len;
	size_t take = n < sizeof(r->head) - old ? n : sizeof(r->head) - old;

	if (end != NULL) {
		*used += (size_t)(end - p) + 4;
		return read_head(r, p, end + 2) ? after_head(r) : REPLY_BAD;
	}
	memcpy(r->head + old, p, take);
	r->head_len += take;
	end = memmem(r->head, r->head_len, "\r\n\r\n", 4);
	if (end == NULL) {
		*used += take;
		return r->head_len == sizeof(r->head) ? REPLY_BAD : REPLY_MORE;
	}
	*used += (size_t)(end - r->head) + 4 - old;
	return read_head(r, r->head, end + 2) ? after_head(r) : REPLY_BAD;
}

static void keep_tail(struct reply *r, const char *p, size_t n)
{
	size_t over;

	if (n > REPLY_BODY_BYTES_MAX) {
		p += n - REPLY_BODY_BYTES_MAX;
		n = REPLY_BODY_BYTES_MAX;
	}
	over = r->tail_len + n > REPLY_BODY_BYTES_MAX ? r->tail_len + n - REPLY_BODY_BYTES_MAX : 0;
	memmove(r->tail, r->tail + over, r->tail_len - over);
	memcpy(r->tail + r->tail_len - over, p, n);
	r->tail_len += n - over;
	r->tail[r->tail_len] = '\0';
}

void reply_keep(struct reply *r, const char *p, size_t n)
{
	size_t room = REPLY_BODY_BYTES_MAX - r->body_len;
	size_t keep = n < room ? n : room;

	if (keep != 0) {
		memcpy(r->body + r->body_len, p, keep);
		r->body_len += keep;
		r->body[r->body_len] = '\0';
	}
	keep_tail(r, p, n);
	r->body_total += n;
}

static size_t take_body(struct reply *r, const char *p, size_t n)
{
	size_t take = n < r->left ? n : (size_t)r->left;

	reply_keep(r, p, take);
	r->left -= take;
	return take;
}

static bool read_chunk_size(struct reply *r, size_t len)
{
	size_t i = 0;

	r->left = 0;
	while (i < len && hex_value(r->head[i]) >= 0 && r->left <= UINT64_MAX / 32) {
		r->left = r->left * 16 + (uint64_t)hex_value(r->head[i]);
		i++;
	}
	return i > 0 && (i == len || r->head[i] == ';');
}

/* A whole line of the framing around chunks lies in head, without its line end. */
static enum reply_state frame_line(struct reply *r, size_t len)
{
	if (r->phase == REPLY_TRAILER) {
		return len == 0 ? REPLY_DONE : REPLY_MORE;
	}
	if (r->phase == REPLY_CHUNK_END) {
		r->phase = REPLY_CHUNK_SIZE;
		return len == 0 ? REPLY_MORE : REPLY_BAD;
	}
	if (!read_chunk_size(r, len)) {
		return REPLY_BAD;
	}
	r->phase = r->left == 0 ? REPLY_TRAILER : REPLY_CHUNK_DATA;
	return REPLY_MORE;
}

static enum reply_state feed_line(struct reply *r, const char *p, size_t n, size_t *used)
{
	for (size_t i = 0; i < n; i++) {
		if (r->head_len == sizeof(r->head)) {
			return REPLY_BAD;
		}
		r->head[r->head_len++] = p[i];
		if (p[i] == '\n') {
			size_t len = r->head_len - 1;

			*used += i + 1;
			r->head_len = 0;
			len -= len > 0 && r->head[len - 1] == '\r' ? 1 : 0;
			return frame_line(r, len);
		}
	}
	*used += n;
	return REPLY_MORE;
}

static enum reply_state feed_data(struct reply *r, const char *p, size_t n, size_t *used)
{
	*used += take_body(r, p, n);
	if (r->left != 0) {
		return REPLY_MORE;
	}
	if (r->phase == REPLY_FIXED) {
		return REPLY_DONE;
	}
	r->phase = REPLY_CHUNK_END;
	return REPLY_MORE;
}

enum reply_state reply_feed(struct reply *r, const char *p, size_t n, size_t *used)
{
	enum reply_state state = REPLY_MORE;

	*used = 0;
	while (state == REPLY_MORE && *used < n) {
		switch (r->phase) {
		case REPLY_HEAD:
			state = feed_head(r, p + *used, n - *used, used);
			break;
		case REPLY_FIXED:
		case REPLY_CHUNK_DATA:
			state = feed_data(r, p + *used, n - *used, used);
			break;
		case REPLY_CHUNK_SIZE:
		case REPLY_CHUNK_END:
		case REPLY_TRAILER:
			state = feed_line(r, p + *used, n - *used, used);
			break;
		}
	}
	return state;
}

bool reply_says(const struct reply *r, const char *text)
{
	return strstr(r->body, text) != NULL || strstr(r->tail, text) != NULL;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* What all channels share: finding one, its settings, and the usual reading of an HTTP answer. */
#include "channel/channel.h"

#include <stdio.h>

#include "base/time.h"

#define CONF_BYTES_MAX ((size_t)64 << 10) /* settings are read at each attempt */

const char *channel_outcome_name(enum channel_outcome outcome)
{
	switch (outcome) {
	case CHANNEL_DELIVERED:
		return "delivered";
	case CHANNEL_RETRY:
		return "retry";
	case CHANNEL_REJECTED:
		return "rejected";
	case CHANNEL_GONE:
		return "gone";
	case CHANNEL_OUTCOMES:
		break;
	}
	never("channel_outcome");
}

const struct channel_type *channel_find(struct slice name)
{
	for (const struct channel_type *const *type = channel_types; *type != NULL; type++) {
		if (slice_eq(name, slice_of((*type)->name))) {
			return *type;
		}
	}
	return NULL;
}

/* The value that counts for a row: the old one where the new one is the mask of a secret. */
static const struct json *pick(const struct field *row, const struct json *now,
			       const struct json *old)
{
	const struct json *v = json_get(now, row->name);

	if (v != NULL && (row->flags & FIELD_SECRET) != 0 && v->type == JSON_STRING &&
	    slice_eq(v->text, S(FIELD_MASK))) {
		return json_get(old, row->name);
	}
	return v;
}

static bool put_compact(struct slice raw, struct arena *req, struct buf *out, struct err *err)
{
	struct json_scan s;

	json_scan_init(&s, raw, JSON_DEPTH_MAX, req);
	return json_compact(&s, out, err);
}

/* Known members in the order of the table; what is null is left out. */
static bool put_members(const struct channel_type *type, const struct json *now,
			const struct json *old, struct arena *req, struct buf *out, struct err *err)
{
	const char *comma = "";

	buf_putc(out, '{');
	for (size_t i = 0; i < type->fields_n; i++) {
		const struct json *v = pick(&type->fields[i], now, old);
		if (v == NULL || v->type == JSON_NULL) {
			continue;
		}
		buf_printf(out, "%s\"%s\":", comma, type->fields[i].name);
		comma = ",";
		if (!put_compact(v->raw, req, out, err)) {
			return false;
		}
	}
	buf_putc(out, '}');
	return true;
}

static bool merge(const struct channel_type *type, const struct channel_conf_in *in,
		  struct arena *req, struct slice *out, struct err *err)
{
	const struct json *old = NULL;
	struct buf text;
	bool ok = false;

	buf_init(&text, CONF_BYTES_MAX);
	if (in->old.n > 0 && !json_parse(req, in->old, JSON_DEPTH_MAX, &old, err)) {
		goto out;
	}
	if (!(type->fields == NULL ? put_compact(in->config->raw, req, &text, err)
				   : put_members(type, in->config, old, req, &text, err))) {
		goto out;
	}
	if (text.overflow) {
		err_set(err, ERR_TOO_LARGE, "settings are over %zu bytes", CONF_BYTES_MAX);
		goto out;
	}
	*out = arena_dup(req, buf_slice(&text));
	ok = true;
out:
	buf_release(&text);
	return ok;
}

/* Fill *conf from the object; no complaint about members that the table does not know. */
static bool read_conf(const struct channel_type *type, const struct json *config, const char *path,
		      struct arena *arena, void **conf, struct err *err)
{
	struct fields_in in = { .path = path, .ignore_unknown = true };

	*conf = arena_alloc(arena, type->conf_size);
	return fields_parse(config, type->fields, type->fields_n, *conf, &in, arena, err);
}

static bool check_conf(const struct channel_type *type, const struct channel_conf_in *in,
		       const void *conf, struct err *err)
{
	struct err found = { 0 };
	char path[sizeof(err->field)];
	const char *dot = in->path == NULL ? "" : ".";

	if (type->check == NULL || type->check(conf, in->policy, &found)) {
		return true;
	}
	snprintf(path, sizeof(path), "%s%s%.60s", in->path == NULL ? "" : in->path, dot,
		 found.field);
	return err_field(err, found.kind, path, "\"%s\" %s", path, found.text);
}

bool channel_conf_check(const struct channel_type *type, const struct channel_conf_in *in,
			struct arena *req, struct slice *out, struct err *err)
{
	struct fields_in strict = { .path = in->path, .ignore_unknown = in->ignore_unknown };
	const struct json *merged;
	void *conf;

	if (in->config == NULL || in->config->type != JSON_OBJECT) {
		const char *path = in->path == NULL ? "config" : in->path;
		return err_field(err, ERR_INVALID, path, "\"%s\" must be an object", path);
	}
	if (type->fields == NULL) {
		return merge(type, in, req, out, err);
	}
	/* As it was sent, for names and types, and then as it will be stored. */
	conf = arena_alloc(req, type->conf_size);
	strict.partial = in->old.n > 0;
	if (!fields_parse(in->config, type->fields, type->fields_n, conf, &strict, req, err) ||
	    !merge(type, in, req, out, err) ||
	    !json_parse(req, *out, JSON_DEPTH_MAX, &merged, err)) {
		return false;
	}
	return read_conf(type, merged, in->path, req, &conf, err) &&
	       check_conf(type, in, conf, err);
}

bool channel_conf_read(const struct channel_type *type, struct slice config, struct arena *tick,
		       const void **conf, struct err *err)
{
	const struct json *object;
	void *out = NULL;

	if (!json_parse(tick, config, JSON_DEPTH_MAX, &object, err)) {
		return false;
	}
	if (type->fields != NULL && !read_conf(type, object, NULL, tick, &out, err)) {
		return false;
	}
	*conf = out;
	return true;
}

void channel_conf_show(const struct channel_type *type, struct slice config, struct arena *req,
		       struct json_w *w)
{
	const void *conf;
	struct err err;

	if (type->fields == NULL) {
		json_w_raw(w, config);
		return;
	}
	json_w_object(w);
	if (channel_conf_read(type, config, req, &conf, &err)) {
		fields_write(w, type->fields, type->fields_n, conf);
	}
	json_w_end(w);
}

static int month_of(struct slice name)
{
	static const char names[] = "JanFebMarAprMayJunJulAugSepOctNovDec";

	for (int i = 0; i < 12; i++) {
		if (memcmp(name.p, names + (ptrdiff_t)3 * i, 3) == 0) {
			return i + 1;
		}
	}
	return 0;
}

/* n digits at place at. */
static bool digits(struct slice s, size_t at, size_t n, int *out)
{
	uint64_t v;

	if (!slice_u64((struct slice) { .p = s.p + at, .n = n }, &v)) {
		return false;
	}
	*out = (int)v;
	return true;
}

/* "Sun, 06 Nov 1994 08:49:37 GMT". */
static bool parse_date(struct slice s, int64_t *us)
{
	struct time_civil c = { 0 };

	if (s.n != 29 || memcmp(s.p + 3, ", ", 2) != 0 || s.p[7] != ' ' || s.p[11] != ' ' ||
	    s.p[16] != ' ' || s.p[19] != ':' || s.p[22] != ':' || !slice_ends(s, S(" GMT"))) {
		return false;
	}
	c.month = month_of(slice_from(s, 8));
	if (c.month == 0 || !digits(s, 5, 2, &c.day) || !digits(s, 12, 4, &c.year) ||
	    !digits(s, 17, 2, &c.hour) || !digits(s, 20, 2, &c.minute) ||
	    !digits(s, 23, 2, &c.second)) {
		return false;
	}
	if (c.year == 0 || c.day == 0 || c.day > time_month_days(c.year, c.month) || c.hour > 23 ||
	    c.minute > 59 || c.second > 59) {
		return false;
	}
	*us = time_from_civil(&c);
	return true;
}

int64_t channel_retry_after(struct slice value, int64_t now_us)
{
	uint64_t seconds;
	int64_t at_us;

	value = slice_trim(value);
	if (slice_u64(value, &seconds)) {
		return seconds < CHANNEL_RETRY_AFTER_US_MAX / 1000000 ? (int64_t)seconds * 1000000
								      : CHANNEL_RETRY_AFTER_US_MAX;
	}
	if (!parse_date(value, &at_us) || at_us <= now_us) {
		return 0;
	}
	return at_us - now_us < CHANNEL_RETRY_AFTER_US_MAX ? at_us - now_us
							   : CHANNEL_RETRY_AFTER_US_MAX;
}

static enum channel_outcome judge_status(unsigned status)
{
	if (status >= 200 && status < 300) {
		return CHANNEL_DELIVERED;
	}
	if (status == 408 || status == 425 || status == 429 || status >= 500) {
		return CHANNEL_RETRY;
	}
	return status == 410 ? CHANNEL_GONE : CHANNEL_REJECTED;
}

struct channel_verdict channel_judge_http(const struct http_result *r, int64_t now_us)
{
	struct channel_verdict v = { 0 };
	bool redirect = r->status >= 300 && r->status < 400;

	if (r->status == 0) {
		v.outcome = http_fail_transient(r->fail) ? CHANNEL_RETRY : CHANNEL_REJECTED;
		snprintf(v.text, sizeof(v.text), "%s", r->text == NULL ? "" : r->text);
		return v;
	}
	v.outcome = judge_status(r->status);
	if (v.outcome == CHANNEL_RETRY) {
		v.after_us = channel_retry_after(r->retry_after, now_us);
	}
	if (v.outcome != CHANNEL_DELIVERED) {
		snprintf(v.text, sizeof(v.text), "HTTP %u%s", r->status,
			 redirect ? ": redirects are not followed" : "");
	}
	return v;
}

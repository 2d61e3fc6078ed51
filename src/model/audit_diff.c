/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What was changed, out of two JSON objects of one thing. Members compare by their bytes: both were
 * written by us, in one form. What may be seen is listed, never what may not: a member that is
 * added later is hidden until somebody shows it.
 */
#include "model/audit.h"

#include "base/json_put.h"

/* Beyond it members are told by their hash; the rest of the bound holds some hundred of those. */
#define FIELDS_WHOLE_BYTES (AUDIT_FIELDS_BYTES_MAX / 2)

static bool is_shown(struct slice name, const char *const *shown)
{
	if (shown == NULL) {
		return true;
	}
	for (size_t i = 0; shown[i] != NULL; i++) {
		if (slice_eq(name, slice_of(shown[i]))) {
			return true;
		}
	}
	return false;
}

static bool same(const struct json *a, const struct json *b)
{
	return a != NULL && b != NULL && slice_eq(a->raw, b->raw);
}

/* That it is another can be seen, and whoever has it can tell that it was this. */
static void put_digest(struct json_w *w, struct slice raw)
{
	char hex[SHA256_HEX_CHARS];

	sha256_hex(raw, hex);
	json_w_object(w);
	json_put_int(w, "bytes", (int64_t)raw.n);
	json_put_str(w, "sha256", (struct slice) { hex, sizeof(hex) });
	json_w_end(w);
}

/* The members of obj that other has not, or has otherwise; empty when there is none. */
static struct slice differing(const struct json *obj, const struct json *other,
			      const char *const *shown, struct arena *req)
{
	struct slice text = { 0 };
	struct json_w w;
	struct buf out;
	size_t n = 0;

	if (obj == NULL) {
		return text;
	}
	buf_init(&out, AUDIT_FIELDS_BYTES_MAX);
	json_w_init(&w, &out);
	json_w_object(&w);
	json_each(v, obj)
	{
		if (!is_shown(v->key, shown) || same(v, json_get_slice(other, v->key))) {
			continue;
		}
		json_w_key_slice(&w, v->key);
		if (v->raw.n > AUDIT_VALUE_BYTES_MAX || out.n + v->raw.n > FIELDS_WHOLE_BYTES) {
			put_digest(&w, v->raw);
		} else {
			json_w_raw(&w, v->raw);
		}
		n++;
	}
	json_w_end(&w);
	if (out.overflow) {
		buf_cut(&out, 0);
		json_w_init(&w, &out);
		put_digest(&w, obj->raw);
	}
	if (n > 0) {
		text = arena_dup(req, buf_slice(&out));
	}
	buf_release(&out);
	return text;
}

static bool parse(struct slice text, struct arena *req, const struct json **out, struct err *err)
{
	*out = NULL;
	if (text.n == 0) {
		return true;
	}
	return json_parse(req, text, JSON_DEPTH_MAX, out, err) &&
	       ((*out)->type == JSON_OBJECT ||
		err_set(err, ERR_MALFORMED, "what was changed is no object"));
}

bool audit_diff(struct slice old, struct slice new, const char *const *shown, struct arena *req,
		struct slice *before, struct slice *after, struct err *err)
{
	const struct json *was, *is;

	if (!parse(old, req, &was, err) || !parse(new, req, &is, err)) {
		return false;
	}
	*before = differing(was, is, shown, req);
	*after = differing(is, was, shown, req);
	return true;
}

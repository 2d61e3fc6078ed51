/* SPDX-License-Identifier: Apache-2.0 */
/* The file is its own record of how far an export has come. */
#include "cmd/export_part.h"

#include "base/json.h"

static struct slice id_in(const struct export_part *part)
{
	struct slice head = { part->head, part->head_n };
	char after = part->csv ? ',' : '"';

	if (!part->csv) {
		if (!slice_starts(head, S("{\"id\":\""))) {
			return (struct slice) { 0 };
		}
		head = slice_from(head, 7);
	}
	head.n = slice_starts(head, S("evt_")) ? slice_find(head, after) : 0;
	return head;
}

static void end_line(struct export_part *part, uint64_t at)
{
	struct slice id = id_in(part);

	if (id.n > 0) {
		memcpy(part->id, id.p, id.n);
		part->id_n = id.n;
		part->events++;
		part->end = at;
	} else if (part->csv && part->events == 0 && !part->headed) {
		part->headed = true;
		part->end = at;
	}
	part->head_n = 0;
}

static bool is_filler(const struct export_part *part, char c)
{
	return part->head_n == 0 && (part->csv ? c == '\r' || c == '\n' : c == ' ');
}

void export_part_feed(struct export_part *part, struct slice bytes, struct buf *kept)
{
	for (size_t i = 0; i < bytes.n; i++) {
		char c = bytes.p[i];

		if (is_filler(part, c)) {
			continue;
		}
		if (kept != NULL) {
			buf_putc(kept, c);
		}
		part->bytes++;
		part->quoted = part->csv && part->quoted != (c == '"');
		if (c == '\n' && !part->quoted) {
			end_line(part, part->bytes);
		} else if (part->head_n < sizeof(part->head)) {
			part->head[part->head_n++] = c;
		}
	}
}

static struct slice filter_in(const struct json *filters, const char *name)
{
	const struct json *value = json_get(filters, name);

	return value != NULL && value->type == JSON_STRING ? value->text : S("");
}

bool export_same(struct slice begun, struct slice now, const char *path, struct arena *boot,
		 struct err *err)
{
	static const char *const names[] = { "format", "query",	      "type", "kind", "severity",
					     "source", "environment", "from", "to" };
	const struct json *then, *this;
	struct err ignored;

	ensure(json_parse(boot, now, JSON_DEPTH_MAX, &this, &ignored));
	if (!json_parse(boot, begun, JSON_DEPTH_MAX, &then, &ignored)) {
		return err_set(err, ERR_CORRUPT,
			       "nobody knows with which filters \"%s\" was begun; remove it to "
			       "begin anew",
			       path);
	}
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		struct slice was = filter_in(then, names[i]), is = filter_in(this, names[i]);

		if (!slice_eq(was, is)) {
			return err_set(err, ERR_CONFLICT,
				       "\"--%s\" is not what \"%s\" was begun with; remove that "
				       "to begin anew (\"%.*s\" then, \"%.*s\" now)",
				       names[i], path, SARG(was), SARG(is));
		}
	}
	return true;
}

bool export_end_read(struct slice line, struct arena *req, struct export_end *end)
{
	const struct json *body, *part, *value;
	struct err ignored;
	int64_t lost = 0;

	*end = (struct export_end) { 0 };
	if (!json_parse(req, line, JSON_DEPTH_MAX, &body, &ignored)) {
		return false;
	}
	part = json_get(body, "failed");
	value = json_get(part, "error");
	if (value != NULL && value->type == JSON_STRING) {
		end->failed = value->text;
		return true;
	}
	part = json_get(body, "end");
	value = json_get(part, "lost");
	if (value == NULL || value->type != JSON_NUMBER || !json_number_int(value->text, &lost) ||
	    lost < 0) {
		return false;
	}
	end->complete = true;
	end->lost = (uint64_t)lost;
	return true;
}

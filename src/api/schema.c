/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From rows to schemas. A shape is first laid out flat (what it takes over from another shape, the
 * rows of its field table, its own props), so that schema, required names and example go over the
 * same list and cannot disagree.
 */
#include "api/schema.h"

#include "base/json_put.h"
#include "model/id.h"

#define PARTS_MAX 80 /* members of one object */
#define EXAMPLE_TIME "2026-01-31T09:30:00.000Z"
#define EXAMPLE_MS INT64_C(1769851800000)
#define EXAMPLE_NUMBER UINT64_C(0x2f6a1c93d5e87b41)
#define ID_PREFIX_LEN 4

/* One member, from one of the two kinds of tables; a prop in the place of a row has both. */
struct part {
	const struct field *field;
	const struct prop *prop;
};

struct parts {
	struct part v[PARTS_MAX];
	size_t n;
};

static const struct prop *find_prop(const struct shape *shape, const char *name)
{
	for (size_t i = 0; i < shape->n; i++) {
		if (strcmp(shape->props[i].name, name) == 0) {
			return &shape->props[i];
		}
	}
	return NULL;
}

static void add(struct parts *parts, const struct field *field, const struct prop *prop)
{
	if (prop != NULL && prop->kind == PROP_KIND_ABSENT) {
		return;
	}
	ensure(parts->n < PARTS_MAX);
	parts->v[parts->n++] = (struct part) { field, prop };
}

static void lay_out(const struct shape *shape, struct parts *parts)
{
	const struct field_set *fields = shape->fields;

	if (shape->also != NULL) {
		lay_out(shape->also, parts);
	}
	for (size_t i = 0; fields != NULL && i < fields->n; i++) {
		add(parts, &fields->rows[i], find_prop(shape, fields->rows[i].name));
	}
	for (size_t i = 0; i < shape->n; i++) {
		if (fields == NULL ||
		    fields_find(fields->rows, fields->n, slice_of(shape->props[i].name)) == NULL) {
			add(parts, NULL, &shape->props[i]);
		}
	}
}

static const char *name_of(const struct part *part)
{
	return part->prop != NULL ? part->prop->name : part->field->name;
}

static bool is_required(const struct part *part, const struct shape *shape, bool partial)
{
	if (shape->sent && partial) {
		return false;
	}
	if (part->prop != NULL) {
		return (part->prop->flags & PROP_MAYBE) == 0;
	}
	return !shape->sent || (part->field->flags & FIELD_REQUIRED) != 0;
}

static void put_type(struct json_w *w, const char *type, bool or_null)
{
	if (!or_null) {
		json_put_str(w, "type", slice_of(type));
		return;
	}
	json_w_key(w, "type");
	json_w_array(w);
	json_w_str(w, slice_of(type));
	json_w_str(w, S("null"));
	json_w_end(w);
}

static void put_words(struct json_w *w, const char *const *words, bool or_null)
{
	json_w_key(w, "enum");
	json_w_array(w);
	for (size_t i = 0; words[i] != NULL; i++) {
		json_w_str(w, slice_of(words[i]));
	}
	if (or_null) {
		json_w_null(w);
	}
	json_w_end(w);
}

static void put_help(struct json_w *w, const char *help)
{
	if (help != NULL) {
		json_put_str(w, "description", slice_of(help));
	}
}

static void put_format(struct json_w *w, const char *format)
{
	json_put_str(w, "format", slice_of(format));
}

/* Ids. */

struct id_text schema_id_example(enum id_kind kind)
{
	static const struct hash_key no_key;
	struct log_id id = { .at_ms = EXAMPLE_MS, .number = EXAMPLE_NUMBER & 0xffffff };

	return kind >= ID_EVENT && kind <= ID_DELIVERY ? log_id_format(&no_key, kind, id)
						       : id_format(kind, EXAMPLE_NUMBER);
}

static void put_id(struct schema *s, enum id_kind kind)
{
	struct id_text id = schema_id_example(kind);

	json_put_str(s->w, "pattern",
		     arena_printf(s->arena, "^%.*s[0-9A-HJKMNP-TV-Z]{%zu}$", ID_PREFIX_LEN, id.p,
				  strlen(id.p) - ID_PREFIX_LEN));
}

void schema_id(struct schema *s, enum id_kind kind)
{
	json_w_object(s->w);
	json_put_str(s->w, "type", S("string"));
	put_id(s, kind);
	json_w_end(s->w);
}

/* Rows of field tables. */

static const char *type_of(const struct field *row)
{
	switch (field_kind_info(row->kind)->type) {
	case JSON_STRING:
		return "string";
	case JSON_BOOL:
		return "boolean";
	case JSON_NUMBER:
		return row->kind == FIELD_KIND_NUMBER ? "number" : "integer";
	case JSON_ARRAY:
		return "array";
	case JSON_OBJECT:
		return "object";
	case JSON_NULL:
	case JSON_NONE:
		return NULL;
	}
	never("a type of JSON without a name");
}

static void put_limit(struct json_w *w, const char *name, int64_t v, int64_t unbounded)
{
	if (v != unbounded) {
		json_put_int(w, name, v);
	}
}

/* Lengths in bytes are no lengths in characters, but never less than these. */
static void put_bounds(struct json_w *w, const struct field *row)
{
	int64_t min, max;

	field_bounds(row, &min, &max);
	switch (field_kind_info(row->kind)->measure) {
	case FIELD_UNBOUNDED:
		return;
	case FIELD_VALUE:
		put_limit(w, "minimum", min, INT64_MIN);
		put_limit(w, "maximum", max, INT64_MAX);
		return;
	case FIELD_CHARS:
	case FIELD_BYTES:
		if (field_kind_info(row->kind)->type == JSON_STRING) {
			put_limit(w, "minLength", min, 0);
			put_limit(w, "maxLength", max, INT64_MAX);
		}
		return;
	case FIELD_ITEMS:
		put_limit(w, row->kind == FIELD_KIND_MAP ? "minProperties" : "minItems", min, 0);
		put_limit(w, row->kind == FIELD_KIND_MAP ? "maxProperties" : "maxItems", max,
			  INT64_MAX);
		return;
	}
	never("a measure without bounds");
}

static void put_items(struct json_w *w, const struct field *row)
{
	bool map = row->kind == FIELD_KIND_MAP;

	if (!map && row->kind != FIELD_KIND_LIST && row->kind != FIELD_KIND_CIDRS) {
		return;
	}
	json_w_key(w, map ? "additionalProperties" : "items");
	json_w_object(w);
	json_put_str(w, "type", S("string"));
	json_put_int(w, "maxLength", row->item_max != 0 ? row->item_max : FIELD_ITEM_MAX);
	json_w_end(w);
}

/* The value that text stands for, as a member of this name of the open object. */
static void put_text_value(struct schema *s, const char *name, const struct field *row,
			   const char *text)
{
	struct field copy = *row;
	_Alignas(16) char room[64] = { 0 };
	struct err err;

	copy.name = name;
	copy.offset = 0;
	copy.flags = 0;
	ensure(field_parse_text(&copy, slice_of(text), room, s->arena, &err));
	fields_write(s->w, &copy, 1, room);
}

static void put_row(struct schema *s, const struct field *row, bool or_null)
{
	const char *type = type_of(row), *format = field_kind_info(row->kind)->format;

	if (type != NULL) {
		put_type(s->w, type, or_null);
	}
	if (format != NULL) {
		put_format(s->w, format);
	}
	if (row->kind == FIELD_KIND_ENUM) {
		put_words(s->w, row->words, or_null);
	}
	put_bounds(s->w, row);
	put_items(s->w, row);
	put_help(s->w, row->help);
	if (row->fallback != NULL) {
		put_text_value(s, "default", row, row->fallback);
	}
	if ((row->flags & FIELD_READ_ONLY) != 0) {
		json_put_bool(s->w, "readOnly", true);
	}
}

void schema_param(struct schema *s, const struct field *row)
{
	struct field bare = *row;

	bare.help = NULL;
	json_w_object(s->w);
	put_row(s, &bare, false);
	json_w_end(s->w);
}

/* null in a body sets the default; what was never set is shown as null. */
static bool row_or_null(const struct field *row, bool sent)
{
	if ((row->flags & FIELD_REQUIRED) != 0) {
		return false;
	}
	return sent || (row->fallback == NULL && field_kind_info(row->kind)->type == JSON_STRING &&
			row->kind != FIELD_KIND_ENUM);
}

/* Props. */

static const char *const plain_types[] = {
	[PROP_KIND_STR] = "string",  [PROP_KIND_ID] = "string",	    [PROP_KIND_TIME] = "string",
	[PROP_KIND_INT] = "integer", [PROP_KIND_NUMBER] = "number", [PROP_KIND_BOOL] = "boolean",
	[PROP_KIND_WORD] = "string", [PROP_KIND_OBJECT] = "object", [PROP_KIND_ANY] = NULL,
};

static void put_range(struct json_w *w, const struct prop *prop)
{
	if (prop->kind == PROP_KIND_INT) {
		put_format(w, "int64");
		json_put_int(w, "minimum", prop->min);
		put_limit(w, "maximum", prop->max, 0);
	} else if (prop->kind == PROP_KIND_NUMBER && prop->max != 0) {
		json_put_int(w, "minimum", prop->min);
		json_put_int(w, "maximum", prop->max);
	} else if (prop->kind == PROP_KIND_STR) {
		put_limit(w, "minLength", prop->min, 0);
		put_limit(w, "maxLength", prop->max, 0);
	}
}

static void put_plain(struct schema *s, const struct prop *prop, bool or_null)
{
	if (plain_types[prop->kind] != NULL) {
		put_type(s->w, plain_types[prop->kind], or_null);
	}
	if (prop->kind == PROP_KIND_TIME) {
		put_format(s->w, "date-time");
	} else if (prop->kind == PROP_KIND_ID) {
		put_id(s, prop->id);
	} else if (prop->kind == PROP_KIND_WORD) {
		put_words(s->w, prop->words, or_null);
	}
	put_range(s->w, prop);
}

/* A reference stands alone where it may be null, because an object is no union of types. */
static void write_single(struct schema *s, const struct prop *prop)
{
	bool or_null = prop->many == PROP_ONE && (prop->flags & PROP_NULL) != 0;
	bool alone = prop->many == PROP_ONE;

	if (prop->kind == PROP_KIND_SHAPE && !or_null) {
		schema_shape(s, prop->shape, false);
		return;
	}
	json_w_object(s->w);
	if (prop->kind == PROP_KIND_SHAPE) {
		json_w_key(s->w, "anyOf");
		json_w_array(s->w);
		schema_shape(s, prop->shape, false);
		json_w_raw(s->w, S("{\"type\":\"null\"}"));
		json_w_end(s->w);
	} else {
		put_plain(s, prop, or_null);
	}
	if (alone) {
		put_help(s->w, prop->help);
	}
	json_w_end(s->w);
}

void schema_prop(struct schema *s, const struct prop *prop)
{
	bool list = prop->many == PROP_LIST;

	if (prop->many == PROP_ONE) {
		write_single(s, prop);
		return;
	}
	json_w_object(s->w);
	put_type(s->w, list ? "array" : "object", (prop->flags & PROP_NULL) != 0);
	json_w_key(s->w, list ? "items" : "additionalProperties");
	write_single(s, prop);
	if (list) {
		put_limit(s->w, "minItems", prop->min, 0);
		put_limit(s->w, "maxItems", prop->max, 0);
	}
	put_help(s->w, prop->help);
	json_w_end(s->w);
}

/* Shapes. */

static void write_part(struct schema *s, const struct part *part, bool sent)
{
	if (part->prop != NULL) {
		schema_prop(s, part->prop);
		return;
	}
	json_w_object(s->w);
	put_row(s, part->field, row_or_null(part->field, sent));
	json_w_end(s->w);
}

static void write_required(struct schema *s, const struct shape *shape, bool partial,
			   const struct parts *parts)
{
	bool any = false;

	for (size_t i = 0; i < parts->n; i++) {
		if (!is_required(&parts->v[i], shape, partial)) {
			continue;
		}
		if (!any) {
			json_w_key(s->w, "required");
			json_w_array(s->w);
			any = true;
		}
		json_w_str(s->w, slice_of(name_of(&parts->v[i])));
	}
	if (any) {
		json_w_end(s->w);
	}
}

static void write_forms(struct schema *s, const struct shape *shape)
{
	json_w_key(s->w, "anyOf");
	json_w_array(s->w);
	for (size_t i = 0; i < shape->n; i++) {
		schema_prop(s, &shape->props[i]);
	}
	if (shape->forms != NULL) {
		shape->forms(s);
	}
	json_w_end(s->w);
}

static void write_object(struct schema *s, const struct shape *shape, bool partial)
{
	struct parts parts = { .n = 0 };

	lay_out(shape, &parts);
	json_put_str(s->w, "type", S("object"));
	json_w_key(s->w, "properties");
	json_w_object(s->w);
	for (size_t i = 0; i < parts.n; i++) {
		json_w_key(s->w, name_of(&parts.v[i]));
		write_part(s, &parts.v[i], shape->sent);
	}
	json_w_end(s->w);
	write_required(s, shape, partial, &parts);
	json_put_bool(s->w, "additionalProperties", shape->open);
}

static void write_shape(struct schema *s, const struct shape *shape, bool partial)
{
	json_w_object(s->w);
	put_help(s->w, shape->help);
	if (shape->one_of) {
		write_forms(s, shape);
	} else {
		write_object(s, shape, partial);
	}
	json_w_end(s->w);
}

static const char *suffix(const struct shape *shape, bool partial)
{
	return shape->sent && partial ? "Change" : "";
}

static void remember(struct schema *s, const struct shape *shape, bool partial)
{
	for (size_t i = 0; i < s->n; i++) {
		if (s->named[i].shape == shape && s->named[i].partial == partial) {
			return;
		}
	}
	ensure(s->n < SCHEMA_NAMED_MAX);
	s->named[s->n++] = (struct schema_named) { shape, partial };
}

void schema_shape(struct schema *s, const struct shape *shape, bool partial)
{
	partial = partial && shape->sent;
	if (shape->name == NULL) {
		write_shape(s, shape, partial);
		return;
	}
	remember(s, shape, partial);
	json_w_object(s->w);
	json_put_str(s->w, "$ref",
		     arena_printf(s->arena, "#/components/schemas/%s%s", shape->name,
				  suffix(shape, partial)));
	json_w_end(s->w);
}

void schema_components(struct schema *s)
{
	for (size_t i = 0; i < s->n; i++) {
		const struct schema_named *named = &s->named[i];
		struct slice name = arena_printf(s->arena, "%s%s", named->shape->name,
						 suffix(named->shape, named->partial));

		json_w_key_slice(s->w, name);
		write_shape(s, named->shape, named->partial);
	}
}

/* Examples. */

static void example_plain(struct schema *s, const struct prop *prop)
{
	struct id_text id;

	switch (prop->kind) {
	case PROP_KIND_STR:
		json_w_str(s->w, S("text"));
		return;
	case PROP_KIND_ID:
		id = schema_id_example(prop->id);
		json_w_str(s->w, slice_of(id.p));
		return;
	case PROP_KIND_TIME:
		json_w_str(s->w, S(EXAMPLE_TIME));
		return;
	case PROP_KIND_INT:
	case PROP_KIND_NUMBER:
		json_w_int(s->w, prop->min > 0 ? prop->min : 1);
		return;
	case PROP_KIND_BOOL:
		json_w_bool(s->w, true);
		return;
	case PROP_KIND_WORD:
		json_w_str(s->w, slice_of(prop->words[0]));
		return;
	case PROP_KIND_OBJECT:
		json_w_raw(s->w, S("{}"));
		return;
	case PROP_KIND_ANY:
		json_w_null(s->w);
		return;
	case PROP_KIND_SHAPE:
		schema_example(s, prop->shape, false);
		return;
	case PROP_KIND_ABSENT:
		break;
	}
	never("a prop without a kind");
}

static void example_prop(struct schema *s, const struct prop *prop)
{
	if (prop->example != NULL) {
		json_w_raw(s->w, slice_of(prop->example));
	} else if (prop->many == PROP_ONE) {
		example_plain(s, prop);
	} else if (prop->many == PROP_LIST) {
		json_w_array(s->w);
		example_plain(s, prop);
		json_w_end(s->w);
	} else {
		json_w_object(s->w);
		json_w_key(s->w, "name");
		example_plain(s, prop);
		json_w_end(s->w);
	}
}

/* A row without any is shown as if nobody had set it. */
static void example_row(struct schema *s, const struct field *row)
{
	const char *text = row->example != NULL ? row->example : row->fallback;

	if (row->kind == FIELD_KIND_ENUM && text == NULL) {
		text = row->words[0];
	}
	if (text != NULL) {
		put_text_value(s, row->name, row, text);
	} else if (row->kind == FIELD_KIND_STR || row->kind == FIELD_KIND_TEXT) {
		json_put_str(s->w, row->name, S("text"));
	} else {
		int64_t room[8] = { 0 };
		struct field copy = *row;

		copy.offset = 0;
		fields_write(s->w, &copy, 1, room);
	}
}

/* Of a request: what is needed, and what the table has an example of. */
static bool in_example(const struct part *part, const struct shape *shape, bool partial)
{
	bool shown = part->prop != NULL ? part->prop->example != NULL
					: part->field->example != NULL;

	return shown || is_required(part, shape, partial);
}

static void example_object(struct schema *s, const struct shape *shape, bool partial)
{
	struct parts parts = { .n = 0 };

	lay_out(shape, &parts);
	json_w_object(s->w);
	for (size_t i = 0; i < parts.n; i++) {
		if (!in_example(&parts.v[i], shape, partial)) {
			continue;
		}
		if (parts.v[i].prop == NULL) {
			example_row(s, parts.v[i].field);
		} else {
			json_w_key(s->w, parts.v[i].prop->name);
			example_prop(s, parts.v[i].prop);
		}
	}
	json_w_end(s->w);
}

void schema_example(struct schema *s, const struct shape *shape, bool partial)
{
	if (shape->one_of) {
		ensure(shape->n > 0); /* else who uses it has an example of its own */
		example_prop(s, &shape->props[0]);
	} else {
		example_object(s, shape, partial);
	}
}

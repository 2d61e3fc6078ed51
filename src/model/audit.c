/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Entries of the audit log: their words, their canonical bytes, their JSON. The canonical bytes are
 * made of texts only, the same that an export shows, so that whoever has an export can check it.
 */
#include "model/audit.h"

#include <inttypes.h>
#include <stdio.h>

#include "base/csv.h"
#include "base/hex.h"
#include "base/json_put.h"
#include "base/time.h"

#define ENCODING_1 "tocsin.audit.1" /* without marks */
#define ENCODING "tocsin.audit.2"
#define MARK_ENCODING "tocsin.audit.mark.1"
/* All texts of an entry at their bounds, four times over for what stores let in. */
#define ENTRY_BYTES_MAX ((size_t)1 << 20)

const char *const audit_words[] = { [AUDIT_NONE] = "",
#define X(id, word, doc) [AUDIT_##id] = (word),
#include "model/audit.def"
#undef X
				    [AUDIT_ACTIONS] = NULL };

static const char *const helps[] = {
	[AUDIT_NONE] = "",
#define X(id, word, doc) [AUDIT_##id] = (doc),
#include "model/audit.def"
#undef X
};

const char *const audit_actor_words[] = {
	[AUDIT_BY_SYSTEM] = "system", [AUDIT_BY_OPERATOR] = "operator", [AUDIT_BY_USER] = "user",
	[AUDIT_BY_KEY] = "key",	      [AUDIT_BY_ANYONE] = "anyone",	[AUDIT_ACTORS] = NULL,
};

const char *const audit_target_words[] = { [AUDIT_ON_NOTHING] = "",
#define ROW(id, word) [AUDIT_ON_##id] = (word),
					   AUDIT_TARGETS_ALL(ROW)
#undef ROW
						   [AUDIT_TARGETS] = NULL };

const char *audit_word(enum audit_action action)
{
	ensure(action < AUDIT_ACTIONS);
	return audit_words[action];
}

const char *audit_help(enum audit_action action)
{
	ensure(action < AUDIT_ACTIONS);
	return helps[action];
}

enum audit_action audit_parse(struct slice word)
{
	for (unsigned i = AUDIT_NONE + 1; i < AUDIT_ACTIONS; i++) {
		if (slice_eq(word, slice_of(audit_words[i]))) {
			return (enum audit_action)i;
		}
	}
	return AUDIT_NONE;
}

/* A stored time may have been written by anybody; one that is none has no text. */
static struct slice time_text(int64_t us, char out[TIME_TEXT_MAX])
{
	return us < TIME_US_MIN || us > TIME_US_MAX ? S("") : time_format(us, TIME_MICROS, out);
}

static struct id_text id_or_none(enum id_kind kind, uint64_t v)
{
	return v == 0 ? (struct id_text) { { 0 } } : id_format(kind, v);
}

static void put(struct buf *out, struct slice s)
{
	buf_printf(out, "%zu:", s.n);
	buf_puts(out, s);
	buf_putc(out, ',');
}

static void put_all(struct buf *out, const struct slice *texts, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		put(out, texts[i]);
	}
}

void audit_encode(const struct audit_entry *e, struct buf *out)
{
	struct id_text org = id_or_none(ID_ORG, e->org.v), id = id_or_none(ID_AUDIT, e->id.v);
	char time[TIME_TEXT_MAX], number[24];
	int digits = snprintf(number, sizeof(number), "%" PRIu64, e->number);
	bool marked = e->actor_mark.n > 0;
	const struct slice start[] = {
		marked ? S(ENCODING) : S(ENCODING_1),
		e->previous,
		slice_of(org.p),
		{ number, (size_t)digits },
		slice_of(id.p),
		time_text(e->at_us, time),
		e->actor,
		e->actor_id,
	};
	const struct slice plain[] = { e->actor_name,  e->action, e->target, e->target_id,
				       e->target_name, e->before, e->after,  e->address,
				       e->agent,       e->request };
	const struct slice marks[] = { e->actor_mark, e->action,      e->target,
				       e->target_id,  e->target_mark, e->request };

	put_all(out, start, ARRAY_LEN(start));
	if (marked) {
		put_all(out, marks, ARRAY_LEN(marks));
	} else {
		put_all(out, plain, ARRAY_LEN(plain));
	}
}

static struct audit_hash hash_of(const struct buf *bytes)
{
	unsigned char sum[SHA256_BYTES] = { 0 };
	struct audit_hash hash;

	/* Nothing that we wrote is so large, and the hash of nothing is all zeroes. */
	if (!bytes->overflow) {
		sha256(buf_slice(bytes), sum);
	}
	hex_encode(sum, sizeof(sum), hash.p);
	return hash;
}

struct audit_hash audit_hash(const struct audit_entry *e)
{
	struct audit_hash hash;
	struct buf bytes;

	buf_init(&bytes, ENTRY_BYTES_MAX);
	audit_encode(e, &bytes);
	hash = hash_of(&bytes);
	buf_release(&bytes);
	return hash;
}

#define MARKED_TEXTS 3

/* What a salt hides: three texts of the actor, or of the target. */
static struct audit_hash mark_of(struct slice salt, const struct slice texts[MARKED_TEXTS])
{
	struct audit_hash hash;
	struct buf bytes;

	buf_init(&bytes, ENTRY_BYTES_MAX);
	put(&bytes, S(MARK_ENCODING));
	put(&bytes, salt);
	put_all(&bytes, texts, MARKED_TEXTS);
	hash = hash_of(&bytes);
	buf_release(&bytes);
	return hash;
}

static struct audit_hash actor_mark(const struct audit_entry *e)
{
	return mark_of(e->actor_salt, (struct slice[]) { e->actor_name, e->address, e->agent });
}

static struct audit_hash target_mark(const struct audit_entry *e)
{
	return mark_of(e->target_salt, (struct slice[]) { e->target_name, e->before, e->after });
}

void audit_mark(struct audit_entry *e, struct slice actor_salt, struct slice target_salt,
		struct arena *arena)
{
	struct audit_hash actor, target;

	ensure(actor_salt.n > 0 && target_salt.n > 0);
	e->actor_salt = actor_salt;
	e->target_salt = target_salt;
	actor = actor_mark(e);
	target = target_mark(e);
	e->actor_mark = arena_dup(arena, (struct slice) { actor.p, sizeof(actor.p) });
	e->target_mark = arena_dup(arena, (struct slice) { target.p, sizeof(target.p) });
}

static bool is_hash(struct slice text, struct audit_hash hash)
{
	return slice_eq(text, (struct slice) { hash.p, sizeof(hash.p) });
}

static bool is_marked_right(const struct audit_entry *e)
{
	if (e->actor_salt.n == 0 ? e->actor_name.n + e->address.n + e->agent.n > 0
				 : !is_hash(e->actor_mark, actor_mark(e))) {
		return false;
	}
	return e->target_salt.n == 0 ? e->target_name.n + e->before.n + e->after.n == 0
				     : is_hash(e->target_mark, target_mark(e));
}

bool audit_is_whole(const struct audit_entry *e)
{
	return is_hash(e->hash, audit_hash(e)) && (e->actor_mark.n == 0 || is_marked_right(e));
}

struct audit_entry audit_copy(const struct audit_entry *e, struct arena *arena)
{
	struct audit_entry copy = *e;
	struct slice *texts[] = { &copy.actor,	    &copy.actor_id,    &copy.actor_name,
				  &copy.action,	    &copy.target,      &copy.target_id,
				  &copy.before,	    &copy.target_name, &copy.after,
				  &copy.agent,	    &copy.address,     &copy.request,
				  &copy.hash,	    &copy.previous,    &copy.actor_salt,
				  &copy.actor_mark, &copy.target_salt, &copy.target_mark };

	for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
		*texts[i] = arena_dup(arena, *texts[i]);
	}
	return copy;
}

static void put_id(struct json_w *w, const char *name, enum id_kind kind, uint64_t v)
{
	struct id_text text = id_or_none(kind, v);

	json_put_str_or_null(w, name, slice_of(text.p));
}

static void put_who(const struct audit_entry *e, struct json_w *w)
{
	json_put_str(w, "actor", e->actor);
	json_put_str_or_null(w, "actorId", e->actor_id);
	json_put_str_or_null(w, "actorName", e->actor_name);
}

static void put_what(const struct audit_entry *e, struct json_w *w)
{
	json_put_str(w, "action", e->action);
	json_put_str_or_null(w, "target", e->target);
	json_put_str_or_null(w, "targetId", e->target_id);
	json_put_str_or_null(w, "targetName", e->target_name);
	json_put_raw(w, "before", e->before, "null");
	json_put_raw(w, "after", e->after, "null");
}

static void put_where(const struct audit_entry *e, struct json_w *w)
{
	json_put_str_or_null(w, "address", e->address);
	json_put_str_or_null(w, "userAgent", e->agent);
	json_put_str_or_null(w, "requestId", e->request);
}

void audit_write(const struct audit_entry *e, struct json_w *w)
{
	char time[TIME_TEXT_MAX];

	json_w_object(w);
	put_id(w, "id", ID_AUDIT, e->id.v);
	put_id(w, "orgId", ID_ORG, e->org.v);
	json_put_int(w, "number", (int64_t)e->number);
	json_put_str(w, "createdAt", time_text(e->at_us, time));
	put_who(e, w);
	put_what(e, w);
	put_where(e, w);
	json_put_str_or_null(w, "previousHash", e->previous);
	json_put_str(w, "hash", e->hash);
	json_put_str_or_null(w, "actorSalt", e->actor_salt);
	json_put_str_or_null(w, "actorMark", e->actor_mark);
	json_put_str_or_null(w, "targetSalt", e->target_salt);
	json_put_str_or_null(w, "targetMark", e->target_mark);
	json_w_end(w);
}

void audit_csv_head(struct buf *out)
{
	buf_puts(out, S("number,id,orgId,createdAt,actor,actorId,actorName,action,target,targetId,"
			"targetName,before,after,address,userAgent,requestId,previousHash,hash,"
			"actorSalt,actorMark,targetSalt,targetMark"));
	csv_end(out);
}

/* What is no number, time or hash may have come from anybody. */
void audit_csv(const struct audit_entry *e, struct buf *out)
{
	struct id_text org = id_or_none(ID_ORG, e->org.v), id = id_or_none(ID_AUDIT, e->id.v);
	const struct slice cells[] = { e->actor,  e->actor_id,	e->actor_name,	e->action,
				       e->target, e->target_id, e->target_name, e->before,
				       e->after,  e->address,	e->agent,	e->request };
	const struct slice proofs[] = { e->previous,   e->hash,	       e->actor_salt,
					e->actor_mark, e->target_salt, e->target_mark };
	char time[TIME_TEXT_MAX], number[24];
	int digits = snprintf(number, sizeof(number), "%" PRIu64, e->number);

	csv_plain(out, (struct slice) { number, (size_t)digits }, true);
	csv_plain(out, slice_of(id.p), false);
	csv_plain(out, slice_of(org.p), false);
	csv_plain(out, time_text(e->at_us, time), false);
	for (size_t i = 0; i < ARRAY_LEN(cells); i++) {
		csv_cell(out, cells[i], false);
	}
	for (size_t i = 0; i < ARRAY_LEN(proofs); i++) {
		csv_cell(out, proofs[i], false);
	}
	csv_end(out);
}

/* Control records. */

static const struct {
	const char *name;
	size_t offset;
	enum json_type type;
} carried[] = {
	{ "actor", offsetof(struct audit_entry, actor), JSON_STRING },
	{ "actorId", offsetof(struct audit_entry, actor_id), JSON_STRING },
	{ "actorName", offsetof(struct audit_entry, actor_name), JSON_STRING },
	{ "action", offsetof(struct audit_entry, action), JSON_STRING },
	{ "target", offsetof(struct audit_entry, target), JSON_STRING },
	{ "targetId", offsetof(struct audit_entry, target_id), JSON_STRING },
	{ "targetName", offsetof(struct audit_entry, target_name), JSON_STRING },
	{ "before", offsetof(struct audit_entry, before), JSON_OBJECT },
	{ "after", offsetof(struct audit_entry, after), JSON_OBJECT },
	{ "address", offsetof(struct audit_entry, address), JSON_STRING },
	{ "userAgent", offsetof(struct audit_entry, agent), JSON_STRING },
	{ "requestId", offsetof(struct audit_entry, request), JSON_STRING },
};

void audit_carry(const struct audit_entry *e, struct json_w *w)
{
	json_w_object(w);
	for (size_t i = 0; i < ARRAY_LEN(carried); i++) {
		const struct slice *s = (const void *)((const char *)e + carried[i].offset);

		if (s->n > 0 && carried[i].type == JSON_STRING) {
			json_put_str(w, carried[i].name, *s);
		} else if (s->n > 0) {
			json_put_raw(w, carried[i].name, *s, "{}");
		}
	}
	json_w_end(w);
}

bool audit_read(const struct json *obj, struct audit_entry *out, struct err *err)
{
	*out = (struct audit_entry) { 0 };
	for (size_t i = 0; i < ARRAY_LEN(carried); i++) {
		const struct json *v = json_get(obj, carried[i].name);
		struct slice *s = (void *)((char *)out + carried[i].offset);

		if (v != NULL && v->type != carried[i].type) {
			return err_set(err, ERR_CORRUPT, "an audit entry without a valid \"%s\"",
				       carried[i].name);
		}
		if (v != NULL) {
			*s = v->type == JSON_STRING ? v->text : v->raw;
		}
	}
	return (out->actor.n > 0 && out->action.n > 0) ||
	       err_set(err, ERR_CORRUPT, "an audit entry without actor or action");
}

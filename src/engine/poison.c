/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The list of what is left out, and the two records that begin an entry. The list is short and read
 * for each record: it is searched by halves, and empty nearly always.
 */
#include "engine/poison.h"

#include <inttypes.h>
#include <stdlib.h>

#include "base/json_put.h"
#include "engine/control.h"
#include "engine/event_json.h"
#include "model/builtin.h"

#define META_BYTES_MAX ((size_t)64 << 10)

static size_t place(const struct poison *p, uint64_t seq)
{
	size_t from = 0, to = p->n;

	while (from < to) {
		size_t mid = (from + to) / 2;

		if (p->items[mid].seq < seq) {
			from = mid + 1;
		} else {
			to = mid;
		}
	}
	return from;
}

bool poison_has(const struct poison *p, uint64_t seq)
{
	size_t at = place(p, seq);

	return at < p->n && p->items[at].seq == seq;
}

bool poison_add(struct poison *p, uint64_t seq, uint64_t by)
{
	size_t at = place(p, seq);

	if (at < p->n && p->items[at].seq == seq) {
		return true;
	}
	if (p->n == POISON_MAX) {
		return false;
	}
	memmove(p->items + at + 1, p->items + at, (p->n - at) * sizeof(p->items[0]));
	p->items[at] = (struct poison_entry) { seq, by };
	p->n++;
	return true;
}

void poison_write(const struct poison *p, struct buf *out)
{
	for (size_t i = 0; i < p->n; i++) {
		buf_printf(out, "%s%" PRIu64 ":%" PRIu64, i == 0 ? "" : ",", p->items[i].seq,
			   p->items[i].by);
	}
}

bool poison_read(struct slice text, struct poison *p, struct err *err)
{
	struct slice item;

	p->n = 0;
	while (slice_split(&text, ',', &item)) {
		size_t colon = slice_find(item, ':');
		uint64_t seq, by;

		if (colon == item.n || !slice_u64((struct slice) { item.p, colon }, &seq) ||
		    !slice_u64(slice_from(item, colon + 1), &by) || !poison_add(p, seq, by)) {
			return err_set(err, ERR_CORRUPT,
				       "the state's list of quarantined records cannot be read");
		}
	}
	return true;
}

bool poison_load(struct db *db, struct arena *tick, struct poison *p, struct err *err)
{
	struct slice text;

	p->n = 0;
	switch (store_meta_get(db, POISON_META, tick, &text, err)) {
	case FOUND:
		return poison_read(text, p, err);
	case NOT_FOUND:
		return true;
	case FAILED:
		return false;
	}
	never("found");
}

bool poison_scan(struct journal *journal, uint64_t after_seq, struct poison *p, struct err *err)
{
	struct journal_iter *iter = journal_iter_new(journal, after_seq + 1, false);
	struct arena tick;
	struct record record;
	struct control control;
	enum found found;

	arena_init(&tick, 0);
	while ((found = journal_iter_next(iter, &record, err)) != NOT_FOUND) {
		if (found == FAILED && err->kind == ERR_IO) {
			break;
		}
		/* What is unreadable is told of when it is applied. */
		if (found != FOUND || record.kind != RECORD_CONTROL ||
		    !slice_eq(record.type, control_type(CONTROL_RECORD_QUARANTINE))) {
			continue;
		}
		if (control_decode(record.body, &tick, &control, err)) {
			(void)poison_add(p, control.record, record.seq);
		}
		arena_clear(&tick);
	}
	arena_release(&tick);
	journal_iter_free(&iter);
	return found != FAILED;
}

/* On its way into the log: the journal may end it after the engine is closed. */
struct notice {
	struct journal_batch batch;
	struct journal_result results[2];
	struct record records[2];
	struct arena arena;
};

static void notice_done(struct journal_batch *batch, const struct err *failure)
{
	struct notice *n = batch->arg;

	if (failure != NULL) {
		log_error("quarantine_not_stored", log_str("error", failure->text));
	}
	arena_release(&n->arena);
	free(n);
}

static struct slice body_of(struct notice *n, const struct control *control)
{
	struct slice body;
	struct buf out;

	buf_init(&out, RECORD_BODY_BYTES_MAX);
	control_encode(control, &n->arena, &out);
	body = arena_dup(&n->arena, buf_slice(&out));
	buf_release(&out);
	return body;
}

static const char *kind_of(const struct record *record)
{
	switch (record->kind) {
	case RECORD_EVENT:
		return "event";
	case RECORD_CONTROL:
		return "control";
	case RECORD_TICK:
	case RECORD_START:
		return "mark";
	}
	never("kind of record");
}

static struct slice payload_of(struct journal *journal, struct notice *n,
			       const struct record *record)
{
	struct slice payload;
	struct json_w w;
	struct buf out;

	buf_init(&out, EVENT_BYTES_MAX);
	json_w_init(&w, &out);
	json_w_object(&w);
	json_put_str(&w, "kind", slice_of(kind_of(record)));
	json_put_str(&w, "type", record->type);
	if (record->kind == RECORD_EVENT) {
		struct id_text id = event_public_id(journal_meta(journal), record);

		json_put_str(&w, "eventId", slice_of(id.p));
	}
	json_w_end(&w);
	payload = arena_dup(&n->arena, buf_slice(&out));
	buf_release(&out);
	return payload;
}

static struct slice event_of(struct journal *journal, struct notice *n, const struct record *record)
{
	struct event event = {
		.type = S(SYSTEM_QUARANTINED),
		.kind = EVENT_ERROR,
		.severity = SEVERITY_CRITICAL,
		.source = S("tocsin"),
		.message = S("a record crashed the rules three times; it is left out from now on"),
		.payload = payload_of(journal, n, record),
	};
	struct slice body;
	struct buf out;

	buf_init(&out, EVENT_BYTES_MAX);
	event_encode(&event, &out);
	body = arena_dup(&n->arena, buf_slice(&out));
	buf_release(&out);
	return body;
}

static struct record record_like(struct journal *journal, const struct record *record,
				 enum record_kind kind, struct slice type, struct slice body)
{
	return (struct record) {
		.kind = kind,
		.org = record->org,
		.project = record->project,
		.hash = hash_sip128(&journal_meta(journal)->hash, body),
		.type = type,
		.body = body,
	};
}

/* For the audit log of whoever sent it, else of the installation. */
static struct audit_entry audit_of(struct journal *journal, struct notice *n,
				   const struct record *record)
{
	struct audit_entry e = {
		.actor = slice_of(audit_actor_words[AUDIT_BY_SYSTEM]),
		.action = slice_of(audit_word(AUDIT_EVENT_QUARANTINE)),
		.target = slice_of(audit_target_words[AUDIT_ON_EVENT]),
		.target_name = record->type,
	};

	if (record->kind == RECORD_EVENT) {
		struct id_text id = event_public_id(journal_meta(journal), record);

		e.target_id = arena_dup(&n->arena, slice_of(id.p));
	}
	return e;
}

/* Whose record it was is told; of one that cannot be read nobody knows that. */
static size_t fill(struct journal *journal, struct notice *n, struct control *control)
{
	struct record record = { .kind = RECORD_TICK };
	struct err err;

	if (journal_read(journal, control->record, &n->arena, &record, &err) != FOUND) {
		record = (struct record) { .kind = RECORD_TICK };
	}
	control->audit = audit_of(journal, n, &record);
	n->records[0] = record_like(journal, &record, RECORD_CONTROL, control_type(control->op),
				    body_of(n, control));
	if (record.org.v == 0) {
		return 1;
	}
	n->records[1] = record_like(journal, &record, RECORD_EVENT, S(SYSTEM_QUARANTINED),
				    event_of(journal, n, &record));
	n->records[1].severity = SEVERITY_CRITICAL;
	return 2;
}

bool poison_append(struct journal *journal, uint64_t seq, uint32_t exits, int64_t wall_us,
		   int64_t mono_us, uint64_t *by, struct err *err)
{
	struct notice *n = mem_alloc(1, sizeof(*n));
	struct control control = { .op = CONTROL_RECORD_QUARANTINE, .record = seq, .exits = exits };

	arena_init(&n->arena, 0);
	n->batch = (struct journal_batch) {
		.items = n->records, .results = n->results, .done = notice_done, .arg = n
	};
	n->batch.n = fill(journal, n, &control);
	if (!journal_append(journal, &n->batch, wall_us, mono_us, err)) {
		arena_release(&n->arena);
		free(n);
		return false;
	}
	*by = n->results[0].seq;
	journal_turn(journal);
	return true;
}

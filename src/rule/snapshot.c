/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Saving and loading of whole sets. A definition is kept as its canonical JSON, so that a snapshot
 * stands on its own, however the rows in the store have moved on since.
 */
#include "rule/snapshot.h"

#include <stdlib.h>

#include "base/hash.h"
#include "model/rule_json.h"
#include "rule/rule.h"
#include "rule/wire.h"

#define MAGIC "tocsin r"
#define MAGIC_BYTES (sizeof(MAGIC) - 1)
#define HEADER_BYTES (MAGIC_BYTES + 4 + 4 + 8 + 4)
#define TIME_US_MAX (INT64_C(1) << 61) /* as in the windows: adding a day cannot overflow */
#define KEY_SAVED_BYTES_MAX (22 + WINDOW_KEY_BYTES_MAX)
#define OPEN_SAVED_BYTES_MAX (26 + WINDOW_KEY_BYTES_MAX)

static bool damaged(struct err *err, const char *what)
{
	return err_set(err, ERR_CORRUPT, "the snapshot of the rules is damaged: %s", what);
}

static void put_header(const struct rule_set *set, struct buf *out)
{
	buf_puts(out, S(MAGIC));
	wire_put(out, RULE_SNAPSHOT_VERSION, 4);
	wire_put(out, set->n, 4);
	wire_put(out, (uint64_t)set->now_us, 8);
	wire_put(out, crc32c(0, out->p, out->n), 4);
}

static void put_opens(const struct rule *rule, struct buf *out)
{
	struct rule_open **all = rule_opens_sorted(rule);

	wire_put(out, rule->opens.n, 4);
	for (size_t i = 0; i < rule->opens.n; i++) {
		wire_put(out, all[i]->timer.id, 8);
		wire_put(out, (uint64_t)all[i]->timer.due, 8);
		wire_put(out, (uint64_t)all[i]->opened_us, 8);
		wire_put(out, all[i]->key_n, 2);
		buf_puts(out, rule_open_key(all[i]));
	}
	free(all);
}

static void put_rule(const struct rule_set *set, const struct rule *rule, struct arena *tick,
		     struct buf *out)
{
	struct slice text = rule_def_text(rule->def, tick);

	wire_put(out, rule->def->id.v, 8);
	wire_put(out, rule->def->org.v, 8);
	wire_put(out, rule->def->project.v, 8);
	wire_put(out, rule->def->version, 8);
	wire_put(out, rule->start_seq, 8);
	wire_put(out, text.n, 4);
	buf_puts(out, text);
	put_opens(rule, out);
	wire_put(out, rule->windows != NULL, 1);
	if (rule->windows != NULL) {
		windows_save(rule->windows, set->now_us, out);
	}
}

static void put_section(const struct rule_set *set, const struct rule *rule, struct buf *body,
			struct buf *out)
{
	struct arena tick;
	uint32_t crc;

	arena_init(&tick, 0);
	put_rule(set, rule, &tick, body);
	arena_release(&tick);
	ensure(!body->overflow);
	wire_put(out, body->n, 8);
	crc = crc32c(crc32c(0, out->p, out->n), body->p, body->n);
	buf_cut(out, 0);
	wire_put(out, crc, 4);
	wire_put(out, body->n, 8);
}

bool rule_set_save(const struct rule_set *set, rule_snapshot_write *write, void *arg,
		   struct err *err)
{
	struct buf head, body;
	bool ok;

	buf_init(&head, HEADER_BYTES);
	buf_init(&body, RULE_DEF_BYTES_MAX + 128 + 8 * (size_t)set->limits.stamps_max +
				(KEY_SAVED_BYTES_MAX + OPEN_SAVED_BYTES_MAX) *
					(size_t)set->limits.keys_max);
	put_header(set, &head);
	ok = write(arg, buf_slice(&head), err);
	for (size_t i = 0; ok && i < set->n; i++) {
		buf_cut(&head, 0);
		buf_cut(&body, 0);
		put_section(set, set->rules[i], &body, &head);
		ok = write(arg, buf_slice(&head), err) && write(arg, buf_slice(&body), err);
	}
	buf_release(&head);
	buf_release(&body);
	return ok;
}

static bool get_header(struct wire *in, uint32_t *rules, int64_t *now_us, struct err *err)
{
	struct slice head = { .p = in->rest.p, .n = HEADER_BYTES - 4 };
	uint32_t version;

	if (in->rest.n < HEADER_BYTES || !slice_eq(wire_bytes(in, MAGIC_BYTES), S(MAGIC))) {
		return damaged(err, "it does not begin like one");
	}
	version = (uint32_t)wire_get(in, 4);
	*rules = (uint32_t)wire_get(in, 4);
	*now_us = (int64_t)wire_get(in, 8);
	if (wire_get(in, 4) != crc32c(0, head.p, head.n)) {
		return damaged(err, "checksum of its header");
	}
	if (*now_us < 0 || *now_us > TIME_US_MAX) {
		return damaged(err, "its time");
	}
	return version == RULE_SNAPSHOT_VERSION ||
	       err_set(err, ERR_VERSION, "the snapshot of the rules has version %u, not %d",
		       version, RULE_SNAPSHOT_VERSION);
}

static bool get_section(struct wire *in, struct slice *body)
{
	uint32_t crc = (uint32_t)wire_get(in, 4);
	struct slice length = { .p = in->rest.p, .n = 8 };

	*body = wire_bytes(in, wire_get(in, 8));
	return !in->bad && crc == crc32c(crc32c(0, length.p, length.n), body->p, body->n);
}

/* The definition, borrowed from the section and tick. */
static bool get_def(struct wire *in, struct rule_def *def, uint64_t *start_seq, struct arena *tick,
		    struct err *err)
{
	struct rule_id id = { wire_get(in, 8) };
	struct org_id org = { wire_get(in, 8) };
	struct project_id project = { wire_get(in, 8) };
	uint64_t version = wire_get(in, 8);
	struct slice text;

	*start_seq = wire_get(in, 8);
	text = wire_bytes(in, wire_get(in, 4));
	if (in->bad || text.n > RULE_DEF_BYTES_MAX || !rule_def_read(text, tick, def, err)) {
		return damaged(err, "a definition cannot be read");
	}
	def->id = id;
	def->org = org;
	def->project = project;
	def->version = version;
	return def->enabled || damaged(err, "a rule that is not in force");
}

static struct rule_opening get_open(struct wire *in)
{
	struct rule_opening o = { .alert = { wire_get(in, 8) } };

	o.due_us = (int64_t)wire_get(in, 8);
	o.opened_us = (int64_t)wire_get(in, 8);
	o.key = wire_bytes(in, wire_get(in, 2));
	return o;
}

/* Over the open alerts to what stands behind them; they are read once the windows are there. */
static void skip_opens(struct wire *in)
{
	uint32_t n = (uint32_t)wire_get(in, 4);

	for (uint32_t i = 0; i < n && !in->bad; i++) {
		get_open(in);
	}
}

/* Each is of a key whose window meets the condition, and not before the one before it. */
static bool get_opens(struct rule_set *set, struct wire *in, struct rule *rule, struct err *err)
{
	uint32_t n = (uint32_t)wire_get(in, 4);
	uint64_t last = 0;

	for (uint32_t i = 0; i < n; i++) {
		struct rule_opening o = get_open(in);
		int64_t until_us;

		if (o.alert.v <= last || o.opened_us < 0 || o.opened_us > set->now_us ||
		    o.key.n > WINDOW_KEY_BYTES_MAX || map_get(&rule->opens, o.key) != NULL ||
		    set->timers.n >= RULE_OPENS_MAX ||
		    !rule_holds_until(rule, o.key, set->now_us, &until_us) ||
		    o.due_us <= set->now_us || o.due_us > until_us ||
		    !windows_mark(rule->windows, o.key, true)) {
			return damaged(err, "an open alert");
		}
		last = o.alert.v;
		rule_open_add(set, rule, &o);
	}
	return true;
}

static bool get_windows(struct rule_set *set, struct wire *in, struct rule *rule, struct err *err)
{
	uint64_t there = wire_get(in, 1);

	if (in->bad || there > 1 || (there == 0 && in->rest.n > 0)) {
		return damaged(err, "the end of a section");
	}
	if (there == 1) {
		rule->windows = windows_load(&set->seed, set->limits, rule_spec(rule->def),
					     in->rest, err);
	}
	if (rule->windows != NULL) {
		windows_watch(rule->windows, rule_open_evicted, rule);
	}
	return there == 0 || rule->windows != NULL;
}

static bool load_rule(struct rule_set *set, struct slice body, struct arena *tick, struct err *err)
{
	struct wire in = { .rest = body }, opens;
	struct rule_def def;
	struct rule *rule;
	uint64_t start_seq;

	if (!get_def(&in, &def, &start_seq, tick, err)) {
		return false;
	}
	if (def.id.v == 0 || (set->n > 0 && set->rules[set->n - 1]->def->id.v >= def.id.v)) {
		return damaged(err, "rules out of order");
	}
	rule = rule_new(set, &def, start_seq);
	opens = in;
	skip_opens(&in);
	if (!get_windows(set, &in, rule, err) || !get_opens(set, &opens, rule, err)) {
		rule_free(&rule);
		return false;
	}
	rule_set_insert(set, rule);
	return true;
}

static bool load_rules(struct rule_set *set, uint32_t rules, struct wire *in, struct err *err)
{
	struct arena tick;
	struct slice body;
	bool ok = true;

	arena_init(&tick, 0);
	for (uint32_t i = 0; ok && i < rules; i++) {
		ok = get_section(in, &body) || damaged(err, "checksum of a rule");
		ok = ok && load_rule(set, body, &tick, err);
		arena_clear(&tick);
	}
	arena_release(&tick);
	return ok && (in->rest.n == 0 || damaged(err, "bytes behind its end"));
}

struct rule_set *rule_set_load(const struct hash_key *seed, struct window_limits limits,
			       struct slice saved, struct err *err)
{
	struct rule_set *set = rule_set_new(seed, limits);
	struct wire in = { .rest = saved };
	uint32_t rules = 0;

	if (!get_header(&in, &rules, &set->now_us, err) || !load_rules(set, rules, &in, err)) {
		rule_set_free(&set);
	}
	return set;
}

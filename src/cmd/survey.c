/* SPDX-License-Identifier: Apache-2.0 */
/* The open tells damage exactly; the walk behind it counts what readers would get to see. */
#include "cmd/survey.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/json_put.h"
#include "base/map.h"
#include "engine/control.h"

static const char *const kind_names[SURVEY_KINDS] = {
	[RECORD_EVENT] = "event",
	[RECORD_CONTROL] = "control",
	[RECORD_TICK] = "tick",
	[RECORD_START] = "start",
};

const char *survey_kind(enum record_kind kind)
{
	return kind_names[kind];
}

static void add_run(void *arg, uint64_t first_seq, uint64_t last_seq)
{
	struct survey_damage *to = arg;

	to->runs = mem_resize(to->runs, to->runs_n + 1, sizeof(*to->runs));
	to->runs[to->runs_n++] = (struct survey_run) { first_seq, last_seq };
}

void survey_note(struct survey *s, const struct journal_damage *damage)
{
	struct survey_damage *to;
	struct err err;

	s->damage = mem_resize(s->damage, s->damage_n + 1, sizeof(*s->damage));
	to = &s->damage[s->damage_n++];
	*to = (struct survey_damage) { .d = *damage };
	s->mendable += damage->mendable;
	s->unknown += !damage->known && !damage->mendable;
	s->lost += damage->lost;
	if (s->journal != NULL && !damage->known && damage->lost != journal_damage_span(damage)) {
		/* Without the map the first number, the last one and the count have to do. */
		(void)!journal_lost_numbers(s->journal, damage, add_run, to, &err);
	}
}

static void note_damage(void *arg, const struct journal_damage *damage)
{
	survey_note(arg, damage);
}

/* The events of a project that no deletion has met so far. */
struct tally {
	char key[16]; /* org and project */
	uint64_t events;
};

struct counting {
	struct survey *s;
	struct map tallies;
	struct arena arena;
};

static struct tally *tally_of(struct counting *c, const struct record *record)
{
	struct tally *tally;
	char key[sizeof(tally->key)];

	memcpy(key, &record->org.v, 8);
	memcpy(key + 8, &record->project.v, 8);
	tally = map_get(&c->tallies, (struct slice) { key, sizeof(key) });
	if (tally == NULL) {
		tally = arena_new(&c->arena, struct tally);
		memcpy(tally->key, key, sizeof(key));
		map_put(&c->tallies, (struct slice) { tally->key, sizeof(key) }, tally);
	}
	return tally;
}

static void count_deleted(struct counting *c, const struct record *record)
{
	if (record->kind == RECORD_EVENT) {
		tally_of(c, record)->events++;
	} else if (record->kind == RECORD_CONTROL &&
		   slice_eq(record->type, control_type(CONTROL_EVENTS_DELETE))) {
		struct tally *tally = tally_of(c, record);

		c->s->deleted += tally->events;
		tally->events = 0;
	}
}

/* All that was of the org is gone. */
static void count_gone(struct counting *c, const struct record *record)
{
	struct tally *tally;
	size_t at = 0;

	if (record->kind != RECORD_CONTROL ||
	    !slice_eq(record->type, control_type(CONTROL_ORG_PURGE))) {
		return;
	}
	while ((tally = map_next(&c->tallies, &at)) != NULL) {
		if (memcmp(tally->key, &record->org.v, sizeof(record->org.v)) == 0) {
			c->s->deleted += tally->events;
			tally->events = 0;
		}
	}
}

static void count(struct survey *s, const struct record *record)
{
	s->records++;
	s->kinds[record->kind < SURVEY_KINDS ? record->kind : 0]++;
	s->last_us = record->received_at_us;
	if (s->first_us == 0) {
		s->first_us = record->received_at_us;
	}
}

/* Damage was told by the open. */
static bool count_from(struct survey *s, struct journal *journal, uint64_t seq, struct err *err)
{
	struct journal_iter *iter = journal_iter_new(journal, seq, false);
	struct counting counting = { .s = s };
	struct record record;
	enum found found;
	uint64_t numbers, known;
	bool ok = true;

	map_init(&counting.tallies);
	arena_init(&counting.arena, 0);
	while (ok && (found = journal_iter_next(iter, &record, err)) != NOT_FOUND) {
		if (found == FOUND) {
			count(s, &record);
			count_deleted(&counting, &record);
			count_gone(&counting, &record);
		} else {
			ok = err->kind == ERR_CORRUPT;
		}
	}
	numbers = s->last_seq + 1 - s->first_seq;
	known = s->records + s->lost;
	s->purged = numbers > known ? numbers - known : 0;
	map_release(&counting.tallies);
	arena_release(&counting.arena);
	journal_iter_free(&iter);
	return ok;
}

static void take_stats(struct survey *s, struct journal *journal)
{
	struct journal_stats stats;

	journal_stats(journal, &stats);
	s->id = journal_meta(journal)->id;
	s->clean = stats.clean;
	s->segments = stats.segments;
	s->bytes = stats.file_bytes;
	s->sealed_files = stats.sealed_files;
	s->sealed_bytes = stats.sealed_bytes;
	s->sealed_bodies = stats.sealed_bodies;
	s->keys = stats.idempotency_keys + stats.idempotency_sealed;
	s->keys_sealed = stats.idempotency_sealed;
	s->keys_from_us = s->keys == 0 ? 0 : stats.idempotency_from_us;
	s->first_seq = journal_first(journal);
	s->last_seq = journal_flushed(journal);
}

/* What pages and footers say of sealed files is enough, unless every record is wanted. */
static bool count_all(struct survey *s, struct journal *journal, bool deep, struct err *err)
{
	s->journal = journal;
	if (!journal_verify(journal, false, note_damage, s, &s->sealed, err)) {
		return false;
	}
	if (deep) {
		return count_from(s, journal, 0, err);
	}
	s->records = s->sealed.records - s->sealed.lost_records;
	return count_from(s, journal, s->sealed.last_seq + 1, err);
}

bool survey_read(struct survey *s, struct peek *peek, const struct survey_options *options,
		 struct err *err)
{
	struct journal_options o = { .idempotency_window_us = options->window_us,
				     .on_damage = note_damage,
				     .on_damage_arg = s };
	struct journal *journal = NULL;
	bool ok;

	*s = (struct survey) { .served = peek->served };
	ok = peek_journal(peek, &o, &journal, err);
	if (ok) {
		take_stats(s, journal);
		ok = count_all(s, journal, options->deep, err);
	}
	s->journal = NULL;
	journal_close(&journal);
	return ok;
}

bool survey_judge(const struct survey *s, struct err *err)
{
	if (s->unknown > 0) {
		return err_set(err, ERR_CORRUPT,
			       "the log is damaged (places: %zu); `tocsin journal quarantine` sets "
			       "that aside",
			       s->unknown);
	}
	return s->mendable == 0 ||
	       err_set(err, ERR_CORRUPT,
		       "nothing is lost, but the disk has changed the log (places: %zu): %s",
		       s->mendable,
		       s->served ? "the server mends it soon, unless scrub is 0"
				 : "`tocsin journal repair` mends it");
}

void survey_release(struct survey *survey)
{
	for (size_t i = 0; i < survey->damage_n; i++) {
		free(survey->damage[i].runs);
	}
	free(survey->damage);
	*survey = (struct survey) { 0 };
}

#define RUNS_PRINTED 12 /* JSON has them all */

static void print_run(const struct survey_run *run)
{
	printf(" %llu", (unsigned long long)run->first_seq);
	if (run->last_seq > run->first_seq) {
		printf("-%llu", (unsigned long long)run->last_seq);
	}
}

static void print_numbers(const struct survey_damage *damage)
{
	if (damage->runs_n == 0) {
		return;
	}
	printf("  lost:");
	for (size_t i = 0; i < damage->runs_n && i < RUNS_PRINTED; i++) {
		print_run(&damage->runs[i]);
	}
	printf(damage->runs_n > RUNS_PRINTED ? " and more; --json lists all\n" : "\n");
}

static void print_owner(const struct journal_damage *d)
{
	if (d->org.v != 0) {
		printf(" of %s %s", id_format(ID_ORG, d->org.v).p,
		       id_format(ID_PROJECT, d->project.v).p);
	}
}

void survey_print_damage(const struct survey *s)
{
	for (size_t i = 0; i < s->damage_n; i++) {
		const struct journal_damage *d = &s->damage[i].d;
		unsigned long long first = d->first_seq, last = d->last_seq;

		printf("%s: bytes %llu to %llu are damaged, ", d->file,
		       (unsigned long long)d->offset, (unsigned long long)d->end);
		if (d->mendable) {
			printf("nothing is lost: parity gives it back");
		} else if (d->lost == 0 && d->open_end) {
			printf("the last records of the log may be lost");
		} else if (d->lost == 0) {
			printf("no record is lost");
		} else if (d->lost < journal_damage_span(d)) {
			printf("%llu of the records %llu to %llu are lost",
			       (unsigned long long)d->lost, first, last);
		} else if (first == last) {
			printf("record %llu is lost", first);
		} else {
			printf("records %llu to %llu are lost", first, last);
		}
		print_owner(d);
		printf(d->known ? "; set aside\n" : "\n");
		print_numbers(&s->damage[i]);
	}
}

static void put_numbers(const struct survey_damage *damage, struct json_w *w)
{
	if (damage->runs_n == 0) {
		return;
	}
	json_w_key(w, "numbers");
	json_w_array(w);
	for (size_t i = 0; i < damage->runs_n; i++) {
		json_w_array(w);
		json_w_int(w, (int64_t)damage->runs[i].first_seq);
		json_w_int(w, (int64_t)damage->runs[i].last_seq);
		json_w_end(w);
	}
	json_w_end(w);
}

static void put_one(const struct survey_damage *damage, struct json_w *w)
{
	const struct journal_damage *d = &damage->d;

	json_w_object(w);
	journal_damage_put(d, w);
	put_numbers(damage, w);
	if (d->open_end) {
		json_put_bool(w, "openEnd", true);
	}
	json_put_bool(w, "mendable", d->mendable);
	json_put_bool(w, "setAside", d->known);
	json_w_end(w);
}

void survey_put_damage(const struct survey *s, struct json_w *w)
{
	json_w_key(w, "damage");
	json_w_array(w);
	for (size_t i = 0; i < s->damage_n; i++) {
		put_one(&s->damage[i], w);
	}
	json_w_end(w);
	json_put_int(w, "recordsLost", (int64_t)s->lost);
}

void survey_put_stat(const struct survey *s, struct json_w *w)
{
	json_put_bool(w, "served", s->served);
	json_put_int(w, "segments", (int64_t)s->segments);
	json_put_int(w, "bytes", (int64_t)s->bytes);
	json_put_int(w, "sealedFiles", (int64_t)s->sealed_files);
	json_put_int(w, "sealedBytes", (int64_t)s->sealed_bytes);
	json_put_int(w, "sealedEventBytes", (int64_t)s->sealed_bodies);
	json_put_int(w, "records", (int64_t)s->records);
	json_put_int(w, "purged", (int64_t)s->purged);
	json_put_int(w, "deletedStillThere", (int64_t)s->deleted);
	json_put_int(w, "firstRecord", (int64_t)s->first_seq);
	json_put_int(w, "lastRecord", (int64_t)s->last_seq);
	json_put_time_or_null(w, "firstAt", s->first_us);
	json_put_time_or_null(w, "lastAt", s->last_us);
	json_w_key(w, "kinds");
	json_w_object(w);
	for (enum record_kind kind = RECORD_EVENT; kind < SURVEY_KINDS; kind++) {
		json_put_int(w, kind_names[kind], (int64_t)s->kinds[kind]);
	}
	json_w_end(w);
	json_w_key(w, "idempotency");
	json_w_object(w);
	json_put_int(w, "keys", (int64_t)s->keys);
	json_put_int(w, "sealed", (int64_t)s->keys_sealed);
	json_put_time_or_null(w, "from", s->keys_from_us);
	json_w_end(w);
}

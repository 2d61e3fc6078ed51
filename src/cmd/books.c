/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tocsin books: the log read once more against what was counted and booked, for every project. Only
 * of a directory that nobody serves: books that are written meanwhile do not balance. The API shows
 * a tenant its own at any time.
 */
#include "cmd/books.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"
#include "cmd/command.h"
#include "cmd/data_dir.h"
#include "cmd/flags.h"
#include "cmd/peek.h"
#include "cmd/settings.h"
#include "engine/books.h"
#include "store/store.h"

struct books_flags {
	bool exact;
};

static const struct field rows[] = {
	FIELD_BOOL(
		struct books_flags, exact, "exact",
		.help = "The server has never crashed: nothing of the last second may be missing."),
};

static void count_lost(void *arg, const struct journal_damage *damage)
{
	uint64_t *lost = arg;

	*lost += damage->lost;
}

bool books_look(struct peek *peek, struct db *db, struct books *books, uint64_t *lost,
		struct arena *boot, struct err *err)
{
	struct journal_options options = { .on_damage = count_lost, .on_damage_arg = lost };
	struct journal *journal = NULL;
	struct journal_health health;
	bool ok;

	*lost = 0;
	ok = peek_journal(peek, &options, &journal, err) &&
	     journal_verify(journal, false, NULL, NULL, &health, err) &&
	     books_read(books, journal, db, clock_wall_us(), boot, err);
	*lost += ok ? health.lost_records : 0;
	journal_close(&journal);
	return ok;
}

static void print_line(const struct books_line *line, const char *fault)
{
	struct id_text org = id_format(ID_ORG, line->org.v);
	struct id_text project = id_format(ID_PROJECT, line->project.v);

	printf("%s %s", org.p, project.p);
	for (size_t i = 0; i < OUTCOMES; i++) {
		if (line->outcomes[i] != 0 || i <= OUTCOME_ACCEPTED) {
			printf(" %s=%lld", outcome_names[i], (long long)line->outcomes[i]);
		}
	}
	printf(" open=%lld sent=%llu events=%llu hours=%llu recent=%llu minutes=%llu used=%llu"
	       " metered=%llu pending=%llu%s%s\n",
	       (long long)books_open(line), (unsigned long long)line->sent,
	       (unsigned long long)line->events, (unsigned long long)line->hours,
	       (unsigned long long)line->recent, (unsigned long long)line->minutes,
	       (unsigned long long)line->used, (unsigned long long)line->metered,
	       (unsigned long long)line->pending,
	       fault == NULL ? "" : " WRONG: ", fault == NULL ? "" : fault);
}

/* How many projects do not balance. */
static size_t print_books(const struct books *books, uint64_t lost, bool exact)
{
	size_t wrong = 0;

	for (size_t i = 0; i < books->n; i++) {
		const char *fault = books_fault(books->lines[i], lost, exact);

		print_line(books->lines[i], fault);
		wrong += fault != NULL;
	}
	printf("%zu projects, records counted up to %llu of %llu", books->n,
	       (unsigned long long)books->rollup_seq, (unsigned long long)books->last_seq);
	if (lost > 0) {
		printf(", %llu lost to damage", (unsigned long long)lost);
	}
	printf(wrong > 0 ? ": the books of %zu do not balance\n" : ": the books balance\n", wrong);
	return wrong;
}

static bool open_state(const struct settings *s, struct arena *boot, struct store **store,
		       struct db **db, struct err *err)
{
	struct slice url = s->database_url;
	unsigned schema;

	if (url.n == 0) {
		url = data_dir_path(s->data, "state.db", boot);
	}
	if (!store_open(url, store, err) || !store_schema(*store, &schema, err)) {
		return false;
	}
	if (schema != store_schema_newest()) {
		return err_set(err, ERR_CONFLICT,
			       "the state has schema %u, not %u: migrate it first", schema,
			       store_schema_newest());
	}
	return store_connect(*store, STORE_KEEPER, db, err);
}

static bool check(const struct settings *s, bool exact, struct arena *boot, size_t *wrong,
		  struct err *err)
{
	struct peek peek = { .lock = -1 };
	struct store *store = NULL;
	struct db *db = NULL;
	struct books books;
	uint64_t lost;
	bool ok = peek_open(&peek, s->data, boot, err);

	if (ok && peek.served) {
		ok = err_set(err, ERR_CONFLICT,
			     "a server runs on \"%.*s\": stop it first, or ask it for "
			     "/api/v1/outcomes",
			     SARG(s->data));
	}
	ok = ok && open_state(s, boot, &store, &db, err) &&
	     books_look(&peek, db, &books, &lost, boot, err);
	if (ok) {
		*wrong = print_books(&books, lost, exact);
	}
	db_close(&db);
	store_close(&store);
	peek_close(&peek);
	return ok;
}

/* A failure to look is not the same as books that are wrong: scripts can tell them apart. */
#define EXIT_WRONG 3

static int run(const struct flags *flags, const void *arg, struct arena *boot)
{
	const struct books_flags *in = arg;
	const char *test_clock = getenv("TOCSIN_TEST_CLOCK");
	struct settings settings;
	size_t wrong = 0;
	struct err err;

	if (!flags_settings(flags, boot, &settings)) {
		return 2;
	}
	if (test_clock != NULL && !clock_shift_from(test_clock)) {
		fprintf(stderr, "tocsin books: TOCSIN_TEST_CLOCK cannot be mapped\n");
		return 2;
	}
	log_setup(LOG_WARN, settings.log_format, STDERR_FILENO);
	if (!check(&settings, in->exact, boot, &wrong, &err)) {
		fprintf(stderr, "tocsin books: %s\n", err.text);
		return 1;
	}
	return wrong > 0 ? EXIT_WRONG : 0;
}

int cmd_books(int argc, char **argv)
{
	struct flags flags = {
		.command = "books",
		.about =
			"Check that everything that was sent is accounted for: what was received is "
			"what became of it,\nand what was accepted is in the log, was counted and is in the usage. "
			"While no server runs. Exit code 3: it is\nnot.",
		.rows = rows,
		.n = ARRAY_LEN(rows),
		.with_settings = true,
	};
	struct books_flags in = { 0 };

	return flags_run(&flags, argc, argv, &in, run);
}

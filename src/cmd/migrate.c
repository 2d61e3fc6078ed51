/* SPDX-License-Identifier: Apache-2.0 */
/* tocsin migrate: the state store to another schema, up or down, while no server runs on it. */
#include <stdio.h>
#include <unistd.h>

#include "base/clock.h"
#include "cmd/command.h"
#include "cmd/data_dir.h"
#include "cmd/flags.h"
#include "cmd/settings.h"
#include "store/store.h"

struct migrate_flags {
	int64_t to;
	bool status;
};

static const struct field rows[] = {
	FIELD_INT(struct migrate_flags, to, "to", .min = 0, .max = 9999,
		  .help = "The schema to end at. Without it: the newest. 0 removes everything."),
	FIELD_BOOL(struct migrate_flags, status, "status",
		   .help = "Only say which schema the store has."),
};

static void print_steps(unsigned from, unsigned to)
{
	for (unsigned n = from; n < to; n++) {
		printf("up    %04u %s\n", n + 1, store_schema_name(n + 1));
	}
	for (unsigned n = from; n > to; n--) {
		printf("down  %04u %s\n", n, store_schema_name(n));
	}
}

static bool migrate(struct store *store, unsigned to, bool status, struct err *err)
{
	unsigned from;

	if (!store_schema(store, &from, err)) {
		return false;
	}
	if (status) {
		printf("schema %04u, the newest is %04u\n", from, store_schema_newest());
		return true;
	}
	if (!store_migrate(store, to, clock_wall_us(), NULL, err)) {
		return false;
	}
	print_steps(from, to);
	printf(from == to ? "schema %04u, nothing to do\n" : "schema %04u\n", to);
	return true;
}

static bool migrate_in(const struct settings *s, unsigned to, bool status, struct arena *boot,
		       struct err *err)
{
	struct slice url = s->database_url;
	struct store *store = NULL;
	int lock = data_dir_lock(s->data, err);
	bool ok;

	if (lock < 0) {
		return false;
	}
	if (url.n == 0) {
		url = data_dir_path(s->data, "state.db", boot);
	}
	ok = store_open(url, &store, err) && migrate(store, to, status, err);
	store_close(&store);
	close(lock);
	return ok;
}

static bool read_target(const struct flags *flags, const struct migrate_flags *in, unsigned *to,
			struct err *err)
{
	*to = flags_given(flags, "to") ? (unsigned)in->to : store_schema_newest();
	return *to <= store_schema_newest() ||
	       err_set(err, ERR_INVALID, "\"--to\" must be at most %u, the newest schema",
		       store_schema_newest());
}

static int run(const struct flags *flags, const void *arg, struct arena *boot)
{
	const struct migrate_flags *in = arg;
	struct settings settings;
	struct err err;
	unsigned to;

	if (!read_target(flags, in, &to, &err)) {
		fprintf(stderr, "tocsin migrate: %s\n", err.text);
		return 2;
	}
	if (!flags_settings(flags, boot, &settings)) {
		return 2;
	}
	log_setup(LOG_WARN, settings.log_format, STDERR_FILENO);
	if (!migrate_in(&settings, to, in->status, boot, &err)) {
		fprintf(stderr, "tocsin migrate: %s\n", err.text);
		return 1;
	}
	return 0;
}

int cmd_migrate(int argc, char **argv)
{
	struct flags flags = {
		.command = "migrate",
		.about = "Bring the state store to another schema, in one transaction. `tocsin "
			 "serve` does this by\nitself when it starts; this is for going back, and "
			 "for looking. A copy of a SQLite store is\nkept beside it first.",
		.rows = rows,
		.n = ARRAY_LEN(rows),
		.with_settings = true,
	};
	struct migrate_flags in = { 0 };

	return flags_run(&flags, argc, argv, &in, run);
}

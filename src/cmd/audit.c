/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tocsin audit: the audit log, for who runs the server. It is read from the state itself, with or
 * without a server, so that no server has to be believed.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/json_put.h"
#include "cmd/chains.h"
#include "cmd/command.h"
#include "cmd/data_dir.h"
#include "cmd/flags.h"
#include "cmd/peek.h"
#include "cmd/settings.h"
#include "store/save.h"

#define NO_VERB "say verify, list or export; `tocsin help audit` says more"
#define JSON_OUT_BYTES_MAX ((size_t)16 << 20)
#define LINE_BYTES_MAX ((size_t)1 << 20)
#define ROWS_PER_READ 200

static const char *const format_words[] = { "ndjson", "csv", NULL };

struct audit_flags {
	struct slice org;
	bool installation;
	struct slice expect;
	bool json;
	unsigned format;
	struct slice action, actor, target;
	int64_t from_us, to_us;
	int64_t limit;
};

static const struct field rows[] = {
	FIELD_STR(
		struct audit_flags, org, "org", .max = 120,
		.help = "The organization, by its short name. Default: verify all; else default."),
	FIELD_BOOL(struct audit_flags, installation, "installation",
		   .help = "What belongs to no organization."),
	FIELD_STR(
		struct audit_flags, expect, "expect", .max = 100,
		.help = "verify: an entry that you noted, NUMBER:HASH; it has to be there still."),
	FIELD_BOOL(struct audit_flags, json, "json", .help = "verify, list: print JSON."),
	FIELD_ENUM(struct audit_flags, format, "format", format_words, .fallback = "ndjson",
		   .help = "export: a JSON object a line, or a table."),
	FIELD_STR(struct audit_flags, action, "action",
		  .help = "list, export: only this action, as rule.update."),
	FIELD_STR(struct audit_flags, actor, "actor",
		  .help = "list, export: only what this one did: the id of a user or key, or "
			  "operator, system, user, key, anyone."),
	FIELD_STR(struct audit_flags, target, "target",
		  .help = "list, export: only what was done to the thing with this id."),
	FIELD_TIME(struct audit_flags, from_us, "from", .help = "At this time or later."),
	FIELD_TIME(struct audit_flags, to_us, "to", .help = "Before this time."),
	FIELD_INT(struct audit_flags, limit, "limit", .min = 1, .max = PAGE_ROWS_MAX,
		  .fallback = "50", .help = "list: so many at most."),
};

struct task {
	const struct audit_flags *in;
	struct arena *boot;
	struct store *store;
	struct db *db;
	struct org_id org; /* of in->org; 0: the installation */
	bool all;
	struct json_w *w; /* NULL: text */
	uint64_t expect;
	struct slice expect_hash;
	/* Of the chain that is being checked. */
	const char *name;
	size_t wrong; /* chains */
};

/* Of an org that is not there: by its id. */
static const char *id_in(struct arena *boot, struct org_id org)
{
	struct id_text id = id_format(ID_ORG, org.v);

	return arena_cstr(boot, slice_of(id.p));
}

static const char *name_of(struct task *t, struct org_id org, struct err *err)
{
	struct org_row row;

	if (org.v == 0) {
		return "(installation)";
	}
	switch (store_org_get(org, t->db, t->boot, &row, err)) {
	case FOUND:
		return arena_cstr(t->boot, row.slug);
	case NOT_FOUND:
		return id_in(t->boot, org);
	case FAILED:
		break;
	}
	return NULL;
}

static void on_fault(void *arg, const struct audit_fault *fault)
{
	struct task *t = arg;
	struct slice text = audit_fault_text(fault, t->boot);

	if (t->w != NULL) {
		json_w_str(t->w, text);
	} else {
		printf("WRONG %s: %.*s\n", t->name, SARG(text));
	}
}

static void tell_chain(struct task *t, const struct audit_check *c)
{
	if (t->w != NULL) {
		json_w_end(t->w);
		json_put_int(t->w, "entries", (int64_t)c->n);
		json_put_int(t->w, "number", (int64_t)c->head.number);
		json_put_str_or_null(t->w, "hash", c->head.hash);
		json_put_bool(t->w, "ok", c->faults == 0);
		json_w_end(t->w);
	} else if (c->faults == 0) {
		printf("ok    %s: %" PRIu64 " entries, the last is %" PRIu64 ":%.*s\n", t->name,
		       c->n, c->head.number, SARG(c->head.hash));
	}
}

static bool check_one(void *arg, struct org_id org, struct err *err)
{
	struct task *t = arg;
	struct audit_check c = { .org = org,
				 .fault = on_fault,
				 .arg = t,
				 .expect = t->expect,
				 .expect_hash = t->expect_hash };
	bool ok;

	t->name = name_of(t, org, err);
	if (t->name == NULL) {
		return false;
	}
	if (t->w != NULL) {
		json_w_object(t->w);
		json_put_str(t->w, "org", slice_of(t->name));
		json_w_key(t->w, "faults");
		json_w_array(t->w);
	}
	ok = chains_check(t->db, &c, err);
	if (ok) {
		tell_chain(t, &c);
		t->wrong += c.faults > 0;
	}
	audit_check_release(&c);
	return ok;
}

static bool read_expect(struct task *t, struct err *err)
{
	struct slice rest = t->in->expect, number;

	if (rest.n == 0) {
		return true;
	}
	if (t->all || !slice_split(&rest, ':', &number) || !slice_u64(number, &t->expect) ||
	    t->expect == 0 || rest.n != AUDIT_HASH_CHARS) {
		return err_set(err, ERR_INVALID,
			       "\"--expect\" must be NUMBER:HASH, with \"--org\" or "
			       "\"--installation\"");
	}
	t->expect_hash = rest;
	return true;
}

static bool check_chains(struct task *t, struct err *err)
{
	return t->all ? chains_each(t->db, check_one, t, err) : check_one(t, t->org, err);
}

static bool verify_json(struct task *t, struct err *err)
{
	struct json_w w;
	struct buf out;
	bool ok;

	buf_init(&out, JSON_OUT_BYTES_MAX);
	json_w_init(&w, &out);
	t->w = &w;
	json_w_object(&w);
	json_w_key(&w, "chains");
	json_w_array(&w);
	ok = check_chains(t, err);
	if (ok) {
		json_w_end(&w);
		json_put_bool(&w, "ok", t->wrong == 0);
		json_w_end(&w);
		printf("%.*s\n", SARG(buf_slice(&out)));
	}
	buf_release(&out);
	return ok;
}

static bool verify(struct task *t, struct err *err)
{
	bool ok = read_expect(t, err) && (t->in->json ? verify_json(t, err) : check_chains(t, err));

	return ok && (t->wrong == 0 ||
		      err_set(err, ERR_CORRUPT, "%zu of the chains are broken", t->wrong));
}

static struct audit_filter filter_of(const struct audit_flags *in)
{
	struct audit_filter f = { .action = in->action,
				  .target_id = in->target,
				  .from_us = in->from_us,
				  .to_us = in->to_us };

	/* Words have no underscore, ids have. */
	if (slice_find(in->actor, '_') < in->actor.n) {
		f.actor_id = in->actor;
	} else {
		f.actor = in->actor;
	}
	return f;
}

static void print_line(const struct audit_entry *e, bool csv)
{
	struct json_w w;
	struct buf out;

	buf_init(&out, LINE_BYTES_MAX);
	if (csv) {
		audit_csv(e, &out);
	} else {
		json_w_init(&w, &out);
		audit_write(e, &w);
		buf_putc(&out, '\n');
	}
	fwrite(out.p, 1, out.n, stdout);
	buf_release(&out);
}

/* What comes from outside may hold what a terminal would obey: JSON escapes it. */
static void print_row(struct task *t, const struct audit_entry *e)
{
	struct slice who = e->actor_name.n > 0 ? e->actor_name : e->actor_id;
	struct slice what = e->target_name.n > 0 ? e->target_name : e->target_id;
	struct id_text id = id_format(ID_AUDIT, e->id.v & INT64_MAX);
	struct json_w w;
	struct buf out;

	if (t->in->json) {
		print_line(e, false);
		return;
	}
	buf_init(&out, LINE_BYTES_MAX);
	json_w_init(&w, &out);
	json_w_array(&w);
	json_w_str(&w, who);
	json_w_str(&w, what);
	json_w_str(&w, e->address);
	json_w_end(&w);
	printf("%6" PRIu64 "  %s  %-9.*s  %-18.*s  %.*s\n", e->number, id.p, SARG(e->actor),
	       SARG(e->action), SARG(buf_slice(&out)));
	buf_release(&out);
}

static bool list(struct task *t, struct err *err)
{
	struct audit_filter filter = filter_of(t->in);
	struct page page = { .limit = (size_t)t->in->limit };
	struct audit_list got;

	if (!store_audit_list(t->org, t->db, &filter, &page, t->boot, &got, err)) {
		return false;
	}
	for (size_t i = got.n; i > 0; i--) {
		print_row(t, &got.rows[i - 1]);
	}
	return true;
}

static void print_head(bool csv)
{
	struct buf out;

	buf_init(&out, LINE_BYTES_MAX);
	if (csv) {
		audit_csv_head(&out);
		fwrite(out.p, 1, out.n, stdout);
	}
	buf_release(&out);
}

static bool export_all(struct task *t, struct err *err)
{
	struct audit_filter filter = filter_of(t->in);
	bool csv = t->in->format == 1, more = true, ok = true;
	struct audit_list got;
	uint64_t after = 0;
	struct arena tick;

	print_head(csv);
	arena_init(&tick, 0);
	while (ok && more) {
		ok = store_audit_walk(t->org, t->db, &filter, after, INT64_MAX, ROWS_PER_READ,
				      &tick, &got, &more, err);
		for (size_t i = 0; ok && i < got.n; i++) {
			print_line(&got.rows[i], csv);
			after = got.rows[i].number;
		}
		arena_clear(&tick);
	}
	arena_release(&tick);
	return ok &&
	       (fflush(stdout) == 0 || err_set(err, ERR_IO, "the output could not be written"));
}

static const struct deed {
	const char *name;
	bool (*run)(struct task *t, struct err *err);
	bool all; /* without an org: of all of them */
} deeds[] = {
	{ "verify", verify, true },
	{ "list", list, false },
	{ "export", export_all, false },
};

static bool open_state(struct task *t, const struct settings *settings, struct err *err)
{
	struct slice url = settings->database_url;
	struct store_saved saved;

	if (url.n == 0) {
		url = data_dir_path(settings->data, "state.db", t->boot);
	}
	if (!store_open(url, &t->store, err)) {
		return false;
	}
	store_only_look(t->store);
	if (!store_saved(t->store, &saved, err)) {
		return false;
	}
	if (saved.schema != store_schema_newest()) {
		return err_set(err, ERR_CONFLICT,
			       "the state has schema %u, this program reads %u: start the server "
			       "of this version first",
			       saved.schema, store_schema_newest());
	}
	return store_connect(t->store, STORE_KEEPER, &t->db, err);
}

static bool find_org(struct task *t, bool all, struct err *err)
{
	struct slice slug = t->in->org.n > 0 ? t->in->org : S("default");
	struct org_row row;

	t->all = all && t->in->org.n == 0 && !t->in->installation;
	if (t->all || t->in->installation) {
		return true;
	}
	switch (store_org_by_slug(t->db, slug, t->boot, &row, err)) {
	case FOUND:
		t->org = row.id;
		return true;
	case NOT_FOUND:
		return err_set(err, ERR_NOT_FOUND, "there is no organization \"%.*s\"", SARG(slug));
	case FAILED:
		break;
	}
	return false;
}

static const struct deed *find(const char *word)
{
	for (size_t i = 0; i < ARRAY_LEN(deeds); i++) {
		if (strcmp(deeds[i].name, word) == 0) {
			return &deeds[i];
		}
	}
	return NULL;
}

static int run(const struct flags *flags, const void *arg, struct arena *boot)
{
	const struct deed *deed = find(flags->word);
	struct task t = { .in = arg, .boot = boot };
	struct peek peek = { .lock = -1 };
	struct settings settings;
	struct err err;
	bool ok;

	if (deed == NULL) {
		fprintf(stderr, "tocsin audit: " NO_VERB "\n");
		return 2;
	}
	if (!flags_settings(flags, boot, &settings)) {
		return 2;
	}
	log_setup(LOG_ERROR, settings.log_format, STDERR_FILENO);
	ok = peek_open(&peek, settings.data, boot, &err) && open_state(&t, &settings, &err) &&
	     find_org(&t, deed->all, &err) && deed->run(&t, &err);
	db_close(&t.db);
	store_close(&t.store);
	peek_close(&peek);
	if (!ok) {
		fflush(stdout);
		fprintf(stderr, "tocsin audit %s: %s\n", deed->name, err.text);
	}
	return ok ? 0 : 1;
}

int cmd_audit(int argc, char **argv)
{
	struct flags flags = {
		.command = "audit",
		.words = "verify|list|export",
		.no_word = NO_VERB,
		.about =
			"Who changed what, out of the state itself; a server may run on the data "
			"directory.\n\n"
			"  verify   check that nothing was changed, removed, swapped or cut off; the "
			"exit code is 1\n"
			"           when something was\n"
			"  list     print the newest entries\n"
			"  export   print all entries, oldest first",
		.rows = rows,
		.n = ARRAY_LEN(rows),
		.with_settings = true,
	};
	struct audit_flags in = { 0 };

	return flags_run(&flags, argc, argv, &in, run);
}

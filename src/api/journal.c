/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What who runs the server needs to look at its log from outside, or to copy it: which files hold
 * it, and how far each is flushed. Only over the socket in the data directory.
 */
#include <stdlib.h>

#include "api/api.h"
#include "api/audit.h"
#include "api/route.h"
#include "base/hex.h"
#include "base/json_put.h"
#include "journal/care.h"

static void write_file(const struct journal_file *file, struct json_w *w)
{
	json_w_object(w);
	json_put_str(w, "name", slice_of(file->name));
	json_put_int(w, "bytes", (int64_t)file->bytes);
	json_put_int(w, "firstRecord", (int64_t)file->first_seq);
	json_put_int(w, "lastRecord", (int64_t)file->last_seq);
	json_put_int(w, "madeUs", file->made_us);
	json_w_end(w);
}

static bool get_journal(struct call *c, struct err *err UNUSED)
{
	const struct journal_meta *meta = journal_meta(c->api->journal);
	struct journal_file *files;
	size_t n = journal_files(c->api->journal, c->req, &files);
	char id[2 * sizeof(meta->id.v)];
	struct json_w w = call_json(c, 200);

	hex_encode(meta->id.v, sizeof(meta->id.v), id);
	json_w_object(&w);
	json_put_str(&w, "id", (struct slice) { id, sizeof(id) });
	json_w_key(&w, "files");
	json_w_array(&w);
	for (size_t i = 0; i < n; i++) {
		write_file(&files[i], &w);
	}
	json_w_end(&w);
	json_w_end(&w);
	return true;
}

static const struct prop file_props[] = {
	PROP_STR("name"),	PROP_INT("bytes"),  PROP_INT("firstRecord"),
	PROP_INT("lastRecord"), PROP_INT("madeUs"),
};
static const struct shape shape_file = { SHAPE_PROPS(file_props) };
static const struct prop journal_props[] = {
	PROP_STR("id"),
	PROP_SHAPE("files", &shape_file, .many = PROP_LIST),
};
static const struct shape shape_journal = { .name = "Journal",
					    .help = "The log and its files.",
					    SHAPE_PROPS(journal_props) };

static void write_damage(const struct journal_damage *d, struct json_w *w)
{
	char text[160];

	journal_damage_text(d, text, sizeof(text));
	json_w_object(w);
	journal_damage_put(d, w);
	json_put_bool(w, "setAside", !d->mendable);
	json_put_str(w, "text", slice_of(text));
	json_w_end(w);
}

struct told {
	struct journal_damage *v;
	size_t n;
};

static void tell(void *arg, const struct journal_damage *damage)
{
	struct told *told = arg;

	told->v = mem_resize(told->v, told->n + 1, sizeof(*told->v));
	told->v[told->n++] = *damage;
}

static void write_told(struct call *c, const struct told *told, size_t n)
{
	struct json_w w = call_json(c, 200);
	uint64_t lost = 0;

	json_w_object(&w);
	json_put_int(&w, "setAside", (int64_t)n);
	json_w_key(&w, "damage");
	json_w_array(&w);
	for (size_t i = 0; i < told->n; i++) {
		write_damage(&told->v[i], &w);
		lost += told->v[i].lost;
	}
	json_w_end(&w);
	json_put_int(&w, "recordsLost", (int64_t)lost);
	json_w_end(&w);
}

/* After the fact: what is set aside is so, whether or not the state can be written. */
static bool note(struct call *c, size_t n, struct err *err)
{
	struct audit_note note = { .action = AUDIT_JOURNAL_ACCEPT,
				   .installation = true,
				   .target = AUDIT_ON_JOURNAL,
				   .after = audit_number(c, "setAside", (int64_t)n) };

	audit_nothing(c);
	return n == 0 || audit_alone(c, &note, err);
}

/* What the operator accepts as lost; the server goes on around it. */
static bool post_quarantine(struct call *c, struct err *err)
{
	struct told told = { 0 };
	size_t n;
	bool ok = journal_set_aside(c->api->journal, tell, &told, &n, err) && note(c, n, err);

	if (ok) {
		write_told(c, &told, n);
	}
	free(told.v);
	return ok;
}

static const struct prop damage_props[] = {
	PROP_STR("file"),
	PROP_INT("offset"),
	PROP_INT("end"),
	PROP_INT("recordsLost"),
	PROP_INT("firstRecord", .flags = PROP_MAYBE),
	PROP_INT("lastRecord", .flags = PROP_MAYBE),
	PROP_ID("orgId", ID_ORG, .flags = PROP_MAYBE, .help = "When all of them are of one."),
	PROP_ID("projectId", ID_PROJECT, .flags = PROP_MAYBE),
	PROP_BOOL("setAside"),
	PROP_STR("text", .help = "The same for people."),
};
static const struct shape shape_damage = { SHAPE_PROPS(damage_props) };
static const struct prop set_aside_props[] = {
	PROP_INT("setAside", .help = "Places that were set aside by this call."),
	PROP_SHAPE("damage", &shape_damage, .many = PROP_LIST, .help = "Earlier ones, too."),
	PROP_INT("recordsLost"),
};
static const struct shape shape_set_aside = { .name = "DamageSetAside",
					      .help = "What is lost of the log, and accepted.",
					      SHAPE_PROPS(set_aside_props) };

static const struct route rows[] = {
	{
		.method = HTTP_GET,
		.path = "/admin/journal",
		.name = "adminGetJournal",
		.tag = "Operation",
		.summary = "The files of the log, and how far they are flushed",
		.who = WHO_SOCKET,
		.limit = LIMIT_NONE,
		.replies = { { .status = 200, .help = "The files.", .shape = &shape_journal } },
		.work = get_journal,
	},
	{
		.method = HTTP_POST,
		.path = "/admin/journal/quarantine",
		.name = "adminQuarantineJournal",
		.tag = "Operation",
		.summary = "Set aside what is lost of the log",
		.doc = "As `tocsin journal quarantine` does, which calls this when a server runs.",
		.who = WHO_SOCKET,
		.limit = LIMIT_NONE,
		.replies = { { .status = 200, .help = "Done.", .shape = &shape_set_aside } },
		.audits = { AUDIT_JOURNAL_ACCEPT },
		.work = post_quarantine,
	},
};
const struct route_set routes_journal = { rows, ARRAY_LEN(rows) };

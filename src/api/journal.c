/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What who runs the server needs to look at its log from outside, or to copy it: which files hold
 * it, and how far each is flushed. Only over the socket in the data directory.
 */
#include "api/api.h"
#include "api/route.h"
#include "base/hex.h"
#include "base/json_put.h"

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
};
const struct route_set routes_journal = { rows, ARRAY_LEN(rows) };

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The files are read by the command itself even while a server writes them: only how far they are
 * flushed has to come from the server, and it is not kept from its work.
 */
#include "cmd/peek.h"

#include <errno.h>
#include <unistd.h>

#include "base/field.h"
#include "cmd/client.h"
#include "cmd/data_dir.h"

struct file_fields {
	struct slice name;
	int64_t bytes;
	int64_t first;
	int64_t last;
	int64_t made_us;
};

static const struct field rows[] = {
	FIELD_STR(struct file_fields, name, "name", .min = 1, .max = JOURNAL_FILE_NAME_BYTES - 1,
		  .flags = FIELD_REQUIRED, .help = "In the directory of the journal."),
	FIELD_INT(struct file_fields, bytes, "bytes", .max = INT64_MAX, .help = "Flushed."),
	FIELD_INT(struct file_fields, first, "firstRecord", .max = INT64_MAX, .help = "0: none."),
	FIELD_INT(struct file_fields, last, "lastRecord", .max = INT64_MAX, .help = "0: none."),
	FIELD_INT(struct file_fields, made_us, "madeUs", .max = INT64_MAX,
		  .help = "When it was made, if it may be replaced."),
};

#define FILES_MAX ((size_t)1 << 20) /* 64 TiB of segments */

struct listing {
	struct journal_file *files;
	size_t n;
	size_t cap;
};

static bool read_file(struct json_scan *s, struct listing *list, struct arena *boot,
		      struct err *err)
{
	struct file_fields in = { 0 };
	const struct json *object;
	struct journal_file *file;
	struct slice raw;

	if (!json_raw(s, &raw, err) || !json_parse(boot, raw, 2, &object, err) ||
	    !fields_parse(object, rows, ARRAY_LEN(rows), &in, NULL, boot, err)) {
		return false;
	}
	if (list->n == list->cap) {
		struct journal_file *more;

		list->cap = list->cap == 0 ? 256 : list->cap * 2;
		if (list->cap > FILES_MAX) {
			return err_set(err, ERR_TOO_LARGE, "too many files in the journal");
		}
		more = arena_array(boot, list->cap, sizeof(*more));
		if (list->n > 0) {
			memcpy(more, list->files, list->n * sizeof(*more));
		}
		list->files = more;
	}
	file = &list->files[list->n++];
	*file = (struct journal_file) { .bytes = (uint64_t)in.bytes,
					.first_seq = (uint64_t)in.first,
					.last_seq = (uint64_t)in.last,
					.made_us = in.made_us };
	memcpy(file->name, in.name.p, in.name.n);
	return true;
}

static bool read_list(struct slice text, struct listing *list, struct arena *boot, struct err *err)
{
	struct json_scan s;
	struct slice key;
	enum found more, item = NOT_FOUND;

	json_scan_init(&s, text, JSON_DEPTH_MAX, boot);
	if (!json_begin_object(&s, err)) {
		return false;
	}
	while ((more = json_next_key(&s, &key, err)) == FOUND) {
		if (!slice_eq(key, S("files"))) {
			continue;
		}
		if (!json_begin_array(&s, err)) {
			return false;
		}
		while ((item = json_next_item(&s, err)) == FOUND) {
			if (!read_file(&s, list, boot, err)) {
				return false;
			}
		}
		if (item == FAILED) {
			return false;
		}
	}
	return more == NOT_FOUND;
}

static bool ask(struct slice data, struct listing *list, struct arena *boot, struct err *err)
{
	struct client_flags where = { .data = data };
	struct client_call call = { .method = "GET", .path = S("/admin/journal") };
	struct client_reply reply = { 0 };
	struct client *client = NULL;
	bool ok = client_open(&client, &where, false, err) &&
		  client_call(client, &call, &reply, err) && client_ok(&reply, err) &&
		  read_list(arena_dup(boot, buf_slice(&reply.body)), list, boot, err);

	client_reply_release(&reply);
	client_close(&client);
	return ok;
}

bool peek_open(struct peek *peek, struct slice data, struct arena *boot, struct err *err)
{
	const char *meta = data_dir_path(data, "journal/meta", boot).p;
	struct listing list = { 0 };
	struct err no_answer;

	*peek = (struct peek) { .data = data, .lock = -1 };
	peek->dir = data_dir_path(data, "journal", boot).p;
	if (access(meta, F_OK) != 0) {
		return errno == ENOENT || errno == ENOTDIR
			       ? err_set(err, ERR_NOT_FOUND, "there is no journal in \"%.*s\"",
					 SARG(data))
			       : err_errno(err, errno, "open \"%s\"", meta);
	}
	if (ask(data, &list, boot, &no_answer)) {
		peek->served = true;
		return true;
	}
	peek->lock = data_dir_lock(data, err);
	return peek->lock >= 0 ||
	       (err->kind == ERR_CONFLICT && err_wrap(err, "%s", no_answer.text));
}

void peek_close(struct peek *peek)
{
	if (peek->lock >= 0) {
		close(peek->lock);
		peek->lock = -1;
	}
}

bool peek_files(struct peek *peek, struct arena *boot, struct journal_file **files, size_t *n,
		struct err *err)
{
	struct listing list = { 0 };

	if (peek->served && !ask(peek->data, &list, boot, err)) {
		return false;
	}
	*files = list.files;
	*n = list.n;
	return true;
}

#define TRIES 5 /* files may be replaced by others between the list and the open */

bool peek_journal(struct peek *peek, const struct journal_options *options,
		  struct journal **journal, struct err *err)
{
	struct journal_options o = { 0 };
	bool ok = false;

	if (options != NULL) {
		o = *options;
	}
	o.dir = peek->dir;
	o.read_only = true;
	for (int i = 0; i < TRIES && !ok; i++) {
		struct journal_file *files;
		struct arena tick;
		size_t n;

		arena_init(&tick, 0);
		ok = peek_files(peek, &tick, &files, &n, err);
		o.only = files;
		o.n_only = n;
		ok = ok && journal_open(journal, &o, err);
		arena_release(&tick);
		if (!ok && (!peek->served || err->kind != ERR_IO)) {
			break;
		}
	}
	return ok;
}

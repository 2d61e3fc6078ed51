/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Merged tables at the opening of a journal. One that is damaged is removed and made again from
 * the sealed files; of two that overlap because a crash came between naming the one and removing
 * the other, the wider one stays.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "journal/file/file_journal.h"

#define PATH_BYTES 4096

struct found_names {
	char (*names)[KEY_FILE_NAME_BYTES + 4];
	size_t n;
};

static void note(void *to, const char *name)
{
	struct found_names *found = to;

	if (key_file_is(name) || key_file_is_unfinished(name)) {
		found->names = mem_resize(found->names, found->n + 1, sizeof(*found->names));
		snprintf(found->names[found->n++], sizeof(*found->names), "%s", name);
	}
}

static bool discard(const struct file_journal *j, const char *name, struct err *err)
{
	char path[PATH_BYTES];
	int rc;

	snprintf(path, sizeof(path), "%s/%s", j->dir, name);
	rc = j->files.ops->unlink(j->files.arg, path);
	return rc < 0 && rc != -ENOENT ? err_errno(err, -rc, "remove \"%s\"", path) : true;
}

static bool open_one(struct file_journal *j, const char *name, struct err *err)
{
	struct key_file *file;

	if (key_file_is_unfinished(name)) {
		return discard(j, name, err);
	}
	file = key_file_open(&j->files, j->dir, name, &j->base.meta.id, err);
	if (file != NULL) {
		keys_add_file(j, file, false);
		return true;
	}
	log_error("journal_keys_unreadable", log_str("error", err->text));
	return discard(j, name, err);
}

bool keys_open(struct file_journal *j, struct err *err)
{
	struct found_names found = { 0 };
	int rc = j->read_only ? 0 : j->files.ops->list(j->files.arg, j->dir, note, &found);
	bool ok = rc >= 0 || err_errno(err, -rc, "list \"%s\"", j->dir);

	for (size_t i = 0; ok && i < found.n; i++) {
		ok = open_one(j, found.names[i], err);
	}
	free(found.names);
	if (ok) {
		j->keys.seen = UINT64_MAX;
		(void)keys_refresh(j);
		keys_publish(j);
		keys_adopt(j);
	}
	return ok;
}

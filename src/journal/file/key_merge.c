/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Several key tables into one file, some entries at a time. The tables are few, so the smallest
 * head is searched for among all: no heap.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>

#include "journal/file/key_range.h"

#define PATH_BYTES 4096
#define WRITE_BYTES ((size_t)256 << 10)
#define FLUSH_BYTES ((uint64_t)8 << 20) /* so that no flush of the log waits for much of ours */

struct key_merge {
	struct files files;
	const char *dir;
	struct key_plan plan;
	char tmp[PATH_BYTES];
	int fd;
	bool named;
	struct buf buf;
	uint64_t at;	  /* what of the file is written */
	uint64_t flushed; /* and flushed */
	struct key_writer *writer;
	struct key_walk walks[KEY_MERGE_MAX];
	struct key_entry heads[KEY_MERGE_MAX];
	bool live[KEY_MERGE_MAX];
	size_t culprit;
};

static bool left_out(const struct key_plan *plan, uint64_t seq)
{
	uint64_t i = seq - plan->gone_first;

	return plan->gone != NULL && seq >= plan->gone_first && i < plan->gone_n &&
	       (plan->gone[i / 8] >> i % 8 & 1) != 0;
}

static bool step(struct key_merge *m, size_t i, struct err *err)
{
	enum found found;

	do {
		found = key_walk_next(&m->walks[i], &m->heads[i], err);
	} while (found == FOUND && left_out(&m->plan, m->heads[i].seq));
	m->live[i] = found == FOUND;
	m->culprit = found == FAILED ? i : m->plan.n;
	return found != FAILED;
}

static bool rewind_all(void *arg, struct err *err)
{
	struct key_merge *m = arg;

	for (size_t i = 0; i < m->plan.n; i++) {
		key_walk_release(&m->walks[i]);
		key_walk_init(&m->walks[i], m->plan.tables[i]);
		if (!step(m, i, err)) {
			return false;
		}
	}
	return true;
}

static bool before(const struct key_entry *a, const struct key_entry *b)
{
	return a->hash < b->hash || (a->hash == b->hash && a->seq < b->seq);
}

static enum found next_of_all(void *arg, struct key_entry *entry, struct err *err)
{
	struct key_merge *m = arg;
	size_t least = m->plan.n;

	for (size_t i = 0; i < m->plan.n; i++) {
		if (m->live[i] && (least == m->plan.n || before(&m->heads[i], &m->heads[least]))) {
			least = i;
		}
	}
	if (least == m->plan.n) {
		return NOT_FOUND;
	}
	*entry = m->heads[least];
	return step(m, least, err) ? FOUND : FAILED;
}

static bool write_out(struct key_merge *m, struct err *err)
{
	bool ok = files_write(&m->files, m->fd, m->buf.p, m->buf.n, m->at, m->tmp, err);

	m->at += m->buf.n;
	buf_cut(&m->buf, 0);
	if (ok && m->at - m->flushed >= FLUSH_BYTES) {
		m->flushed = m->at;
		ok = files_flush(&m->files, m->fd, m->tmp, err);
	}
	return ok;
}

static bool put(void *arg, const void *p, size_t n, struct err *err)
{
	struct key_merge *m = arg;

	buf_put(&m->buf, p, n);
	return m->buf.n < WRITE_BYTES || write_out(m, err);
}

static struct key_writer *make_writer(struct key_merge *m)
{
	struct key_feed feed = { rewind_all, next_of_all, m };
	struct key_sink sink = { put, m };
	uint64_t entries = 0, first_seq = m->plan.range.first_seq;

	for (size_t i = 0; i < m->plan.n; i++) {
		const struct key_table *table = m->plan.tables[i];

		entries += table->entries;
		first_seq = table->first_seq < first_seq ? table->first_seq : first_seq;
	}
	if (m->plan.entries_max > 0 && m->plan.entries_max < entries) {
		entries = m->plan.entries_max;
	}
	return key_writer_new(&feed, &sink, entries, first_seq);
}

struct key_merge *key_merge_new(const struct files *files, const char *dir,
				const struct key_plan *plan, struct err *err)
{
	struct key_merge *m = mem_alloc(1, sizeof(*m));
	char name[KEY_FILE_NAME_BYTES];

	ensure(plan->n > 0 && plan->n <= KEY_MERGE_MAX);
	m->files = *files;
	m->dir = dir;
	m->plan = *plan;
	m->culprit = plan->n;
	key_file_name(&plan->range, name);
	snprintf(m->tmp, sizeof(m->tmp), "%s/%s.tmp", dir, name);
	buf_init(&m->buf, SIZE_MAX / 2);
	m->fd = files->ops->open(files->arg, m->tmp, O_RDWR | O_CREAT | O_TRUNC);
	if (m->fd < 0) {
		err_errno(err, -m->fd, "create \"%s\"", m->tmp);
		m->named = true; /* there is nothing to remove */
		key_merge_free(&m);
		return NULL;
	}
	m->writer = make_writer(m);
	return m;
}

static bool give_name(struct key_merge *m, struct err *err)
{
	char name[KEY_FILE_NAME_BYTES], path[PATH_BYTES];
	int rc;

	key_file_name(&m->plan.range, name);
	snprintf(path, sizeof(path), "%s/%s", m->dir, name);
	rc = m->files.ops->rename(m->files.arg, m->tmp, path);
	if (rc < 0) {
		return err_errno(err, -rc, "rename \"%s\"", m->tmp);
	}
	m->named = true;
	rc = m->files.ops->sync_dir(m->files.arg, m->dir);
	return rc < 0 ? err_errno(err, -rc, "flush directory \"%s\"", m->dir) : true;
}

static bool finish(struct key_merge *m, struct err *err)
{
	char range[KEY_RANGE_BYTES];

	key_range_encode(&m->plan.range, range);
	buf_put(&m->buf, range, sizeof(range));
	return write_out(m, err) && files_flush(&m->files, m->fd, m->tmp, err) && give_name(m, err);
}

enum found key_merge_step(struct key_merge *m, uint64_t entries, struct err *err)
{
	enum found found = key_writer_step(m->writer, entries, err);

	if (found == NOT_FOUND) {
		return finish(m, err) ? NOT_FOUND : FAILED;
	}
	return found;
}

size_t key_merge_culprit(const struct key_merge *m)
{
	return m->culprit;
}

void key_merge_free(struct key_merge **merge)
{
	struct key_merge *m = *merge;

	*merge = NULL;
	if (m == NULL) {
		return;
	}
	for (size_t i = 0; i < m->plan.n; i++) {
		key_walk_release(&m->walks[i]);
	}
	key_writer_free(&m->writer);
	if (m->fd >= 0) {
		m->files.ops->close(m->files.arg, m->fd);
	}
	if (!m->named) {
		(void)m->files.ops->unlink(m->files.arg, m->tmp);
	}
	buf_release(&m->buf);
	free(m);
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Snapshots: the engine's state in a file named after its record, so that a start replays a
 * little instead of everything. Losing or damaging them only costs a longer replay, so they are
 * checked before use and never trusted to be there.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "engine/engine_impl.h"
#include "rule/snapshot.h"

#define MAGIC "TOCSNAP1"
#define SNAPSHOT_BYTES_MAX ((size_t)1 << 30) /* a million keys of a thousand bytes */
#define NAME_LEN 25			     /* 20 digits and ".snap" */

struct head {
	char magic[8];
	unsigned char journal[16];
	uint64_t seq;
	uint64_t alerts;
	uint64_t deliveries;
	uint64_t book_n;   /* bytes of the rulebook behind this head */
	uint64_t rules_n;  /* bytes of the rule set behind it */
	uint32_t crc;	   /* of all that follows this head */
	uint32_t head_crc; /* of this head up to here */
};

static bool into_buf(void *arg, struct slice part, struct err *err UNUSED)
{
	buf_puts(arg, part);
	return true;
}

static void encode(const struct engine *e, struct buf *out)
{
	struct head h = { .seq = e->state.seq,
			  .alerts = e->state.alerts,
			  .deliveries = e->state.deliveries };
	struct err err;
	size_t at;

	memcpy(h.magic, MAGIC, sizeof(h.magic));
	memcpy(h.journal, journal_meta(e->o.journal)->id.v, sizeof(h.journal));
	buf_put(out, &h, sizeof(h));
	rulebook_save(e->state.rulebook, out);
	at = out->n;
	if (!rule_set_save(e->state.rules, into_buf, out, &err) || out->overflow) {
		out->overflow = true;
		return;
	}
	h.book_n = at - sizeof(h);
	h.rules_n = out->n - at;
	h.crc = crc32c(0, out->p + sizeof(h), out->n - sizeof(h));
	h.head_crc = crc32c(0, &h, offsetof(struct head, head_crc));
	memcpy(out->p, &h, sizeof(h));
}

static bool write_all(int fd, struct slice s)
{
	while (s.n > 0) {
		ssize_t n = write(fd, s.p, s.n);

		if (n < 0) {
			return false;
		}
		s = slice_from(s, (size_t)n);
	}
	return true;
}

/* A file is there whole or not at all: written beside, flushed, renamed, the folder flushed. */
static bool write_file(int dir, const char *name, struct slice s, struct err *err)
{
	bool ok;
	int fd = openat(dir, "new.tmp", O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	if (fd < 0) {
		return err_errno(err, errno, "open a new snapshot");
	}
	ok = write_all(fd, s) && fdatasync(fd) == 0;
	if (!ok) {
		err_errno(err, errno, "write a snapshot");
	}
	close(fd);
	if (ok && (renameat(dir, "new.tmp", dir, name) != 0 || fsync(dir) != 0)) {
		ok = err_errno(err, errno, "rename a snapshot");
	}
	return ok;
}

static int newest_first(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x < y) - (x > y);
}

static bool name_seq(const char *name, uint64_t *seq)
{
	struct slice s = slice_of(name);

	return s.n == NAME_LEN && slice_ends(s, S(".snap")) &&
	       slice_u64((struct slice) { s.p, 20 }, seq);
}

/* The numbers of the snapshots in the folder, newest first; at most max. */
static size_t list(int dir, uint64_t *seqs, size_t max)
{
	int fd = dup(dir);
	DIR *d = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *entry;
	size_t n = 0;

	if (d == NULL) {
		return 0;
	}
	rewinddir(d);
	while (n < max && (entry = readdir(d)) != NULL) {
		n += name_seq(entry->d_name, &seqs[n]);
	}
	closedir(d);
	qsort(seqs, n, sizeof(*seqs), newest_first);
	return n;
}

static void name_of(uint64_t seq, char out[NAME_LEN + 1])
{
	snprintf(out, NAME_LEN + 1, "%020" PRIu64 ".snap", seq);
}

/* Returns the record of the oldest one that stays; 0: there is none. */
static uint64_t prune(int dir, size_t kept, uint64_t deleted_seq)
{
	uint64_t seqs[64];
	size_t n = list(dir, seqs, ARRAY_LEN(seqs));
	uint64_t oldest = n == 0 ? 0 : seqs[0];
	char name[NAME_LEN + 1];

	for (size_t i = 1; i < n; i++) {
		if (i < kept && (seqs[0] < deleted_seq || seqs[i] >= deleted_seq)) {
			oldest = seqs[i];
			continue;
		}
		name_of(seqs[i], name);
		unlinkat(dir, name, 0);
	}
	return oldest;
}

void engine_snapshot_prune(struct engine *e, size_t kept)
{
	int dir = open(e->o.snapshot_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	uint64_t oldest = dir < 0 ? 0 : prune(dir, kept, e->deleted_seq);

	if (e->o.retain != NULL) {
		retain_replayed(e->o.retain, oldest);
	}
	if (dir >= 0) {
		close(dir);
	}
}

void engine_snapshot(struct engine *e)
{
	int dir = open(e->o.snapshot_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int64_t began_us = clock_mono_us();
	char name[NAME_LEN + 1];
	struct err err = { 0 };
	struct buf out;

	buf_init(&out, SNAPSHOT_BYTES_MAX);
	encode(e, &out);
	name_of(e->state.seq, name);
	if (dir < 0) {
		err_errno(&err, errno, "open \"%s\"", e->o.snapshot_dir);
	} else if (out.overflow) {
		err_set(&err, ERR_TOO_LARGE, "the state is over %zu bytes", SNAPSHOT_BYTES_MAX);
	} else if (write_file(dir, name, buf_slice(&out), &err)) {
		engine_snapshot_prune(e, ENGINE_SNAPSHOTS_KEPT);
		log_debug("snapshot_written", log_int("seq", e->state.seq), log_int("bytes", out.n),
			  log_int("us", clock_mono_us() - began_us));
	}
	if (err.kind != ERR_NONE) {
		log_warn("snapshot_failed", log_str("error", err.text));
	}
	if (dir >= 0) {
		close(dir);
	}
	buf_release(&out);
}

static bool read_file(int dir, const char *name, struct buf *out, struct err *err)
{
	int fd = openat(dir, name, O_RDONLY | O_CLOEXEC);
	bool ok = fd >= 0;

	while (ok) {
		char *to = buf_room(out, (size_t)1 << 20);
		ssize_t n = to == NULL ? -1 : read(fd, to, (size_t)1 << 20);

		if (n == 0) {
			break;
		}
		ok = n > 0;
		out->n += ok ? (size_t)n : 0;
	}
	if (!ok) {
		err_errno(err, errno, "read snapshot \"%s\"", name);
	}
	if (fd >= 0) {
		close(fd);
	}
	return ok;
}

/* The whole state is read before any of it replaces what is there. */
static bool adopt(struct engine *e, const struct head *h, struct slice book, struct slice rules,
		  struct err *err)
{
	struct engine_state state = { .seq = h->seq,
				      .alerts = h->alerts,
				      .deliveries = h->deliveries };

	state.rulebook = rulebook_new();
	state.rules = rule_set_load(&journal_meta(e->o.journal)->hash, (struct window_limits) { 0 },
				    rules, err);
	if (state.rules == NULL || !rulebook_load(state.rulebook, book, err)) {
		rule_set_free(&state.rules);
		rulebook_free(&state.rulebook);
		return false;
	}
	rule_set_free(&e->state.rules);
	rulebook_free(&e->state.rulebook);
	e->state = state;
	return true;
}

/* The head of a whole snapshot of this journal; *s is what is behind it. */
static bool decode_head(struct slice *s, const struct journal_id *journal, struct head *h,
			struct err *err)
{
	if (s->n < sizeof(*h)) {
		return err_set(err, ERR_CORRUPT, "it is cut");
	}
	memcpy(h, s->p, sizeof(*h));
	*s = slice_from(*s, sizeof(*h));
	if (memcmp(h->magic, MAGIC, sizeof(h->magic)) != 0 ||
	    h->head_crc != crc32c(0, h, offsetof(struct head, head_crc)) || h->book_n > s->n ||
	    h->rules_n != s->n - h->book_n || h->crc != crc32c(0, s->p, s->n)) {
		return err_set(err, ERR_CORRUPT, "its checksum is wrong");
	}
	return memcmp(h->journal, journal->v, sizeof(h->journal)) == 0 ||
	       err_set(err, ERR_CORRUPT, "it is of another journal");
}

static bool decode(struct engine *e, struct slice s, struct err *err)
{
	struct head h;

	return decode_head(&s, &journal_meta(e->o.journal)->id, &h, err) &&
	       adopt(e, &h, (struct slice) { s.p, (size_t)h.book_n },
		     slice_from(s, (size_t)h.book_n), err);
}

bool engine_snapshot_check(int dir, const char *name, const struct journal_id *journal,
			   uint64_t *seq, struct err *err)
{
	struct head h = { 0 };
	struct slice all;
	struct buf bytes;
	bool ok;

	buf_init(&bytes, SNAPSHOT_BYTES_MAX + ((size_t)1 << 20));
	ok = read_file(dir, name, &bytes, err);
	all = buf_slice(&bytes);
	ok = ok && decode_head(&all, journal, &h, err);
	*seq = h.seq;
	buf_release(&bytes);
	return ok;
}

enum found engine_snapshot_load(struct engine *e, uint64_t seq_max)
{
	int dir = open(e->o.snapshot_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	uint64_t seqs[64];
	size_t n = dir < 0 ? 0 : list(dir, seqs, ARRAY_LEN(seqs));
	enum found found = NOT_FOUND;

	for (size_t i = 0; i < n && found != FOUND; i++) {
		char name[NAME_LEN + 1];
		struct err err = { 0 };
		struct buf bytes;

		if (seqs[i] > seq_max) {
			continue;
		}
		name_of(seqs[i], name);
		buf_init(&bytes, SNAPSHOT_BYTES_MAX + ((size_t)1 << 20));
		if (read_file(dir, name, &bytes, &err) && decode(e, buf_slice(&bytes), &err)) {
			found = FOUND;
		} else {
			log_warn("snapshot_unusable", log_str("file", name),
				 log_str("error", err.text));
		}
		buf_release(&bytes);
	}
	if (dir >= 0) {
		close(dir);
	}
	return found;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The list of what was set aside: text, so that a person can read it, under a checksum, so that no
 * damage can hide damage.
 */
#include "journal/file/damage.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/json_put.h"
#include "base/log.h"

#define HEAD "tocsin quarantine 1\n"
#define LINE_BYTES_MAX 160
#define LIST_BYTES_MAX ((size_t)DAMAGES_MAX * LINE_BYTES_MAX + 64)
#define PATH_BYTES 4096
#define CRC_LINE_BYTES 9 /* eight digits and the end of the line */

void damages_add(struct damages *list, const struct journal_damage *damage)
{
	list->v = mem_resize(list->v, list->n + 1, sizeof(*list->v));
	list->v[list->n++] = *damage;
}

void damages_release(struct damages *list)
{
	free(list->v);
	*list = (struct damages) { 0 };
}

bool damages_have(const struct damages *list, const struct journal_damage *damage)
{
	for (size_t i = 0; i < list->n; i++) {
		const struct journal_damage *d = &list->v[i];

		if (d->epoch == damage->epoch && d->offset == damage->offset &&
		    d->end == damage->end && d->first_seq == damage->first_seq &&
		    d->last_seq == damage->last_seq && d->crc == damage->crc) {
			return true;
		}
	}
	return false;
}

bool damages_in(const struct damages *list, uint64_t epoch)
{
	for (size_t i = 0; i < list->n; i++) {
		if (list->v[i].epoch == epoch) {
			return true;
		}
	}
	return false;
}

static const struct journal_damage *with(const struct damages *list, uint64_t seq)
{
	for (size_t i = 0; i < list->n; i++) {
		if (list->v[i].first_seq <= seq && seq <= list->v[i].last_seq) {
			return &list->v[i];
		}
	}
	return NULL;
}

bool damages_cover(const struct damages *list, uint64_t first_seq, uint64_t last_seq)
{
	while (first_seq <= last_seq) {
		const struct journal_damage *d = with(list, first_seq);

		if (d == NULL) {
			return false;
		}
		first_seq = d->last_seq + 1;
	}
	return true;
}

const struct journal_damage *damages_met(const struct damages *list, uint64_t first_seq,
					 uint64_t last_seq, bool reverse)
{
	const struct journal_damage *met = NULL;

	for (size_t i = 0; i < list->n; i++) {
		const struct journal_damage *d = &list->v[i];
		uint64_t at = reverse ? d->last_seq : d->first_seq;

		if (d->lost == 0 || at < first_seq || at > last_seq) {
			continue;
		}
		if (met == NULL || (reverse ? at > met->last_seq : at < met->first_seq)) {
			met = d;
		}
	}
	return met;
}

void damages_encode(const struct damages *list, struct buf *out)
{
	size_t from = out->n;

	buf_puts(out, S(HEAD));
	for (size_t i = 0; i < list->n; i++) {
		const struct journal_damage *d = &list->v[i];

		buf_printf(out,
			   "%" PRIu64 " %" PRIu64 " %" PRIu64 " %" PRIu64 " %" PRIu64 " %" PRIu32,
			   d->epoch, d->offset, d->end, d->first_seq, d->last_seq, d->crc);
		if (d->lost != journal_damage_span(d)) {
			buf_printf(out, " %" PRIu64, d->lost);
		}
		buf_printf(out, " %s\n", d->file);
	}
	buf_printf(out, "%08" PRIx32 "\n", crc32c(0, out->p + from, out->n - from));
}

static bool decode_line(struct slice line, struct journal_damage *d)
{
	uint64_t numbers[6];
	struct slice part, rest;

	*d = (struct journal_damage) { .known = true };
	for (size_t i = 0; i < ARRAY_LEN(numbers); i++) {
		if (!slice_split(&line, ' ', &part) || !slice_u64(part, &numbers[i])) {
			return false;
		}
	}
	if (line.n == 0 || line.n >= sizeof(d->file) || numbers[5] > UINT32_MAX) {
		return false;
	}
	d->epoch = numbers[0];
	d->offset = numbers[1];
	d->end = numbers[2];
	d->first_seq = numbers[3];
	d->last_seq = numbers[4];
	d->crc = (uint32_t)numbers[5];
	d->lost = journal_damage_span(d);
	rest = line;
	if (slice_split(&rest, ' ', &part) && rest.n > 0) { /* one number more */
		if (!slice_u64(part, &d->lost) || d->lost > journal_damage_span(d)) {
			return false;
		}
		line = rest;
	}
	memcpy(d->file, line.p, line.n);
	return true;
}

bool damages_decode(struct slice text, struct damages *list)
{
	struct journal_damage damage;
	struct slice line;
	char crc[CRC_LINE_BYTES + 1];

	*list = (struct damages) { 0 };
	if (text.n < sizeof(HEAD) - 1 + CRC_LINE_BYTES || !slice_starts(text, S(HEAD))) {
		return false;
	}
	text.n -= CRC_LINE_BYTES;
	snprintf(crc, sizeof(crc), "%08" PRIx32 "\n", crc32c(0, text.p, text.n));
	if (memcmp(text.p + text.n, crc, CRC_LINE_BYTES) != 0) {
		return false;
	}
	text = slice_from(text, sizeof(HEAD) - 1);
	while (slice_split(&text, '\n', &line)) {
		if (line.n == 0 && text.n == 0) {
			break;
		}
		if (list->n == DAMAGES_MAX || !decode_line(line, &damage)) {
			damages_release(list);
			return false;
		}
		damages_add(list, &damage);
	}
	return true;
}

bool damages_read(const struct files *files, const char *dir, struct damages *list, struct err *err)
{
	char path[PATH_BYTES];
	int64_t size;
	char *bytes;
	bool ok;
	int fd;

	*list = (struct damages) { 0 };
	snprintf(path, sizeof(path), "%s/" DAMAGES_NAME, dir);
	fd = files->ops->open(files->arg, path, O_RDONLY);
	if (fd < 0) {
		return fd == -ENOENT || err_errno(err, -fd, "open \"%s\"", path);
	}
	size = files->ops->size(files->arg, fd);
	if (size < 0 || size > (int64_t)LIST_BYTES_MAX) {
		size = 0;
	}
	bytes = mem_alloc((size_t)size + 1, 1);
	ok = files_read(files, fd, bytes, (size_t)size, 0, DAMAGES_NAME, err);
	files->ops->close(files->arg, fd);
	if (ok && !damages_decode((struct slice) { bytes, (size_t)size }, list)) {
		log_warn("journal_quarantine_unreadable", log_str("file", path));
	}
	free(bytes);
	return ok;
}

bool damages_write(const struct files *files, const char *dir, const struct damages *list,
		   struct err *err)
{
	char path[PATH_BYTES], temporary[PATH_BYTES];
	struct buf text;
	bool ok = false;
	int fd, rc;

	buf_init(&text, LIST_BYTES_MAX);
	damages_encode(list, &text);
	snprintf(path, sizeof(path), "%s/" DAMAGES_NAME, dir);
	snprintf(temporary, sizeof(temporary), "%s/" DAMAGES_NAME ".tmp", dir);
	fd = files->ops->open(files->arg, temporary, O_RDWR | O_CREAT | O_TRUNC);
	if (fd < 0) {
		err_errno(err, -fd, "create \"%s\"", temporary);
		goto out;
	}
	ok = files_write(files, fd, text.p, text.n, 0, DAMAGES_NAME, err) &&
	     files_flush(files, fd, DAMAGES_NAME, err);
	files->ops->close(files->arg, fd);
	rc = ok ? files->ops->rename(files->arg, temporary, path) : 0;
	if (ok && rc == 0) {
		rc = files->ops->sync_dir(files->arg, dir);
	}
	if (rc < 0) {
		ok = err_errno(err, -rc, "rename \"%s\"", path);
	}
out:
	buf_release(&text);
	return ok;
}

uint64_t journal_damage_span(const struct journal_damage *d)
{
	return d->last_seq < d->first_seq ? 0 : d->last_seq - d->first_seq + 1;
}

void journal_damage_text(const struct journal_damage *d, char *out, size_t size)
{
	unsigned long long first = d->first_seq, last = d->last_seq, lost = d->lost;
	bool sealed = slice_ends(slice_of(d->file), S(".sealed"));
	int n = snprintf(out, size, "%s \"%s\" is damaged at offset %llu: ",
			 sealed ? "sealed file" : "segment", d->file,
			 (unsigned long long)d->offset);
	char *rest = out + n;

	size -= (size_t)n;
	if (d->mendable) {
		snprintf(rest, size, "nothing is lost, parity gives it back");
	} else if (lost == 0 && d->open_end) {
		snprintf(rest, size, "the last records of the log may be lost");
	} else if (lost == 0) {
		snprintf(rest, size, "no record is lost");
	} else if (lost < journal_damage_span(d)) {
		snprintf(rest, size, "%llu of the records %llu to %llu are lost", lost, first,
			 last);
	} else if (first == last) {
		snprintf(rest, size, "record %llu is lost", first);
	} else {
		snprintf(rest, size, "records %llu to %llu are lost", first, last);
	}
}

void journal_damage_put(const struct journal_damage *d, struct json_w *w)
{
	json_put_str(w, "file", slice_of(d->file));
	json_put_int(w, "offset", (int64_t)d->offset);
	json_put_int(w, "end", (int64_t)d->end);
	json_put_int(w, "recordsLost", (int64_t)d->lost);
	if (d->lost > 0) {
		json_put_int(w, "firstRecord", (int64_t)d->first_seq);
		json_put_int(w, "lastRecord", (int64_t)d->last_seq);
	}
	if (d->org.v != 0) {
		json_put_str(w, "orgId", slice_of(id_format(ID_ORG, d->org.v).p));
		json_put_str(w, "projectId", slice_of(id_format(ID_PROJECT, d->project.v).p));
	}
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How many groups of pages there are is known only at the end, so parity is computed in a second
 * pass over the file, group by group, in the memory of two pages. The pass is also the proof that
 * what was written can be read.
 */
#include "journal/file/sealed_out.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>

#include "journal/file/pack.h"
#include "journal/file/sealed_parity.h"

#define PATH_BYTES 4096
#define FLUSH_BYTES ((uint64_t)4 << 20) /* small enough not to hold up the log's own flushes */

static void path_of(const struct sealed_out *out, const char *name, char path[PATH_BYTES])
{
	snprintf(path, PATH_BYTES, "%s/%s", out->dir, name);
}

bool sealed_out_init(struct sealed_out *out, const struct files *files, const char *dir,
		     uint64_t epoch, size_t page_bytes, struct err *err)
{
	char path[PATH_BYTES];

	*out = (struct sealed_out) { .files = *files, .page_bytes = page_bytes };
	out->dir = strdup(dir);
	ensure(out->dir != NULL);
	out->page = mem_alloc(page_bytes, 1);
	sealed_tmp_name(epoch, out->tmp);
	sealed_name(epoch, out->name);
	path_of(out, out->tmp, path);
	out->fd = files->ops->open(files->arg, path, O_RDWR | O_CREAT | O_TRUNC);
	return out->fd < 0 ? err_errno(err, -out->fd, "create \"%s\"", path) : true;
}

void sealed_out_release(struct sealed_out *out)
{
	char path[PATH_BYTES];

	if (out->fd >= 0) {
		path_of(out, out->tmp, path);
		out->files.ops->close(out->files.arg, out->fd);
		out->files.ops->unlink(out->files.arg, path);
	}
	free(out->dir);
	free(out->page);
	free(out->sums);
	*out = (struct sealed_out) { .fd = -1 };
}

uint64_t sealed_out_at(const struct sealed_out *out)
{
	return SEALED_FOOTER_BYTES + out->content;
}

static void add_sum(struct sealed_out *out, uint32_t sum)
{
	if (out->sums_n == out->sums_cap) {
		out->sums_cap = out->sums_cap == 0 ? 256 : out->sums_cap * 2;
		out->sums = mem_resize(out->sums, out->sums_cap, sizeof(*out->sums));
	}
	out->sums[out->sums_n++] = sum;
}

static bool end_page(struct sealed_out *out, struct err *err)
{
	uint64_t at = sealed_out_at(out) - out->page_n;
	size_t n = out->page_n;

	add_sum(out, crc32c(0, out->page, n));
	out->page_n = 0;
	return files_write(&out->files, out->fd, out->page, n, at, out->tmp, err) &&
	       (out->content % FLUSH_BYTES != 0 ||
		files_flush(&out->files, out->fd, out->tmp, err));
}

bool sealed_out_put(struct sealed_out *out, const void *bytes, size_t n, struct err *err)
{
	const char *p = bytes;

	while (n > 0) {
		size_t part = out->page_bytes - out->page_n;

		part = part < n ? part : n;
		memcpy(out->page + out->page_n, p, part);
		out->page_n += part;
		out->content += part;
		p += part;
		n -= part;
		if (out->page_n == out->page_bytes && !end_page(out, err)) {
			return false;
		}
	}
	return true;
}

/* The parity page with this number: what makes its group zero. */
static bool put_parity(struct sealed_out *out, const struct sealed_layout *layout, uint64_t page,
		       char *sum, struct err *err)
{
	struct sealed_place to = sealed_page(layout, page);

	memset(sum, 0, layout->page_bytes);
	for (uint64_t q = page % layout->groups; q < layout->pages; q += layout->groups) {
		struct sealed_place place = sealed_page(layout, q);
		size_t n = (size_t)place.bytes;

		if (!files_read(&out->files, out->fd, out->page, n, place.offset, out->tmp, err)) {
			return false;
		}
		if (crc32c(0, out->page, n) != out->sums[q]) {
			return err_set(err, ERR_IO, "\"%s\" reads differently at %llu", out->tmp,
				       (unsigned long long)place.offset);
		}
		sealed_xor(sum, out->page, n);
	}
	add_sum(out, crc32c(0, sum, (size_t)to.bytes));
	return files_write(&out->files, out->fd, sum, (size_t)to.bytes, to.offset, out->tmp, err);
}

static bool put_tables(struct sealed_out *out, const struct sealed_layout *layout, uint32_t *sum,
		       struct err *err)
{
	size_t n = (size_t)layout->table_bytes;

	ensure(out->sums_n == layout->pages + layout->groups);
	for (size_t i = 0; i < out->sums_n; i++) {
		le_put32(&out->sums[i], out->sums[i]);
	}
	*sum = crc32c(0, out->sums, n);
	return files_write(&out->files, out->fd, out->sums, n, layout->tables[0], out->tmp, err) &&
	       files_write(&out->files, out->fd, out->sums, n, layout->tables[1], out->tmp, err);
}

static bool put_footers(struct sealed_out *out, const struct sealed_footer *footer, struct err *err)
{
	char bytes[SEALED_FOOTER_BYTES];

	sealed_footer_encode(footer, bytes);
	return files_write(&out->files, out->fd, bytes, sizeof(bytes),
			   footer->info.file_bytes - sizeof(bytes), out->tmp, err) &&
	       files_write(&out->files, out->fd, bytes, sizeof(bytes), 0, out->tmp, err);
}

static bool give_name(struct sealed_out *out, struct err *err)
{
	char from[PATH_BYTES], to[PATH_BYTES];
	int rc;

	path_of(out, out->tmp, from);
	path_of(out, out->name, to);
	rc = out->files.ops->rename(out->files.arg, from, to);
	if (rc < 0) {
		return err_errno(err, -rc, "rename \"%s\"", out->tmp);
	}
	out->files.ops->close(out->files.arg, out->fd);
	out->fd = -1;
	rc = out->files.ops->sync_dir(out->files.arg, out->dir);
	return rc < 0 ? err_errno(err, -rc, "flush directory \"%s\"", out->dir) : true;
}

bool sealed_out_commit(struct sealed_out *out, struct sealed_footer *footer, struct err *err)
{
	struct sealed_layout layout;
	char *sum;
	bool ok = out->page_n == 0 || end_page(out, err);

	if (!ok) {
		return false;
	}
	sealed_layout_init(&layout, out->content, out->page_bytes);
	footer->content_bytes = layout.content_bytes;
	footer->page_bytes = (uint32_t)layout.page_bytes;
	footer->info.file_bytes = layout.file_bytes;
	sum = mem_alloc(layout.page_bytes, 1);
	for (uint64_t g = 0; ok && g < layout.groups; g++) {
		ok = put_parity(out, &layout, layout.pages + g, sum, err);
	}
	free(sum);
	return ok && put_tables(out, &layout, &footer->table_sum, err) &&
	       put_footers(out, footer, err) && files_flush(&out->files, out->fd, out->tmp, err) &&
	       give_name(out, err);
}

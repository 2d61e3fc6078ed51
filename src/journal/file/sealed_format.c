/* SPDX-License-Identifier: Apache-2.0 */
/* The fixed parts of a sealed file, one line per field, as doc/journal-format.md has them. */
#include "journal/file/sealed_format.h"

#include <stdio.h>
#include <zstd.h>

#include "base/hex.h"
#include "journal/file/pack.h"

#define MAGIC "tocsin\nZ"
#define VERSION 1
#define FRAME_LEVEL 4
#define CONTENT_BYTES_MAX (UINT64_C(1) << 40)
#define SUM_BYTES 4 /* of a page, in the table */

void sealed_name(uint64_t epoch, char out[SEALED_NAME_BYTES])
{
	snprintf(out, SEALED_NAME_BYTES, "%016llx.sealed", (unsigned long long)epoch);
}

void sealed_tmp_name(uint64_t epoch, char out[SEALED_NAME_BYTES])
{
	snprintf(out, SEALED_NAME_BYTES, "%016llx.tmp", (unsigned long long)epoch);
}

bool sealed_epoch(const char *name, uint64_t *epoch)
{
	struct slice s = slice_of(name);
	unsigned char bytes[8];

	if (s.n != SEALED_NAME_BYTES - 1 || !slice_ends(s, S(".sealed")) ||
	    !hex_decode((struct slice) { .p = name, .n = 16 }, bytes, sizeof(bytes))) {
		return false;
	}
	*epoch = 0;
	for (size_t i = 0; i < sizeof(bytes); i++) {
		*epoch = *epoch << 8 | bytes[i];
	}
	return true;
}

static void put_place(char *p, const struct sealed_place *place)
{
	le_put64(p, place->offset);
	le_put64(p + 8, place->bytes);
}

static struct sealed_place get_place(const char *p)
{
	return (struct sealed_place) { le_get64(p), le_get64(p + 8) };
}

void sealed_footer_encode(const struct sealed_footer *footer, char out[SEALED_FOOTER_BYTES])
{
	const struct sealed_info *info = &footer->info;

	memset(out, 0, SEALED_FOOTER_BYTES);
	memcpy(out, MAGIC, 8);
	le_put32(out + 8, VERSION);
	memcpy(out + 16, info->id.v, 16);
	le_put64(out + 32, info->epoch);
	le_put64(out + 40, (uint64_t)info->created_at_us);
	le_put64(out + 48, info->first_seq);
	le_put64(out + 56, info->last_seq);
	le_put64(out + 64, info->records);
	le_put64(out + 72, (uint64_t)info->first_us);
	le_put64(out + 80, (uint64_t)info->last_us);
	le_put64(out + 88, info->raw_bytes);
	le_put64(out + 96, info->body_bytes);
	le_put64(out + 104, info->blocks);
	le_put64(out + 112, info->projects);
	le_put64(out + 120, info->keys);
	le_put64(out + 128, info->file_bytes);
	le_put64(out + 136, footer->content_bytes);
	le_put32(out + 144, footer->page_bytes);
	le_put32(out + 148, footer->table_sum);
	put_place(out + 152, &footer->map);
	put_place(out + 168, &footer->keys);
	put_place(out + 184, &footer->filter);
	put_place(out + 200, &footer->index);
	le_put32(out + 12, crc32c(0, out + 16, SEALED_FOOTER_BYTES - 16));
}

static bool inside(const struct sealed_footer *footer, const struct sealed_place *place)
{
	return place->offset >= SEALED_FOOTER_BYTES &&
	       place->offset - SEALED_FOOTER_BYTES <= footer->content_bytes &&
	       place->bytes <= footer->content_bytes - (place->offset - SEALED_FOOTER_BYTES);
}

static bool sound(const struct sealed_footer *footer)
{
	struct sealed_layout layout;
	size_t page = footer->page_bytes;

	if (page < SEALED_PAGE_BYTES_MIN || page > SEALED_PAGE_BYTES || (page & (page - 1)) != 0 ||
	    footer->content_bytes == 0 || footer->content_bytes > CONTENT_BYTES_MAX) {
		return false;
	}
	sealed_layout_init(&layout, footer->content_bytes, page);
	return layout.file_bytes == footer->info.file_bytes && inside(footer, &footer->map) &&
	       inside(footer, &footer->keys) && inside(footer, &footer->filter) &&
	       inside(footer, &footer->index) && footer->info.first_seq > 0 &&
	       footer->info.last_seq >> 62 == 0 &&
	       footer->info.first_seq <= footer->info.last_seq + 1;
}

bool sealed_footer_decode(const char *p, struct sealed_footer *footer)
{
	struct sealed_info *info = &footer->info;

	if (memcmp(p, MAGIC, 8) != 0 || le_get32(p + 8) != VERSION ||
	    le_get32(p + 12) != crc32c(0, p + 16, SEALED_FOOTER_BYTES - 16)) {
		return false;
	}
	memcpy(info->id.v, p + 16, 16);
	info->epoch = le_get64(p + 32);
	info->created_at_us = (int64_t)le_get64(p + 40);
	info->first_seq = le_get64(p + 48);
	info->last_seq = le_get64(p + 56);
	info->records = le_get64(p + 64);
	info->first_us = (int64_t)le_get64(p + 72);
	info->last_us = (int64_t)le_get64(p + 80);
	info->raw_bytes = le_get64(p + 88);
	info->body_bytes = le_get64(p + 96);
	info->blocks = le_get64(p + 104);
	info->projects = le_get64(p + 112);
	info->keys = le_get64(p + 120);
	info->file_bytes = le_get64(p + 128);
	footer->content_bytes = le_get64(p + 136);
	footer->page_bytes = le_get32(p + 144);
	footer->table_sum = le_get32(p + 148);
	footer->map = get_place(p + 152);
	footer->keys = get_place(p + 168);
	footer->filter = get_place(p + 184);
	footer->index = get_place(p + 200);
	return sound(footer);
}

void sealed_layout_init(struct sealed_layout *layout, uint64_t content_bytes, size_t page_bytes)
{
	uint64_t pages = (content_bytes + page_bytes - 1) / page_bytes;
	uint64_t groups = (pages + SEALED_GROUP_PAGES - 1) / SEALED_GROUP_PAGES;

	*layout = (struct sealed_layout) {
		.content_bytes = content_bytes,
		.pages = pages,
		.groups = groups,
		.page_bytes = page_bytes,
		.parity_bytes = pages == 1 ? (size_t)content_bytes : page_bytes,
		.table_bytes = (pages + groups) * SUM_BYTES,
	};
	layout->tables[0] = SEALED_FOOTER_BYTES + content_bytes;
	layout->parity = layout->tables[0] + layout->table_bytes;
	layout->tables[1] = layout->parity + groups * layout->parity_bytes;
	layout->file_bytes = layout->tables[1] + layout->table_bytes + SEALED_FOOTER_BYTES;
}

struct sealed_place sealed_page(const struct sealed_layout *layout, uint64_t page)
{
	struct sealed_place place = { .bytes = layout->page_bytes };

	if (page >= layout->pages) {
		place.offset = layout->parity + (page - layout->pages) * layout->parity_bytes;
		place.bytes = layout->parity_bytes;
		return place;
	}
	place.offset = SEALED_FOOTER_BYTES + page * layout->page_bytes;
	if (page == layout->pages - 1) {
		place.bytes = layout->content_bytes - page * layout->page_bytes;
	}
	return place;
}

static uint32_t frame_sum(const char *p, size_t n, uint64_t at)
{
	char number[8];

	le_put64(number, at);
	return crc32c(crc32c(0, number, sizeof(number)), p + 4, n - 4);
}

void sealed_frame_put(struct buf *out, struct slice raw, uint64_t at)
{
	size_t start = out->n;
	size_t bound = ZSTD_compressBound(raw.n);
	char *p = buf_room(out, SEALED_FRAME_BYTES + bound);
	size_t n;

	ensure(p != NULL);
	n = ZSTD_compress(p + SEALED_FRAME_BYTES, bound, raw.p, raw.n, FRAME_LEVEL);
	ensure(!ZSTD_isError(n));
	out->n = start + SEALED_FRAME_BYTES + n;
	le_put32(p + 4, (uint32_t)n);
	le_put64(p + 8, raw.n);
	le_put32(p, frame_sum(p, SEALED_FRAME_BYTES + n, at));
}

bool sealed_frame_intact(const char *p, size_t n, uint64_t at, size_t raw_max, size_t *raw_n)
{
	if (n < SEALED_FRAME_BYTES || le_get32(p + 4) != n - SEALED_FRAME_BYTES ||
	    le_get32(p) != frame_sum(p, n, at) || le_get64(p + 8) > raw_max) {
		return false;
	}
	*raw_n = (size_t)le_get64(p + 8);
	return true;
}

bool sealed_frame_unpack(const char *p, size_t n, char *out, size_t raw_n)
{
	return ZSTD_decompress(out, raw_n, p + SEALED_FRAME_BYTES, n - SEALED_FRAME_BYTES) == raw_n;
}

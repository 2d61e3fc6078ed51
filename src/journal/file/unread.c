/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Marks of lost sectors. The journal's id and the place are in them, so that no sender of an event
 * can write one.
 */
#include "journal/file/unread.h"

#include "journal/file/pack.h"

#define REST 0xee /* never zero, and no length of a record: those are multiples of 8 */

static const char magic[8] = "unread\nS";

static void encode(const struct unread_place *place, uint64_t offset, char out[UNREAD_MARK_BYTES])
{
	memset(out, 0, UNREAD_MARK_BYTES);
	memcpy(out, magic, sizeof(magic));
	memcpy(out + 8, place->id.v, sizeof(place->id.v));
	le_put64(out + 24, place->epoch);
	le_put64(out + 32, offset);
	le_put32(out + 40, crc32c(0, out, 40));
	memset(out + 44, REST, UNREAD_MARK_BYTES - 44);
}

void unread_fill(const struct unread_place *place, uint64_t offset, char *p, size_t n)
{
	while (n > 0) {
		size_t skip = (size_t)(offset % UNREAD_SECTOR_BYTES);
		size_t part = UNREAD_SECTOR_BYTES - skip;
		char sector[UNREAD_SECTOR_BYTES];

		part = part < n ? part : n;
		memset(sector, REST, sizeof(sector));
		encode(place, offset - skip, sector);
		memcpy(p, sector + skip, part);
		p += part;
		n -= part;
		offset += part;
	}
}

bool unread_is(const struct unread_place *place, uint64_t offset, const char *p)
{
	char mark[UNREAD_MARK_BYTES];

	encode(place, offset, mark);
	return memcmp(p, mark, sizeof(mark)) == 0;
}

bool unread_may_be(uint64_t word)
{
	return memcmp(&word, magic, sizeof(word)) == 0;
}

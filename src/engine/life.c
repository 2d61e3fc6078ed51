/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One block of 128 bytes with a checksum, overwritten in place: the file has its room from the
 * start, so that a full disk does not blind us.
 */
#include "engine/life.h"

#include <fcntl.h>
#include <unistd.h>

#include "base/hash.h"

#define MAGIC "TOCLIFE1"

struct block {
	char magic[8];
	unsigned char journal[16];
	struct life life;
	unsigned char unused[52];
	uint32_t crc; /* of all before it */
};
_Static_assert(sizeof(struct block) == 128, "a block without holes");

/*
 * The record that the last life ended at, when it was watching. The exit that made it watch counts
 * as one at the same record: nobody expected that one.
 */
static void note_at(struct life *now, const struct life *last)
{
	now->blind = last->at == 0;
	if (last->at == 0 || (last->committing != 0 && last->careful < last->at)) {
		return; /* a commit of many, if any */
	}
	now->at_exits = last->at == last->last_at ? last->at_exits + 1 : 1U + last->blind;
	now->last_at = last->at;
}

uint64_t life_begin(struct life *life, uint64_t cursor)
{
	struct life last = *life, now = { .cursor = cursor, .pending = last.pending };

	*life = now;
	if (last.clean != 0) {
		return 0;
	}
	now.exits = last.cursor == cursor ? last.exits + 1 : 1;
	now.last_at = last.last_at;
	now.at_exits = last.at_exits;
	now.careful = last.careful;
	note_at(&now, &last);
	if (now.last_at <= cursor) {
		now.last_at = now.at_exits = 0;
	}
	if (now.careful <= cursor) {
		now.careful = 0;
	}
	if (now.last_at > 0 && now.at_exits >= LIFE_EXITS) {
		*life = now;
		return now.last_at;
	}
	if (last.at > cursor && now.careful >= last.at && last.refused != 0) {
		now.last_at = last.at;
		now.at_exits = LIFE_EXITS;
		*life = now;
		return last.at;
	}
	if (last.at > cursor && last.committing != 0 && now.exits >= LIFE_EXITS) {
		now.careful = last.at;
	}
	*life = now;
	return 0;
}

static void fill(struct block *b, const struct journal_id *journal, const struct life *life)
{
	*b = (struct block) { .life = *life };
	memcpy(b->magic, MAGIC, sizeof(b->magic));
	memcpy(b->journal, journal->v, sizeof(b->journal));
	b->crc = crc32c(0, b, offsetof(struct block, crc));
}

enum found life_read(const char *path, const struct journal_id *journal, struct life *life)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct block have, want;
	ssize_t n = -1;

	*life = (struct life) { .clean = 1 };
	if (fd >= 0) {
		n = read(fd, &have, sizeof(have));
		close(fd);
	}
	if (n != (ssize_t)sizeof(have)) {
		return NOT_FOUND;
	}
	fill(&want, journal, &have.life);
	if (memcmp(&have, &want, sizeof(have)) != 0) {
		return NOT_FOUND;
	}
	*life = have.life;
	return FOUND;
}

int life_open(const char *path)
{
	return open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
}

bool life_write(int fd, const struct journal_id *journal, const struct life *life)
{
	struct block b;

	fill(&b, journal, life);
	return fd >= 0 && pwrite(fd, &b, sizeof(b), 0) == (ssize_t)sizeof(b);
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The mark is found by its bytes alone, so that any form of message will do that holds the payload.
 */
#include "cmd/bench/track.h"

#include <stdio.h>
#include <stdlib.h>

#define ROOM_AT_FIRST ((uint64_t)1024)

void track_init(struct track *t, uint64_t run)
{
	*t = (struct track) { 0 };
	snprintf(t->mark, sizeof(t->mark), "tocsin-bench-%016llx-", (unsigned long long)run);
	hist_init(&t->from_due_us);
	hist_init(&t->from_sent_us);
}

void track_release(struct track *t)
{
	free(t->due_us);
	free(t->sent_us);
	free(t->seen);
	*t = (struct track) { 0 };
}

void track_add(struct track *t, int64_t due_us, int64_t sent_us, struct buf *out)
{
	ensure(t->n < TRACK_EVENTS_MAX);
	if (t->n == t->room) {
		t->room = t->room == 0 ? ROOM_AT_FIRST : t->room * 2;
		t->due_us = mem_resize(t->due_us, t->room, sizeof(*t->due_us));
		t->sent_us = mem_resize(t->sent_us, t->room, sizeof(*t->sent_us));
		t->seen = mem_resize(t->seen, t->room, sizeof(*t->seen));
	}
	t->due_us[t->n] = due_us;
	t->sent_us[t->n] = sent_us;
	t->seen[t->n] = false;
	buf_printf(out, "%s%0*llu", t->mark, TRACK_DIGITS, (unsigned long long)t->n);
	t->n++;
}

static bool read_number(const struct track *t, struct slice message, uint64_t *n)
{
	size_t mark_n = strlen(t->mark);
	const char *at = message.n == 0 ? NULL : memmem(message.p, message.n, t->mark, mark_n);

	if (at == NULL || message.n - (size_t)(at - message.p) < mark_n + TRACK_DIGITS) {
		return false;
	}
	return slice_u64((struct slice) { at + mark_n, TRACK_DIGITS }, n) && *n < t->n;
}

void track_receive(struct track *t, struct slice message, int64_t at_us)
{
	uint64_t n;

	if (!read_number(t, message, &n)) {
		t->unknown++;
		return;
	}
	if (t->seen[n]) {
		t->repeated++;
		return;
	}
	t->seen[n] = true;
	t->received++;
	hist_add(&t->from_due_us, at_us > t->due_us[n] ? (uint64_t)(at_us - t->due_us[n]) : 0);
	hist_add(&t->from_sent_us, at_us > t->sent_us[n] ? (uint64_t)(at_us - t->sent_us[n]) : 0);
}

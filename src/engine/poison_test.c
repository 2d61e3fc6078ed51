/* SPDX-License-Identifier: Apache-2.0 */
/* The list of what is left out, as memory, state and log have it. */
#include "engine/poison.h"

#include "base/clock.h"
#include "engine/control.h"
#include "journal/bed_test.h"
#include "test/t.h"

TEST(what_is_left_out_is_known_by_number)
{
	static struct poison p;

	T_FALSE(poison_has(&p, 5));
	T_TRUE(poison_add(&p, 5, 50));
	T_TRUE(poison_add(&p, 9, 51));
	T_TRUE(poison_add(&p, 7, 52));
	T_TRUE(poison_add(&p, 7, 60));
	T_INT(p.n, 3);
	for (uint64_t seq = 0; seq < 12; seq++) {
		T_INT(poison_has(&p, seq), seq == 5 || seq == 7 || seq == 9);
	}
	T_INT(p.items[1].by, 52);
}

TEST(there_are_not_too_many)
{
	static struct poison p;

	for (uint64_t seq = 1; seq <= POISON_MAX; seq++) {
		T_TRUE(poison_add(&p, seq * 2, seq * 3));
	}
	T_FALSE(poison_add(&p, 3, 9));
	T_TRUE(poison_add(&p, 4, 6));
}

TEST(the_state_keeps_it_as_text)
{
	static struct poison p, again;
	struct buf out;
	struct err err;

	for (uint64_t i = 0; i < POISON_MAX; i++) {
		T_TRUE(poison_add(&p, UINT64_C(1) << 60 | i, UINT64_C(1) << 61 | i));
	}
	buf_init(&out, (size_t)64 << 10);
	poison_write(&p, &out);
	T_FALSE(out.overflow);
	T_OK(poison_read(buf_slice(&out), &again, &err));
	T_TRUE(memcmp(&p, &again, sizeof(p)) == 0);
	T_OK(poison_read(S("17:90,3:95"), &again, &err));
	T_INT(again.items[0].seq, 3);
	T_OK(poison_read(S(""), &again, &err));
	T_INT(again.n, 0);
	T_FAIL(poison_read(S("17"), &again, &err), ERR_CORRUPT);
	T_FAIL(poison_read(S("17:"), &again, &err), ERR_CORRUPT);
	T_FAIL(poison_read(S("x:1"), &again, &err), ERR_CORRUPT);
	buf_release(&out);
}

TEST(the_log_says_it_and_tells_the_project)
{
	static struct poison p;
	struct bed bed;
	struct arena arena;
	struct record record;
	struct control control;
	struct err err;
	uint64_t seq, by;

	arena_init(&arena, 0);
	bed_init(&bed, JOURNAL_FLUSH_INLINE);
	bed_open(&bed);
	seq = bed_put(&bed, 7, NULL, "{\"type\":\"order_failed\"}").seq;
	T_OK(poison_append(bed.journal, seq, 4, 1, clock_mono_us(), &by, &err));
	T_INT(by, seq + 1);
	T_INT(journal_flushed(bed.journal), seq + 2);
	T_INT(journal_read(bed.journal, by, &arena, &record, &err), FOUND);
	T_INT(record.kind, RECORD_CONTROL);
	T_OK(control_decode(record.body, &arena, &control, &err));
	T_INT(control.op, CONTROL_RECORD_QUARANTINE);
	T_INT(control.record, seq);
	T_INT(control.exits, 4);
	T_INT(journal_read(bed.journal, by + 1, &arena, &record, &err), FOUND);
	T_INT(record.kind, RECORD_EVENT);
	T_SLICE(record.type, "tocsin.record_quarantined");
	T_INT(record.org.v, 7);
	T_OK(poison_scan(bed.journal, 0, &p, &err));
	T_INT(p.n, 1);
	T_INT(p.items[0].seq, seq);
	T_INT(p.items[0].by, by);
	p.n = 0;
	T_OK(poison_scan(bed.journal, by, &p, &err));
	T_INT(p.n, 0);
	arena_release(&arena);
	bed_release(&bed);
}

T_MAIN(T(what_is_left_out_is_known_by_number), T(there_are_not_too_many),
       T(the_state_keeps_it_as_text), T(the_log_says_it_and_tells_the_project))

/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/bench/track.h"

#include "test/t.h"

static struct track t;

static struct slice event(struct buf *out, int64_t due_us, int64_t sent_us)
{
	buf_cut(out, 0);
	buf_puts(out, S("{\"payload\":{\"mark\":\""));
	track_add(&t, due_us, sent_us, out);
	buf_puts(out, S("\"}}"));
	return buf_slice(out);
}

TEST(a_receipt_counts_from_the_plan_and_from_the_sending)
{
	struct buf out;
	struct slice first;

	track_init(&t, 7);
	buf_init(&out, 4096);
	first = event(&out, 1000, 1600);
	track_receive(&t, first, 1900);
	T_INT(t.received, 1);
	T_INT(hist_at(&t.from_due_us, 1.0), 900);
	T_INT(hist_at(&t.from_sent_us, 1.0), 300);
	track_receive(&t, first, 2000);
	T_INT(t.received, 1);
	T_INT(t.repeated, 1);
	buf_release(&out);
	track_release(&t);
}

TEST(what_is_not_ours_is_counted_apart)
{
	struct buf out;
	struct slice message;

	track_init(&t, 8);
	buf_init(&out, 4096);
	message = event(&out, 1, 1);
	track_receive(&t, S(""), 5);
	track_receive(&t, S("{\"type\":\"something else\"}"), 5);
	/* Of another load, cut off, and with a number that was never given. */
	track_receive(&t, S("tocsin-bench-0000000000000007-000000000000"), 5);
	track_receive(&t, (struct slice) { message.p, message.n - 5 }, 5);
	track_receive(&t, S("tocsin-bench-0000000000000008-000000000001"), 5);
	T_INT(t.unknown, 5);
	T_INT(t.received, 0);
	buf_release(&out);
	track_release(&t);
}

TEST(many_events_keep_their_times)
{
	struct buf out;

	track_init(&t, 9);
	buf_init(&out, (size_t)1 << 20);
	for (int64_t i = 0; i < 5000; i++) {
		(void)event(&out, i * 10, i * 10 + 1);
	}
	T_INT(t.n, 5000);
	T_INT(t.due_us[4321], 43210);
	T_INT(t.sent_us[1024], 10241);
	track_receive(&t, S("tocsin-bench-0000000000000009-000000004999"), 49990 + 77);
	T_INT(hist_at(&t.from_due_us, 0.5), 77);
	buf_release(&out);
	track_release(&t);
}

T_MAIN(T(a_receipt_counts_from_the_plan_and_from_the_sending), T(what_is_not_ours_is_counted_apart),
       T(many_events_keep_their_times))

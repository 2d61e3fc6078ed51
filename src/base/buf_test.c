/* SPDX-License-Identifier: Apache-2.0 */
/* A buffer takes exactly its limit, and what does not fit leaves no trace but the flag. */
#include "base/buf.h"

#include "test/t.h"

TEST(every_writer_stops_at_the_limit)
{
	for (size_t max = 0; max < 600; max += max < 20 ? 1 : 83) {
		struct buf b;

		buf_init(&b, max);
		for (size_t i = 0; i < max; i++) {
			T_FALSE(b.overflow);
			switch (i % 3) {
			case 0:
				buf_putc(&b, 'x');
				break;
			case 1:
				buf_puts(&b, S("x"));
				break;
			default:
				buf_printf(&b, "%c", 'x');
			}
		}
		T_INT(b.n, max);
		T_FALSE(b.overflow);
		buf_printf(&b, "%d", 1);
		T_TRUE(b.overflow);
		T_INT(b.n, max);
		buf_release(&b);
	}
}

TEST(overflow_sticks_until_it_is_cut)
{
	struct buf b;

	buf_init(&b, 4);
	buf_puts(&b, S("abc"));
	buf_puts(&b, S("de"));
	T_TRUE(b.overflow);
	buf_putc(&b, 'd');
	T_SLICE(buf_slice(&b), "abc");
	T_TRUE(buf_room(&b, 0) == NULL);
	buf_cut(&b, 1);
	T_FALSE(b.overflow);
	buf_puts(&b, S("bcd"));
	T_SLICE(buf_slice(&b), "abcd");
	buf_clear(&b);
	T_INT(b.n, 0);
	buf_puts(&b, S("abcd"));
	T_FALSE(b.overflow);
	buf_release(&b);
}

TEST(shifting_drops_the_front)
{
	struct buf b;

	buf_init(&b, 100);
	buf_puts(&b, S("hello"));
	buf_shift(&b, 2);
	T_SLICE(buf_slice(&b), "llo");
	buf_shift(&b, 3);
	T_INT(b.n, 0);
	buf_shift(&b, 0);
	buf_release(&b);
}

TEST(large_writes_grow_it_at_once)
{
	static char block[100000];
	struct buf b;
	char *room;

	memset(block, 'y', sizeof(block));
	buf_init(&b, 1 << 20);
	buf_put(&b, block, sizeof(block));
	buf_printf(&b, "%.*s", 5000, block);
	T_INT(b.n, sizeof(block) + 5000);
	T_TRUE(b.p[b.n - 1] == 'y');
	room = buf_room(&b, 300000);
	memset(room, 'z', 300000);
	b.n += 300000;
	T_FALSE(b.overflow);
	T_TRUE(buf_room(&b, (1 << 20) - b.n + 1) == NULL);
	buf_release(&b);
}

T_MAIN(T(every_writer_stops_at_the_limit), T(overflow_sticks_until_it_is_cut),
       T(shifting_drops_the_front), T(large_writes_grow_it_at_once))

/* SPDX-License-Identifier: Apache-2.0 */
/* What was set aside is read back exactly, and nothing that is damaged itself is believed. */
#include "journal/file/damage.h"

#include "test/t.h"

static const struct journal_damage one = { .file = "0000000000000003.seg",
					   .epoch = 3,
					   .offset = 4160,
					   .end = 4512,
					   .first_seq = 17,
					   .last_seq = 17,
					   .crc = 0xfedcba98 };

static void write_two(struct buf *out)
{
	struct damages list = { 0 };
	struct journal_damage other = one;

	other.epoch = UINT64_MAX;
	other.last_seq = 16;
	damages_add(&list, &one);
	damages_add(&list, &other);
	buf_init(out, 4096);
	damages_encode(&list, out);
	damages_release(&list);
}

TEST(the_list_reads_back_as_it_was)
{
	struct damages list;
	struct journal_damage other = one;
	struct buf text;

	write_two(&text);
	T_TRUE(damages_decode(buf_slice(&text), &list));
	T_INT(list.n, 2);
	T_TRUE(damages_have(&list, &one));
	T_STR(list.v[0].file, one.file);
	T_TRUE(list.v[0].known);
	T_TRUE(damages_in(&list, 3) && damages_in(&list, UINT64_MAX) && !damages_in(&list, 4));
	other.crc++;
	T_FALSE(damages_have(&list, &other));
	other = one;
	other.end++;
	T_FALSE(damages_have(&list, &other));
	damages_release(&list);
	buf_release(&text);
}

TEST(a_list_with_a_wrong_bit_anywhere_is_no_list)
{
	struct damages list;
	struct buf text;

	write_two(&text);
	for (size_t bit = 0; bit < text.n * 8; bit++) {
		text.p[bit / 8] ^= (char)(1 << bit % 8);
		T_FALSE(damages_decode(buf_slice(&text), &list));
		T_TRUE(list.v == NULL && list.n == 0);
		text.p[bit / 8] ^= (char)(1 << bit % 8);
	}
	for (size_t n = 0; n < text.n; n++) {
		T_FALSE(damages_decode((struct slice) { text.p, n }, &list));
	}
	buf_release(&text);
}

TEST(texts_say_what_is_lost)
{
	struct journal_damage damage = one;
	char text[160];

	journal_damage_text(&damage, text, sizeof(text));
	T_STR(text,
	      "segment \"0000000000000003.seg\" is damaged at offset 4160: record 17 is lost");
	damage.last_seq = 19;
	journal_damage_text(&damage, text, sizeof(text));
	T_TRUE(strstr(text, ": records 17 to 19 are lost") != NULL);
	damage.last_seq = 16;
	journal_damage_text(&damage, text, sizeof(text));
	T_TRUE(strstr(text, ": no record is lost") != NULL);
}

T_MAIN(T(the_list_reads_back_as_it_was), T(a_list_with_a_wrong_bit_anywhere_is_no_list),
       T(texts_say_what_is_lost))

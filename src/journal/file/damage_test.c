/* SPDX-License-Identifier: Apache-2.0 */
/* What was set aside is read back exactly, and nothing that is damaged itself is believed. */
#include "journal/file/damage.h"

#include <stdio.h>

#include "test/t.h"

static const struct journal_damage one = { .file = "0000000000000003.seg",
					   .epoch = 3,
					   .offset = 4160,
					   .end = 4512,
					   .first_seq = 17,
					   .last_seq = 17,
					   .lost = 1,
					   .crc = 0xfedcba98 };

static void write_three(struct buf *out)
{
	struct damages list = { 0 };
	struct journal_damage other = one;

	damages_add(&list, &one);
	other.epoch = UINT64_MAX;
	other.last_seq = 16;
	other.lost = 0;
	damages_add(&list, &other);
	other = one;
	other.last_seq = 99; /* of a sealed file, where others are in between */
	other.lost = 40;
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

	write_three(&text);
	T_TRUE(damages_decode(buf_slice(&text), &list));
	T_INT(list.n, 3);
	T_TRUE(damages_have(&list, &one));
	T_STR(list.v[0].file, one.file);
	T_STR(list.v[2].file, one.file);
	T_TRUE(list.v[0].lost == 1 && list.v[1].lost == 0 && list.v[2].lost == 40);
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

	write_three(&text);
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
	damage.lost = 3;
	journal_damage_text(&damage, text, sizeof(text));
	T_TRUE(strstr(text, ": records 17 to 19 are lost") != NULL);
	damage.lost = 2;
	journal_damage_text(&damage, text, sizeof(text));
	T_TRUE(strstr(text, ": 2 of the records 17 to 19 are lost") != NULL);
	damage.last_seq = 16;
	damage.lost = 0;
	journal_damage_text(&damage, text, sizeof(text));
	T_TRUE(strstr(text, ": no record is lost") != NULL);
	damage.mendable = true;
	snprintf(damage.file, sizeof(damage.file), "0000000000000003.sealed");
	journal_damage_text(&damage, text, sizeof(text));
	T_STR(text, "sealed file \"0000000000000003.sealed\" is damaged at offset 4160: nothing is "
		    "lost, parity gives it back");
}

TEST(a_walk_meets_what_begins_on_its_way)
{
	struct damages list = { 0 };
	struct journal_damage damage = one;

	damages_add(&list, &damage); /* 17 */
	damage.first_seq = 30;
	damage.last_seq = 40;
	damages_add(&list, &damage);
	damage.first_seq = 20;
	damage.last_seq = 35;
	damages_add(&list, &damage);
	T_TRUE(damages_cover(&list, 17, 17) && damages_cover(&list, 21, 40));
	T_TRUE(damages_cover(&list, 50, 49)); /* nothing */
	T_FALSE(damages_cover(&list, 17, 20) || damages_cover(&list, 40, 41));
	T_TRUE(damages_met(&list, 1, 16, false) == NULL);
	T_INT(damages_met(&list, 1, 99, false)->first_seq, 17);
	T_INT(damages_met(&list, 18, 99, false)->first_seq, 20);
	T_INT(damages_met(&list, 1, 99, true)->last_seq, 40);
	T_INT(damages_met(&list, 1, 39, true)->last_seq, 35);
	T_TRUE(damages_met(&list, 36, 39, true) == NULL);
	damages_release(&list);
}

T_MAIN(T(the_list_reads_back_as_it_was), T(a_list_with_a_wrong_bit_anywhere_is_no_list),
       T(texts_say_what_is_lost), T(a_walk_meets_what_begins_on_its_way))

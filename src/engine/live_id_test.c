/* SPDX-License-Identifier: Apache-2.0 */
/* Stream ids say everything to us and nothing to anybody else. */
#include "engine/live.h"
#include "test/t.h"

static const struct hash_key cipher = { { 1, 2 } }, another = { { 1, 3 } };
static const struct org_id org = { 7 }, other = { 8 };

static struct slice text_of(const struct id_text *id)
{
	return slice_of(id->p);
}

TEST(a_position_comes_back_as_it_was)
{
	static const uint64_t numbers[] = { 0, 1, 255, 1u << 20, INT64_MAX, UINT64_MAX };

	for (size_t i = 0; i < ARRAY_LEN(numbers); i++) {
		for (size_t k = 0; k < ARRAY_LEN(numbers); k++) {
			struct live_position in = { numbers[i], numbers[k] }, out;
			struct id_text id = live_id_format(&cipher, org, in);

			T_INT(text_of(&id).n, 26);
			T_TRUE(live_id_parse(&cipher, org, text_of(&id), &out));
			T_TRUE(out.seq == in.seq && out.change == in.change);
		}
	}
}

/* It parses, because any text does, but to a place that no log reaches: see live_join. */
TEST(the_id_of_another_org_or_log_leads_nowhere)
{
	for (uint64_t n = 0; n < 1000; n++) {
		struct live_position in = { n, n / 2 }, out;
		struct id_text id = live_id_format(&cipher, org, in);

		T_TRUE(live_id_parse(&cipher, other, text_of(&id), &out));
		T_TRUE(out.seq > 1000000 || out.change > 1000000);
		T_TRUE(live_id_parse(&another, org, text_of(&id), &out));
		T_TRUE(out.seq > 1000000 || out.change > 1000000);
	}
}

TEST(neighbours_look_like_strangers)
{
	struct id_text a = live_id_format(&cipher, org, (struct live_position) { 1000, 50 });
	struct id_text b = live_id_format(&cipher, org, (struct live_position) { 1001, 50 });
	size_t same = 0;

	for (size_t i = 0; i < 26; i++) {
		same += a.p[i] == b.p[i];
	}
	T_TRUE(same < 12);
}

TEST(other_texts_are_refused)
{
	struct live_position out;

	T_FALSE(live_id_parse(&cipher, org, S(""), &out));
	T_FALSE(live_id_parse(&cipher, org, S("0123456789ABCDEFGHJKMNPQ"), &out));
	T_FALSE(live_id_parse(&cipher, org, S("UUUUUUUUUUUUUUUUUUUUUUUUUU"), &out));
	T_FALSE(live_id_parse(&cipher, org, S("00000000000000000000000000\n"), &out));
}

T_MAIN(T(a_position_comes_back_as_it_was), T(the_id_of_another_org_or_log_leads_nowhere),
       T(neighbours_look_like_strangers), T(other_texts_are_refused))

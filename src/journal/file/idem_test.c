/* SPDX-License-Identifier: Apache-2.0 */
/* Keys are found while they are inside the window and the budget, and memory stays bounded. */
#include "journal/file/idem.h"

#include "test/t.h"

static uint64_t hash_of(uint64_t n)
{
	n *= UINT64_C(0x9e3779b97f4a7c15);
	n = (n ^ n >> 32) * UINT64_C(0xd6e8feb86659fd93);
	return n ^ n >> 32;
}

static bool knows(const struct idem *idem, uint64_t seq)
{
	uint64_t got;

	for (size_t at = 0; (got = idem_next(idem, hash_of(seq), &at)) != 0;) {
		if (got == seq) {
			return true;
		}
	}
	return false;
}

static struct idem *fresh(size_t keys_max, int64_t window_us)
{
	static struct idem idem;

	idem_init(&idem, keys_max, window_us);
	return &idem;
}

TEST(a_million_keys_are_all_found)
{
	struct idem *idem = fresh(2000000, 1000000000);
	size_t strangers = 0;

	for (uint64_t seq = 1; seq <= 1000000; seq++) {
		idem_put(idem, hash_of(seq), seq, (int64_t)seq);
	}
	for (uint64_t seq = 1; seq <= 1000000; seq++) {
		size_t at = 0;

		T_TRUE(knows(idem, seq));
		strangers += idem_next(idem, hash_of(seq + 5000000), &at) != 0;
	}
	T_INT(idem->keys, 1000000);
	T_TRUE(idem->slots * 8 <= idem->keys * 13);
	T_TRUE(strangers < 200); /* a candidate is a read of the log */
	T_INT(idem->lost, 0);
	idem_release(idem);
}

TEST(keys_outside_the_window_go_and_make_room)
{
	struct idem *idem = fresh(1000000, 64000);
	size_t slots = 0;

	for (uint64_t seq = 1; seq <= 2000000; seq++) {
		idem_put(idem, hash_of(seq), seq, (int64_t)seq);
		idem_expire(idem, (int64_t)seq);
		if (seq == 500000) {
			slots = idem->slots;
		}
		if (seq % 1000 == 0 && seq > 64000) {
			T_TRUE(knows(idem, seq - 63999));
			T_FALSE(knows(idem, seq - 66001));
		}
	}
	T_TRUE(idem->slots <= slots * 2);
	T_TRUE(idem->keys <= 66000);
	T_INT(idem->lost, 0);
	T_TRUE(idem->from_seq > 2000000 - 66001 && idem->from_seq <= 2000000 - 63999);
	idem_expire(idem, 3000000);
	T_INT(idem->keys, 0);
	T_INT(idem->generations_n, 0);
	idem_release(idem);
}

TEST(too_many_keys_shorten_the_window_visibly)
{
	struct idem *idem = fresh(10000, INT64_C(1) << 60);

	for (uint64_t seq = 1; seq <= 50000; seq++) {
		idem_put(idem, hash_of(seq), seq, (int64_t)seq);
		T_TRUE(idem->keys <= 10000);
	}
	T_TRUE(knows(idem, 50000));
	T_TRUE(knows(idem, 50000 - 9000));
	T_FALSE(knows(idem, 50000 - 10001));
	T_INT(idem->lost, 50000 - idem->keys);
	T_TRUE(idem->lost_to_us > 50000 - 10001 && idem->lost_to_us <= 50000 - 9000);
	idem_release(idem);
}

TEST(what_somebody_else_knows_is_not_lost)
{
	struct idem *idem = fresh(10000, INT64_C(1) << 60);

	idem->kept_seq = 30001;
	for (uint64_t seq = 1; seq <= 50000; seq++) {
		idem_put(idem, hash_of(seq), seq, (int64_t)seq);
		T_TRUE(idem->lost == 0 || idem->from_seq > 30001);
	}
	T_TRUE(idem->lost >= idem->from_seq - 30001);
	T_TRUE(idem->lost <= idem->from_seq - 30001 + 10000 / 64 + 1);
	idem_release(idem);
}

TEST(what_is_handed_over_leaves_room)
{
	struct idem *idem = fresh(640000, INT64_C(1) << 60);

	for (uint64_t seq = 1; seq <= 600000; seq++) {
		idem_put(idem, hash_of(seq), seq, (int64_t)seq);
		if (seq % 1000 == 0 && seq >= 100000) {
			idem_hand_over(idem, seq - 50000);
			T_TRUE(knows(idem, seq - 50000));
			T_FALSE(knows(idem, seq - 50000 - 10002));
		}
	}
	T_TRUE(idem->keys <= 60002);
	T_TRUE(idem->slots <= idem->keys * 3); /* tables as small as these differ much */
	T_INT(idem->lost, 0);
	idem_release(idem);
}

TEST(room_after_a_burst_is_given_back)
{
	struct idem *idem = fresh(640000, INT64_C(1) << 60);
	size_t most;

	for (uint64_t seq = 1; seq <= 600000; seq++) {
		idem_put(idem, hash_of(seq), seq, (int64_t)seq);
	}
	most = idem->slots;
	for (uint64_t seq = 600001; seq <= 4000000; seq++) {
		idem_put(idem, hash_of(seq), seq, (int64_t)seq);
		idem_hand_over(idem, seq - 20000);
	}
	T_TRUE(knows(idem, 4000000) && knows(idem, 4000000 - 20000));
	T_TRUE(idem->slots < most / 4);
	T_INT(idem->lost, 0);
	idem_release(idem);
}

TEST(numbers_over_40_bits_are_told_apart)
{
	struct idem *idem = fresh(1000, INT64_C(1) << 60);
	uint64_t high = UINT64_C(5) << 40;

	idem_put(idem, 42, high - 1, 1);
	idem_put(idem, 42, high + 1, 2);
	T_INT(idem->keys, 2);
	for (uint64_t i = 0; i < 2; i++) {
		size_t at = (size_t)i;
		uint64_t seq = idem_next(idem, 42, &at);

		T_TRUE(seq == high - 1 || seq == high + 1);
	}
	idem_release(idem);
}

T_MAIN(T(a_million_keys_are_all_found), T(keys_outside_the_window_go_and_make_room),
       T(too_many_keys_shorten_the_window_visibly), T(what_somebody_else_knows_is_not_lost),
       T(what_is_handed_over_leaves_room), T(room_after_a_burst_is_given_back),
       T(numbers_over_40_bits_are_told_apart))

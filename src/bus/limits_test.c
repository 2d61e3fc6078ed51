/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Everybody has a bucket of their own; and whoever is limited stays so, however many others come.
 */
#include "bus/limits.h"

#include "test/t.h"

#define S_US INT64_C(1000000)
#define NOW INT64_C(500000000000)

static const struct rate rate = { .per_minute = 60, .burst = 5 };

static bool take(struct limits *l, struct limit_key key, int64_t now_us)
{
	return limits_take(l, &key, &rate, now_us).ok;
}

static struct limit_key v4(unsigned n)
{
	uint8_t ip[16] = { [10] = 0xff, [11] = 0xff };

	ip[12] = (uint8_t)(n >> 24);
	ip[13] = (uint8_t)(n >> 16);
	ip[14] = (uint8_t)(n >> 8);
	ip[15] = (uint8_t)n;
	return limit_key_address(LIMIT_OF_ADDRESS, ip);
}

static struct limit_key v6(unsigned network, unsigned host)
{
	uint8_t ip[16] = { 0x20, 0x01, 0x0d, 0xb8 };

	ip[6] = (uint8_t)(network >> 8);
	ip[7] = (uint8_t)network;
	ip[12] = (uint8_t)(host >> 24);
	ip[15] = (uint8_t)host;
	return limit_key_address(LIMIT_OF_ADDRESS, ip);
}

static void use_up(struct limits *l, struct limit_key key, int64_t now_us)
{
	while (take(l, key, now_us)) {
	}
}

TEST(each_has_a_bucket_of_its_own)
{
	struct limits *l = limits_new(0);

	use_up(l, limit_key_id(LIMIT_OF_ORG, 7), NOW);
	T_FALSE(take(l, limit_key_id(LIMIT_OF_ORG, 7), NOW));
	T_TRUE(take(l, limit_key_id(LIMIT_OF_ORG, 8), NOW));
	T_TRUE(take(l, limit_key_id(LIMIT_OF_SESSION, 7), NOW));
	T_TRUE(take(l, v4(7), NOW));
	T_TRUE(take(l, limit_key_id(LIMIT_OF_ORG, 7), NOW + S_US));
	T_INT(limits_len(l), 4);
	limits_free(&l);
}

TEST(an_ipv6_network_is_one_and_ipv4_addresses_are_many)
{
	struct limits *l = limits_new(0);

	use_up(l, v6(1, 1), NOW);
	T_FALSE(take(l, v6(1, 0xffffffff), NOW));
	T_TRUE(take(l, v6(2, 1), NOW));
	use_up(l, v4(1), NOW);
	T_TRUE(take(l, v4(2), NOW));
	limits_free(&l);
}

TEST(an_account_is_limited_at_an_address)
{
	const uint8_t here[16] = { [10] = 0xff, [11] = 0xff, [15] = 1 };
	const uint8_t there[16] = { [10] = 0xff, [11] = 0xff, [15] = 2 };
	struct limits *l = limits_new(0);

	use_up(l, limit_key_account(l, S("ann@example.com"), here), NOW);
	T_FALSE(take(l, limit_key_account(l, S("ann@example.com"), here), NOW));
	T_TRUE(take(l, limit_key_account(l, S("bob@example.com"), here), NOW));
	T_TRUE(take(l, limit_key_account(l, S("ann@example.com"), there), NOW));
	T_TRUE(take(l, limit_key_address(LIMIT_OF_ADDRESS, here), NOW));
	limits_free(&l);
}

TEST(what_is_not_limited_takes_no_room)
{
	struct limit_key key = limit_key_id(LIMIT_OF_ORG, 1);
	struct limits *l = limits_new(0);

	T_TRUE(limits_take(l, &key, &(struct rate) { 0 }, NOW).ok);
	T_INT(limits_len(l), 0);
	limits_free(&l);
}

TEST(what_is_full_again_is_dropped)
{
	struct limits *l = limits_new(0);

	for (unsigned i = 0; i < 1000; i++) {
		T_TRUE(take(l, v4(i), NOW));
	}
	T_INT(limits_len(l), 1000);
	for (unsigned i = 0; i < 1000; i++) {
		T_TRUE(take(l, v4(1000 + i), NOW + S_US));
	}
	T_INT(limits_len(l), 1000);
	T_INT(limits_evicted(l), 0);
	limits_free(&l);
}

TEST(a_flood_of_new_addresses_frees_nobody_who_is_limited)
{
	struct limits *l = limits_new(100);

	for (unsigned i = 0; i < 50; i++) {
		use_up(l, v4(i), NOW);
	}
	for (unsigned i = 0; i < 100000; i++) {
		T_TRUE(take(l, v4(1000 + i), NOW + i % 1000));
	}
	T_TRUE(limits_len(l) <= 100);
	T_TRUE(limits_evicted(l) > 90000);
	for (unsigned i = 0; i < 50; i++) {
		T_FALSE(take(l, v4(i), NOW + 1000));
	}
	limits_free(&l);
}

TEST(what_is_put_back_can_be_taken_again)
{
	struct limit_key key = limit_key_id(LIMIT_OF_ORG, 1);
	struct limits *l = limits_new(0);

	use_up(l, key, NOW);
	limits_undo(l, &key);
	T_TRUE(take(l, key, NOW));
	T_FALSE(take(l, key, NOW));
	limits_undo(l, &(struct limit_key) { 0 });
	limits_free(&l);
}

T_MAIN(T(each_has_a_bucket_of_its_own), T(an_ipv6_network_is_one_and_ipv4_addresses_are_many),
       T(an_account_is_limited_at_an_address), T(what_is_not_limited_takes_no_room),
       T(what_is_full_again_is_dropped), T(a_flood_of_new_addresses_frees_nobody_who_is_limited),
       T(what_is_put_back_can_be_taken_again))

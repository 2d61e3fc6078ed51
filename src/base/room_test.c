/* SPDX-License-Identifier: Apache-2.0 */
#include "base/room.h"

#include "test/t.h"

TEST(one_alone_takes_three_quarters)
{
	T_TRUE(room_for_one(0, 0, 100));
	T_TRUE(room_for_one(74, 74, 100));
	T_FALSE(room_for_one(75, 75, 100));
}

TEST(the_last_places_are_for_those_who_have_few)
{
	T_TRUE(room_for_one(75, 0, 100));
	T_TRUE(room_for_one(99, 12, 100));
	T_FALSE(room_for_one(99, 13, 100));
	T_FALSE(room_for_one(100, 0, 100));
}

TEST(few_places_are_all_used)
{
	for (size_t places = 1; places < 20; places++) {
		T_TRUE(room_for_one(places - 1, 0, places));
		T_FALSE(room_for_one(places, 0, places));
	}
	T_FALSE(room_for_one(0, 0, 0));
}

T_MAIN(T(one_alone_takes_three_quarters), T(the_last_places_are_for_those_who_have_few),
       T(few_places_are_all_used))

/* SPDX-License-Identifier: Apache-2.0 */
/* The test shift moves both clocks while the program runs. */
#include "base/clock.h"

#include <stdlib.h>
#include <unistd.h>

#include "test/t.h"

#define YEAR_US INT64_C(31536000000000)

static void write_shift(int fd, int64_t us)
{
	T_INT(pwrite(fd, &us, sizeof(us), 0), sizeof(us));
}

/* The only test: a shift once set stays for the life of the process. */
TEST(both_clocks_follow_the_shift)
{
	char path[] = "/tmp/tocsin-clock-XXXXXX";
	int64_t wall, mono, us;
	int fd;

	T_FALSE(clock_shift_from("/nonexistent/shift"));
	wall = clock_wall_us();
	mono = clock_mono_us();
	T_TRUE(clock_mono_us() >= mono);
	fd = mkstemp(path);
	T_TRUE(fd >= 0);
	write_shift(fd, YEAR_US);
	T_TRUE(clock_shift_from(path));
	unlink(path);
	T_TRUE(clock_wall_us() >= wall + YEAR_US - US_PER_S);
	T_TRUE(clock_mono_us() >= mono + YEAR_US);
	write_shift(fd, 0);
	T_TRUE(clock_mono_us() < mono + YEAR_US);
	write_shift(fd, 2 * YEAR_US);
	T_TRUE(clock_mono_us() >= mono + 2 * YEAR_US);
	/* The second number moves the wall clock alone; without it there is none. */
	wall = clock_wall_us();
	mono = clock_mono_us();
	us = -YEAR_US;
	T_INT(pwrite(fd, &us, sizeof(us), sizeof(us)), sizeof(us));
	T_TRUE(clock_wall_us() < wall - YEAR_US / 2);
	T_TRUE(clock_mono_us() >= mono && clock_mono_us() < mono + YEAR_US / 2);
	close(fd);
}

T_MAIN(T(both_clocks_follow_the_shift))

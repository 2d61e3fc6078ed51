/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Clocks. The test shift is two mapped integers, so that a scenario can pass an hour in a running
 * server without waiting, and a server without the shift pays one well predicted branch.
 */
#include "base/clock.h"

#include <fcntl.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

enum { SHIFT_BOTH, SHIFT_WALL, SHIFTS };
static _Atomic int64_t *shift;

static int64_t shifted(size_t i)
{
	return shift == NULL ? 0 : atomic_load_explicit(&shift[i], memory_order_relaxed);
}

static int64_t read_us(clockid_t id)
{
	struct timespec ts;

	ensure(clock_gettime(id, &ts) == 0);
	return (int64_t)ts.tv_sec * US_PER_S + ts.tv_nsec / 1000 + shifted(SHIFT_BOTH);
}

int64_t clock_wall_us(void)
{
	return read_us(CLOCK_REALTIME) + shifted(SHIFT_WALL);
}

int64_t clock_mono_us(void)
{
	return read_us(CLOCK_MONOTONIC);
}

struct timespec clock_deadline(int64_t wait_us)
{
	struct timespec ts;

	ensure(clock_gettime(CLOCK_MONOTONIC, &ts) == 0);
	if (wait_us > 0) {
		ts.tv_sec += (time_t)(wait_us / US_PER_S);
		ts.tv_nsec += (long)(wait_us % US_PER_S) * 1000;
	}
	if (ts.tv_nsec >= 1000000000) {
		ts.tv_sec++;
		ts.tv_nsec -= 1000000000;
	}
	return ts;
}

bool clock_shift_from(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	void *p = MAP_FAILED;

	if (fd >= 0) {
		p = mmap(NULL, SHIFTS * sizeof(*shift), PROT_READ, MAP_SHARED, fd, 0);
		close(fd);
	}
	if (p == MAP_FAILED) {
		return false;
	}
	shift = p;
	return true;
}

/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BASE_ROOM_H
#define BASE_ROOM_H

#include "base/base.h"

/*
 * Places that several share, so that nobody fills the house alone: whoever comes may take one until
 * three quarters are taken; the last quarter is for those who have no more than an eighth of all.
 * Pure.
 */
static inline bool room_for_one(size_t taken, size_t own, size_t places)
{
	return taken < places - places / 4 || (taken < places && own <= places / 8);
}

#endif

/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NET_LOOP_IMPL_H
#define NET_LOOP_IMPL_H

#include <uv.h>

#include "net/loop.h"

/*
 * What the other files of net may know of the loop: the libuv loop under it, and the two edges of
 * a turn end. Callbacks of libuv handles call loop_touch, so that the turn ends with the hooks.
 */
uv_loop_t *loop_uv(struct loop *l);

/*
 * Run before (first) and after (last) the hooks of loop_turn_end: the places where output leaves.
 * Either may be NULL. At most LOOP_HOOKS_MAX users.
 */
void loop_edges_add(struct loop *l, loop_fn first, loop_fn last, void *arg);
void loop_edges_remove(struct loop *l, void *arg);

#endif

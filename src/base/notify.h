/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BASE_NOTIFY_H
#define BASE_NOTIFY_H

#include "base/base.h"

/*
 * Tell the service manager how this process is, by the protocol of sd_notify(3): one datagram to
 * the socket that NOTIFY_SOCKET names (a path, or an abstract name after "@"). Without the variable
 * nothing happens. Any thread, but the environment must not change meanwhile. Never blocks.
 */

/*
 * Send state, lines of NAME=VALUE: "READY=1", "STOPPING=1", "STATUS=...". False when there is a
 * manager that could not be told, which is no reason to stop.
 */
bool notify_send(const char *state);

/*
 * How often the manager wants to hear "WATCHDOG=1", in microseconds: half of its limit, as
 * sd_watchdog_enabled(3) advises. 0: never, or WATCHDOG_PID names another process.
 */
int64_t notify_watchdog_us(void);

#endif

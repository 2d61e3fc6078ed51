/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CMD_APP_H
#define CMD_APP_H

#include "api/api.h"
#include "cmd/settings.h"
#include "engine/reporter.h"

/*
 * The program put together: opened in order, closed in reverse. The only place that knows every
 * part. `tocsin serve` runs it with its listeners, other commands without.
 */
struct app;

/*
 * Lock the data directory, open log and state, replay, connect. Blocks. settings and reporter
 * (NULL: there is none) are borrowed for the life of the app. ERR_CONFLICT when the directory is in
 * use.
 */
NODISCARD bool app_open(struct app **app, const struct settings *settings,
			struct reporter *reporter, struct err *err);
/* Listen on an address of the form HOST:PORT or [IPv6]:PORT. Before app_run. */
NODISCARD bool app_listen(struct app *app, struct slice address, struct err *err);
/* Listen on the socket in the data directory, where commands find the server. Before app_run. */
NODISCARD bool app_listen_socket(struct app *app, struct err *err);
/*
 * Start the threads and turn the loop until app_stop. False when the log or the engine failed: the
 * process must not go on.
 */
NODISCARD bool app_run(struct app *app);
/*
 * Begin to stop: readiness off, drain, then app_run returns. A second call leaves at once. Any
 * thread.
 */
void app_stop(struct app *app);
void app_close(struct app **app);

struct api *app_api(struct app *app);

#endif

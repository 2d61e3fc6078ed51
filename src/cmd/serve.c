/* SPDX-License-Identifier: Apache-2.0 */
/* tocsin serve: settings, log, app, listeners, run. */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"
#include "cmd/app.h"
#include "cmd/command.h"

static bool listen_all(struct app *app, const struct settings *s, struct err *err)
{
	for (size_t i = 0; i < s->listen.n; i++) {
		if (!app_listen(app, s->listen.v[i], err)) {
			return false;
		}
	}
	return app_listen_socket(app, err);
}

static int fail(const struct err *err)
{
	log_error("start_failed", log_str("error", err->text));
	return 1;
}

int cmd_serve(int argc, char **argv)
{
	const char *test_clock = getenv("TOCSIN_TEST_CLOCK");
	struct settings_sources sources;
	struct settings settings;
	struct app *app = NULL;
	struct arena boot;
	struct err err;
	int code;

	arena_init(&boot, 0);
	if (!settings_read(&settings, argc, argv, &boot, &sources, &err)) {
		fprintf(stderr, "tocsin: %s\n", err.text);
		arena_release(&boot);
		return 2;
	}
	log_setup(settings.log_level, settings.log_format, STDERR_FILENO);
	if (test_clock != NULL && !clock_shift_from(test_clock)) {
		fprintf(stderr, "tocsin: TOCSIN_TEST_CLOCK cannot be mapped\n");
		return 2;
	}
	if (!app_open(&app, &settings, &err)) {
		code = fail(&err);
	} else if (!listen_all(app, &settings, &err)) {
		code = fail(&err);
	} else {
		code = app_run(app) ? 0 : 1;
	}
	if (app != NULL) {
		app_close(&app);
	}
	if (code == 0) {
		log_info("server_stopped");
	}
	arena_release(&boot);
	return code;
}

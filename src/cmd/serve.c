/* SPDX-License-Identifier: Apache-2.0 */
/* tocsin serve: settings, log, app, listeners, run. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"
#include "cmd/app.h"
#include "cmd/command.h"
#include "cmd/flags.h"

#define REPORT_US (3 * US_PER_S) /* the end waits so long for errors to be told */

static bool listen_all(struct app *app, const struct settings *s, struct err *err)
{
	for (size_t i = 0; i < s->listen.n; i++) {
		if (!app_listen(app, s->listen.v[i], err)) {
			return false;
		}
	}
	/* Some file systems have no sockets: commands then need the server stopped. */
	if (!app_listen_socket(app, err)) {
		log_warn("socket_unavailable", log_str("error", err->text));
	}
	return true;
}

static int fail(const struct err *err)
{
	log_error("start_failed", log_str("error", err->text));
	return 1;
}

static int serve(const struct settings *settings, struct reporter *reporter)
{
	struct app *app = NULL;
	struct err err;
	int code;

	if (!app_open(&app, settings, reporter, &err)) {
		return fail(&err);
	}
	code = listen_all(app, settings, &err) ? !app_run(app) : fail(&err);
	app_close(&app);
	if (code == 0) {
		log_info("server_stopped");
	}
	return code;
}

/* Around everything else, so that a start that fails and an end that does are reported. */
static int serve_reported(const struct settings *s)
{
	struct reporter_options options = {
		.heartbeat_url = s->heartbeat_url,
		.sentry_dsn = s->sentry_dsn,
		.secrets = { s->heartbeat_url, s->sentry_dsn, s->database_url, s->setup_token,
			     s->metrics_token, s->secret_key },
	};
	struct reporter *reporter;
	struct err err;
	int code;

	/* Set once for all threads, before there is one. */
	signal(SIGPIPE, SIG_IGN);
	if (!reporter_open(&reporter, &options, &err)) {
		return fail(&err);
	}
	code = serve(s, reporter);
	reporter_close(&reporter, REPORT_US);
	return code;
}

static int run(const struct flags *flags, const void *in UNUSED, struct arena *boot)
{
	const char *test_clock = getenv("TOCSIN_TEST_CLOCK");
	struct settings settings;

	if (!flags_settings(flags, boot, &settings)) {
		return 2;
	}
	if (test_clock != NULL && !clock_shift_from(test_clock)) {
		fprintf(stderr, "tocsin serve: TOCSIN_TEST_CLOCK cannot be mapped\n");
		return 2;
	}
	log_setup(settings.log_level, settings.log_format, STDERR_FILENO);
	return serve_reported(&settings);
}

int cmd_serve(int argc, char **argv)
{
	struct flags flags = {
		.command = "serve",
		.about = "Run the server, until it gets SIGTERM or Ctrl-C.",
		.with_settings = true,
		.list_settings = true,
	};

	return flags_run(&flags, argc, argv, NULL, run);
}

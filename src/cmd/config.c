/* SPDX-License-Identifier: Apache-2.0 */
/* tocsin config: what holds, and why. It reads what serve would read, and stops there. */
#include <stdio.h>

#include "cmd/command.h"
#include "cmd/flags.h"
#include "cmd/settings.h"

#define TEXT_BYTES_MAX ((size_t)1 << 20)

struct config_flags {
	bool document;
};

static const struct field rows[] = {
	FIELD_BOOL(struct config_flags, document, "document",
		   .help = "Print doc/settings.md instead, the table of all settings."),
};

static const char page_head[] =
	"# Settings\n\n"
	"Every setting is a flag, a variable of the environment, or a line `name = value` in the file "
	"that\n`--config` or `TOCSIN_CONFIG` names. A flag beats a variable, a variable beats the file. "
	"`TOCSIN_NAME_FILE`\nreads the value from a file, for secrets. `PORT` stands for "
	"`TOCSIN_LISTEN=127.0.0.1:PORT`\nwhere that is not set. `tocsin config` prints what holds "
	"and where it comes from; a name that is unknown stops the start.\n\n"
	"Written by `tools/docs` from the table in `src/cmd/settings.c`.\n\n";

static bool print_settings(const struct flags *flags, struct arena *boot, struct buf *out,
			   struct err *err)
{
	struct settings_sources sources;
	struct settings settings;

	if (!settings_read(&settings, flags->rest_n, flags->rest, boot, &sources, err)) {
		return false;
	}
	settings_print(&settings, &sources, out);
	return true;
}

static int run(const struct flags *flags, const void *arg, struct arena *boot)
{
	const struct config_flags *in = arg;
	struct buf out;
	struct err err;
	int code = 0;

	buf_init(&out, TEXT_BYTES_MAX);
	if (in->document) {
		buf_puts(&out, slice_of(page_head));
		settings_document(&out);
	} else if (!print_settings(flags, boot, &out, &err)) {
		fprintf(stderr, "tocsin config: %s\n", err.text);
		code = 2;
	}
	if (out.n > 0) {
		fwrite(out.p, 1, out.n, stdout);
	}
	buf_release(&out);
	return code;
}

int cmd_config(int argc, char **argv)
{
	struct flags flags = {
		.command = "config",
		.about = "Print every setting as `tocsin serve` would see it, and where its value "
			 "comes from.\nSecrets are masked.",
		.rows = rows,
		.n = ARRAY_LEN(rows),
		.with_settings = true,
		.list_settings = true,
	};
	struct config_flags in = { 0 };

	return flags_run(&flags, argc, argv, &in, run);
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Flags by table. Words are gathered per row first, so that a repeated list is one list, and each
 * value is then read the way that settings and request bodies are.
 */
#include "cmd/flags.h"

#include <ctype.h>
#include <stdio.h>

#include "cmd/settings.h"
#include "model/severity.h"

#define HELP_BYTES_MAX ((size_t)64 << 10)
#define HELP_COLUMN 26

struct word {
	struct slice name;
	struct slice value;
	bool has_value; /* behind an equals sign */
};

static bool split_word(const char *text, struct word *w, struct err *err)
{
	struct slice arg = slice_of(text);
	size_t eq;

	if (!slice_starts(arg, S("--")) || arg.n == 2) {
		return err_set(err, ERR_INVALID, "\"%.100s\" is not a flag; flags begin with --",
			       text);
	}
	w->name = slice_from(arg, 2);
	eq = slice_find(w->name, '=');
	w->has_value = eq < w->name.n;
	w->value = w->has_value ? slice_from(w->name, eq + 1) : (struct slice) { 0 };
	w->name.n = eq;
	return true;
}

static bool need_value(struct word *w, int argc, char **argv, int *i, struct err *err)
{
	if (w->has_value) {
		return true;
	}
	if (*i + 1 >= argc) {
		return err_set(err, ERR_INVALID, "\"--%.*s\" needs a value", SARG(w->name));
	}
	w->value = slice_of(argv[++*i]);
	return true;
}

static bool is_setting(struct slice name)
{
	return slice_eq(name, S("config")) ||
	       fields_find(settings_rows, settings_rows_n, name) != NULL;
}

static bool unknown(const struct flags *f, struct slice name, struct err *err)
{
	const struct field *near = fields_closest(f->rows, f->n, name);

	if (near == NULL && f->with_settings) {
		near = fields_closest(settings_rows, settings_rows_n, name);
	}
	if (near == NULL) {
		return err_set(err, ERR_INVALID, "there is no flag \"--%.*s\"", SARG(name));
	}
	return err_set(err, ERR_INVALID, "there is no flag \"--%.*s\"; did you mean \"--%s\"?",
		       SARG(name), near->name);
}

static void keep(const struct field *row, struct slice *value, struct slice more,
		 struct arena *boot)
{
	bool many = row->kind == FIELD_KIND_LIST || row->kind == FIELD_KIND_CIDRS ||
		    row->kind == FIELD_KIND_MAP;

	if (many && value->p != NULL) {
		*value = arena_printf(boot, "%.*s,%.*s", SARG(*value), SARG(more));
	} else {
		*value = arena_dup(boot, more);
	}
}

static bool take(struct flags *f, struct slice *values, int argc, char **argv, int *i,
		 struct arena *boot, struct err *err)
{
	const struct field *row;
	struct word w;

	if (!split_word(argv[*i], &w, err)) {
		return false;
	}
	row = fields_find(f->rows, f->n, w.name);
	if (row == NULL && f->with_settings && is_setting(w.name)) {
		if (!need_value(&w, argc, argv, i, err)) {
			return false;
		}
		f->rest[f->rest_n++] = arena_cstr(
			boot, arena_printf(boot, "--%.*s=%.*s", SARG(w.name), SARG(w.value)));
		return true;
	}
	if (row == NULL) {
		return unknown(f, w.name, err);
	}
	if (row->kind == FIELD_KIND_BOOL && !w.has_value) {
		w.value = S("true");
	} else if (!need_value(&w, argc, argv, i, err)) {
		return false;
	}
	keep(row, &values[row - f->rows], w.value, boot);
	return true;
}

/* Errors speak of flags as people write them. */
static bool parse_row(const struct field *row, struct slice text, void *out, struct arena *boot,
		      struct err *err)
{
	return field_parse_text(row, text, out, boot, err) || err_wrap(err, "flag --%s", row->name);
}

static bool parse_all(struct flags *f, const struct slice *values, void *out, struct arena *boot,
		      struct err *err)
{
	for (size_t i = 0; i < f->n; i++) {
		if (values[i].p != NULL) {
			f->set |= UINT64_C(1) << i;
			if (!parse_row(&f->rows[i], values[i], out, boot, err)) {
				return false;
			}
		} else if ((f->rows[i].flags & FIELD_REQUIRED) != 0) {
			return err_set(err, ERR_INVALID, "\"--%s\" is needed", f->rows[i].name);
		}
	}
	return true;
}

static bool asks_for_help(int argc, char **argv)
{
	for (int i = 0; i < argc; i++) {
		if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0) {
			return true;
		}
	}
	return false;
}

bool flags_read(struct flags *f, int argc, char **argv, void *out, struct arena *boot,
		struct err *err)
{
	struct slice values[FIELD_ROWS_MAX] = { { 0 } };

	ensure(f->n <= FIELD_ROWS_MAX);
	f->set = 0;
	f->rest_n = 0;
	f->rest = arena_array(boot, (size_t)argc + 1, sizeof(*f->rest));
	f->help = asks_for_help(argc, argv);
	fields_defaults(f->rows, f->n, out, boot);
	if (f->help) {
		return true;
	}
	for (int i = 0; i < argc; i++) {
		if (!take(f, values, argc, argv, &i, boot, err)) {
			return false;
		}
	}
	return parse_all(f, values, out, boot, err);
}

/* "--severity HIGH|LOW", "--data TEXT", "--json" */
static size_t help_flag(const struct field *row, struct buf *out)
{
	size_t from = out->n;

	buf_printf(out, "  --%s", row->name);
	if (row->kind == FIELD_KIND_MAP) {
		buf_puts(out, S(" NAME=VALUE"));
	} else if (row->kind != FIELD_KIND_BOOL) {
		buf_putc(out, ' ');
		for (const char *p = field_kind_info(row->kind)->name; *p != '\0'; p++) {
			buf_putc(out, (char)toupper((unsigned char)*p));
		}
	}
	return out->n - from;
}

static void help_words(const struct field *row, struct buf *out)
{
	const char *before = " One of ";

	for (size_t i = 0; row->words[i] != NULL; i++) {
		if (row->words[i][0] != '\0') {
			buf_printf(out, "%s%s", before, row->words[i]);
			before = ", ";
		}
	}
	buf_putc(out, '.');
}

static void help_row(const struct field *row, struct buf *out)
{
	size_t width = help_flag(row, out);

	if (width + 2 > HELP_COLUMN) {
		buf_putc(out, '\n');
		width = 0;
	}
	buf_printf(out, "%*s%s", (int)(HELP_COLUMN - width), "", row->help);
	if (row->kind == FIELD_KIND_ENUM) {
		help_words(row, out);
	}
	if (row->fallback != NULL && row->kind != FIELD_KIND_BOOL) {
		buf_printf(out, " (%s)", row->fallback);
	}
	buf_putc(out, '\n');
}

static void help_rows(const struct field *rows, size_t n, struct buf *out)
{
	if (n > 0) {
		buf_putc(out, '\n');
	}
	for (size_t i = 0; i < n; i++) {
		help_row(&rows[i], out);
	}
}

void flags_help(const struct flags *f, struct buf *out)
{
	buf_printf(out, "usage: tocsin %s%s%s%s\n\n%s\n", f->command, f->words == NULL ? "" : " ",
		   f->words == NULL ? "" : f->words, f->n > 0 || f->with_settings ? " [flags]" : "",
		   f->about);
	help_rows(f->rows, f->n, out);
	if (f->list_settings) {
		buf_puts(out,
			 S("\nSettings, also as TOCSIN_NAME, TOCSIN_NAME_FILE, or lines of the "
			   "file that --config names:\n"));
		help_rows(settings_rows, settings_rows_n, out);
	} else if (f->with_settings) {
		buf_puts(out, S("\nAll settings of the server are flags here too; `tocsin help "
				"config` lists them.\n"));
	}
}

static void print_help(const struct flags *f)
{
	struct buf help;

	buf_init(&help, HELP_BYTES_MAX);
	flags_help(f, &help);
	fwrite(help.p, 1, help.n, stdout);
	buf_release(&help);
}

static int complain(const struct flags *f, const char *text)
{
	fprintf(stderr, "tocsin %s: %s\n", f->command, text);
	return 2;
}

static int read_and_run(struct flags *f, int argc, char **argv, void *in, flags_fn fn,
			struct arena *boot)
{
	struct err err;

	if (f->words != NULL && argc > 0 && argv[0][0] != '-') {
		f->word = argv[0];
		argc--;
		argv++;
	}
	if (!flags_read(f, argc, argv, in, boot, &err)) {
		return complain(f, err.text);
	}
	if (f->help) {
		print_help(f);
		return 0;
	}
	if (f->words != NULL && f->word == NULL) {
		return complain(f, f->no_word);
	}
	return fn(f, in, boot);
}

int flags_run(struct flags *f, int argc, char **argv, void *in, flags_fn fn)
{
	struct arena boot;
	int code;

	arena_init(&boot, 0);
	code = read_and_run(f, argc, argv, in, fn, &boot);
	arena_release(&boot);
	return code;
}

bool flags_settings(const struct flags *f, struct arena *boot, struct settings *out)
{
	struct settings_sources sources;
	struct err err;

	if (!settings_read(out, f->rest_n, f->rest, boot, &sources, &err)) {
		complain(f, err.text);
		return false;
	}
	return true;
}

bool flags_given(const struct flags *f, const char *name)
{
	const struct field *row = fields_find(f->rows, f->n, slice_of(name));

	ensure(row != NULL);
	return (f->set >> (row - f->rows) & 1) != 0;
}

const char *flags_severity_check(struct slice value)
{
	return severity_parse(value) != SEVERITY_NONE
		       ? NULL
		       : "must be debug, info, low, medium, high or critical";
}

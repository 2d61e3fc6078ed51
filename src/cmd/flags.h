/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CMD_FLAGS_H
#define CMD_FLAGS_H

#include "base/field.h"

/*
 * The flags of a command, from one table of field rows: --name value or --name=value; a switch may
 * stand alone; lists and maps may be repeated. The same rows write the help. A command that works
 * on a data directory takes the settings of the server too (with_settings): their words are put
 * aside for settings_read. Main thread.
 */
struct flags {
	const char *command; /* the word behind "tocsin" */
	const char *words;   /* what stands before the flags, "DIR"; NULL: nothing */
	const char *no_word; /* with words: the complaint when there is none */
	const char *about;   /* sentences for the help */
	const struct field *rows;
	size_t n;
	bool with_settings;
	bool list_settings; /* in the help, instead of a hint where they are listed */
	const char *word;   /* out: what stood before the flags */
	uint64_t set;	    /* out: bit i is set when row i was given */
	char **rest;	    /* out: rest_n words for settings_read */
	int rest_n;
	bool help; /* out: --help was given, nothing else counts */
};

/*
 * Fill *out, which the rows describe, from the words behind the command; what is not given gets its
 * default. ERR_INVALID names the flag; an unknown one gets the closest known one. Values and rest
 * are in boot.
 */
NODISCARD bool flags_read(struct flags *f, int argc, char **argv, void *out, struct arena *boot,
			  struct err *err);
/* Append the help: usage, sentences, one line or two per row. */
void flags_help(const struct flags *f, struct buf *out);

/* What a command does, once its words are read into in; returns the exit code. */
typedef int (*flags_fn)(const struct flags *f, const void *in, struct arena *boot);
/*
 * A whole command: read its words into *in (NULL without rows), then fn; or, for --help or a
 * mistake, the text on stdout or stderr. Returns the exit code.
 */
int flags_run(struct flags *f, int argc, char **argv, void *in, flags_fn fn);
/* With with_settings: read them, or tell the mistake on stderr; the command then ends with 2. */
struct settings;
NODISCARD bool flags_settings(const struct flags *f, struct arena *boot, struct settings *out);
/* Whether the row of this name was given; there is one. */
bool flags_given(const struct flags *f, const char *name);

/* The check of a row that takes a severity in any of its spellings. */
const char *flags_severity_check(struct slice value);

#endif

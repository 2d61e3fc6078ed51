/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The log. A line is built on the stack and leaves in one write, so that threads need no lock and
 * a crash loses at most the line being built.
 */
#include "base/log.h"

#include <stdio.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/time.h"
#include "base/utf8.h"

static struct {
	enum log_level least;
	enum log_format format;
	int fd;
} out = { .least = LOG_INFO, .format = LOG_TEXT, .fd = STDERR_FILENO };

static struct {
	log_tap_fn *fn;
	void *arg;
} tap;

/* Kept free for what closes a line: a quote, the mark of a cut, a brace, the newline. */
#define TAIL_BYTES 32
/* A field is begun only where its key (at most 50 bytes) and a number surely fit. */
#define FIELD_BYTES 80

struct line {
	char p[LOG_LINE_BYTES_MAX];
	size_t n;
	bool cut;
};

static const char *const level_names[LOG_LEVELS] = { "debug", "info", "warn", "error" };

void log_setup(enum log_level least, enum log_format format, int fd)
{
	out.least = least;
	out.format = format;
	out.fd = fd;
}

void log_tap(log_tap_fn *fn, void *arg)
{
	tap.fn = fn;
	tap.arg = arg;
}

bool log_on(enum log_level level)
{
	return level >= out.least;
}

const char *log_level_name(enum log_level level)
{
	ensure((size_t)level < LOG_LEVELS);
	return level_names[level];
}

static bool has_room(const struct line *l, size_t n)
{
	return sizeof(l->p) - TAIL_BYTES - l->n >= n;
}

/* Whole or not at all, so that no escape and no number is ever split. */
static void put(struct line *l, const char *p, size_t n)
{
	if (l->cut || !has_room(l, n)) {
		l->cut = true;
		return;
	}
	memcpy(l->p + l->n, p, n);
	l->n += n;
}

static void puts_(struct line *l, const char *s)
{
	put(l, s, strlen(s));
}

/* The closing bytes of a line may use the tail, so a cut line is still a whole JSON document. */
static void put_closing(struct line *l, const char *s)
{
	size_t n = strlen(s);

	ensure(sizeof(l->p) - l->n >= n);
	memcpy(l->p + l->n, s, n);
	l->n += n;
}

/* One ASCII character. */
static void put_ascii(struct line *l, char c)
{
	char hex[8];

	if (c == '"' || c == '\\') {
		put(l, (char[]) { '\\', c }, 2);
	} else if (c < 0x20 || c == 0x7f) {
		put(l, hex, (size_t)snprintf(hex, sizeof(hex), "\\u%04x", (unsigned)c));
	} else {
		put(l, &c, 1);
	}
}

/* Control bytes and bytes that are not valid UTF-8 must not break the reader. */
static void put_escaped(struct line *l, struct slice s)
{
	while (s.n > 0 && !l->cut) {
		size_t n = utf8_seq(s);

		if (n == 1) {
			put_ascii(l, *s.p);
		} else if (n > 1) {
			put(l, s.p, n);
		} else {
			puts_(l, "\xef\xbf\xbd");
		}
		s = slice_from(s, n == 0 ? 1 : n);
	}
}

static void put_value(struct line *l, const struct log_field *f)
{
	char num[24];

	switch (f->type) {
	case LOG_STR:
		puts_(l, "\"");
		put_escaped(l, f->str);
		put_closing(l, "\"");
		return;
	case LOG_INT:
		put(l, num, (size_t)snprintf(num, sizeof(num), "%lld", (long long)f->num));
		return;
	case LOG_BOOL:
		puts_(l, f->num != 0 ? "true" : "false");
		return;
	case LOG_END:
		break;
	}
	never("a log field without a type");
}

static void put_time(struct line *l)
{
	char text[TIME_TEXT_MAX];
	struct slice now = time_format(clock_wall_us(), TIME_MILLIS, text);

	put(l, now.p, now.n);
}

static void put_head_json(struct line *l, enum log_level level, const char *name)
{
	puts_(l, "{\"time\":\"");
	put_time(l);
	puts_(l, "\",\"level\":\"");
	puts_(l, level_names[level]);
	puts_(l, "\",\"event\":\"");
	puts_(l, name);
	puts_(l, "\"");
}

static void put_head_text(struct line *l, enum log_level level, const char *name)
{
	char head[64];

	put_time(l);
	put(l, head, (size_t)snprintf(head, sizeof(head), " %-5s %.40s", level_names[level], name));
}

static void put_fields(struct line *l, const struct log_field *f, bool json)
{
	for (; f->type != LOG_END && !l->cut; f++) {
		if (!has_room(l, FIELD_BYTES)) {
			l->cut = true;
			return;
		}
		puts_(l, json ? ",\"" : " ");
		puts_(l, f->key);
		puts_(l, json ? "\":" : "=");
		put_value(l, f);
	}
}

static void put_end(struct line *l, bool json)
{
	if (l->cut) {
		put_closing(l, json ? ",\"cut\":true" : " cut");
	}
	put_closing(l, json ? "}\n" : "\n");
}

void log_write(enum log_level level, const char *name, const struct log_field *fields)
{
	bool json = out.format == LOG_JSON;
	struct line l;
	ssize_t done;

	if (!log_on(level)) {
		return;
	}
	l.n = 0;
	l.cut = false;
	if (json) {
		put_head_json(&l, level, name);
	} else {
		put_head_text(&l, level, name);
	}
	put_fields(&l, fields, json);
	put_end(&l, json);
	/* A log that cannot be written has nowhere to say so. */
	done = write(out.fd, l.p, l.n);
	(void)done;
	if (level == LOG_ERROR && tap.fn != NULL) {
		tap.fn(tap.arg, name, fields);
	}
}

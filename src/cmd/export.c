/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tocsin export: events into a file. It grows as FILE.part and gets its name when all is there, so
 * that a part is never taken for the whole; what the part holds says where to go on after a broken
 * connection, or when the command is run again. FILE.part.filters beside it says what it is a part
 * of, since two halves of different searches would look like one whole.
 */
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <poll.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/json_put.h"
#include "base/rand.h"
#include "base/time.h"
#include "cmd/client.h"
#include "cmd/command.h"
#include "cmd/export_part.h"
#include "cmd/flags.h"

#define TRIES_MAX 8 /* in a row without another event */
#define WAIT_MS_MIN 500
#define WAIT_MS_MAX 30000
#define READ_BYTES ((size_t)65536)
#define FILTERS_BYTES_MAX ((size_t)65536) /* nine flags of 255 characters, escaped */
#define TAIL_BYTES_MAX ((size_t)4096)	  /* the line behind the events */

struct export_flags {
	struct client_flags from;
	struct slice out;
	unsigned format;
	struct slice query;
	struct slice type;
	unsigned kind;
	struct slice severity;
	struct slice source;
	struct slice environment;
	int64_t from_us, to_us;
	bool quiet;
};

static const char *const format_words[] = { "ndjson", "csv", NULL };
static const char *const kind_words[] = { "", "event", "error", "metric", NULL };

static const struct field rows[] = {
	FIELD_STR(struct export_flags, out, "out", .min = 1, .max = 4000, .flags = FIELD_REQUIRED,
		  .help = "The file to make. Until it is whole it is called FILE.part."),
	FIELD_ENUM(struct export_flags, format, "format", format_words, .fallback = "ndjson",
		   .help = "A JSON object a line, or a table."),
	FIELD_STR(struct export_flags, query, "query",
		  .help = "Only what these words find, as in doc/api.md."),
	FIELD_STR(struct export_flags, type, "type",
		  .help = "Only this type: exact, or payments.* for all that begin so."),
	FIELD_ENUM(struct export_flags, kind, "kind", kind_words,
		   .help = "Only events of this kind."),
	FIELD_STR(struct export_flags, severity, "severity", .check = flags_severity_check,
		  .help = "Only this severity."),
	FIELD_STR(struct export_flags, source, "source", .help = "Only from this source."),
	FIELD_STR(struct export_flags, environment, "environment",
		  .help = "Only from this environment."),
	FIELD_TIME(struct export_flags, from_us, "from", .help = "Received at this time or later."),
	FIELD_TIME(struct export_flags, to_us, "to", .help = "Received before this time."),
	FIELD_BOOL(struct export_flags, quiet, "quiet", .help = "Say nothing when all went well."),
	CLIENT_FLAGS(struct export_flags, from),
};

struct export
{
	const struct export_flags *in;
	struct arena *boot;
	struct client *client;
	const char *path;	  /* of the part, */
	const char *filters_path; /* and of what says what it is a part of */
	int fd;
	struct export_part part;
	struct buf kept; /* of an answer, to be written */
	struct err io;	 /* of writing */
	uint64_t lost;
};

static void put_param(struct buf *to, const char *name, struct slice value)
{
	static const char hex[] = "0123456789ABCDEF";

	if (value.n == 0) {
		return;
	}
	buf_printf(to, "&%s=", name);
	for (size_t i = 0; i < value.n; i++) {
		unsigned char c = (unsigned char)value.p[i];

		if ((c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
		    c == '-' || c == '_' || c == '.') {
			buf_putc(to, (char)c);
		} else {
			buf_putc(to, '%');
			buf_putc(to, hex[c >> 4]);
			buf_putc(to, hex[c & 15]);
		}
	}
}

static void put_time(struct buf *to, const char *name, int64_t us)
{
	char text[TIME_TEXT_MAX];

	if (us != 0) {
		put_param(to, name, time_format(us, TIME_MICROS, text));
	}
}

static struct slice call_path(const struct export *e)
{
	const struct export_flags *in = e->in;
	struct slice path;
	struct buf to;

	buf_init(&to, (size_t)1 << 20);
	buf_printf(&to, "/api/v1/events/export?format=%s", format_words[in->format]);
	put_param(&to, "q", in->query);
	put_param(&to, "type", in->type);
	put_param(&to, "kind", slice_of(kind_words[in->kind]));
	put_param(&to, "severity", in->severity);
	put_param(&to, "source", in->source);
	put_param(&to, "environment", in->environment);
	put_time(&to, "from", in->from_us);
	put_time(&to, "to", in->to_us);
	put_param(&to, "after", (struct slice) { e->part.id, e->part.id_n });
	path = arena_dup(e->boot, buf_slice(&to));
	buf_release(&to);
	return path;
}

static void put_filter(struct json_w *w, const char *name, struct slice value)
{
	if (value.n > 0) {
		json_put_str(w, name, value);
	}
}

static void put_time_filter(struct json_w *w, const char *name, int64_t us)
{
	char text[TIME_TEXT_MAX];

	if (us != 0) {
		json_put_str(w, name, time_format(us, TIME_MICROS, text));
	}
}

/* The filters as an object, by the names of their flags. */
static struct slice filters_of(const struct export *e)
{
	const struct export_flags *in = e->in;
	struct slice text;
	struct json_w w;
	struct buf to;

	buf_init(&to, FILTERS_BYTES_MAX);
	json_w_init(&w, &to);
	json_w_object(&w);
	put_filter(&w, "format", slice_of(format_words[in->format]));
	put_filter(&w, "query", in->query);
	put_filter(&w, "type", in->type);
	put_filter(&w, "kind", slice_of(kind_words[in->kind]));
	put_filter(&w, "severity", in->severity);
	put_filter(&w, "source", in->source);
	put_filter(&w, "environment", in->environment);
	put_time_filter(&w, "from", in->from_us);
	put_time_filter(&w, "to", in->to_us);
	json_w_end(&w);
	ensure(!to.overflow);
	text = arena_dup(e->boot, buf_slice(&to));
	buf_release(&to);
	return text;
}

/* On the disk before the first event is in the part. */
static bool note_filters(const struct export *e, struct err *err)
{
	struct slice text = filters_of(e);
	int fd = open(e->filters_path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	bool ok;

	errno = fd >= 0 ? ENOSPC : errno; /* what a short write means */
	ok = fd >= 0 && write(fd, text.p, text.n) == (ssize_t)text.n && fsync(fd) == 0;
	if (!ok) {
		err_errno(err, errno, "write \"%s\"", e->filters_path);
	}
	if (fd >= 0) {
		close(fd);
	}
	return ok;
}

static bool check_filters(const struct export *e, struct err *err)
{
	char *text = arena_alloc(e->boot, FILTERS_BYTES_MAX);
	int fd = open(e->filters_path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? 0 : read(fd, text, FILTERS_BYTES_MAX);

	if (fd >= 0) {
		close(fd);
	}
	return export_same((struct slice) { text, n < 0 ? 0 : (size_t)n }, filters_of(e), e->path,
			   e->boot, err);
}

static bool write_all(struct export *e, struct slice bytes)
{
	while (bytes.n > 0) {
		ssize_t n = write(e->fd, bytes.p, bytes.n);

		if (n < 0 && errno != EINTR) {
			return err_errno(&e->io, errno, "write \"%s\"", e->path);
		}
		bytes = slice_from(bytes, n < 0 ? 0 : (size_t)n);
	}
	return true;
}

static bool on_bytes(void *arg, struct slice bytes)
{
	struct export *e = arg;

	while (bytes.n > 0) {
		struct slice piece = { bytes.p, bytes.n < READ_BYTES ? bytes.n : READ_BYTES };

		buf_cut(&e->kept, 0);
		export_part_feed(&e->part, piece, &e->kept);
		if (!write_all(e, buf_slice(&e->kept))) {
			return false;
		}
		bytes = slice_from(bytes, piece.n);
	}
	return true;
}

/* Read what is there, and cut off what is no whole event. */
static bool take_up(struct export *e, struct err *err)
{
	char bytes[READ_BYTES];
	ssize_t n;

	e->part = (struct export_part) { .csv = e->in->format == 1 };
	if (lseek(e->fd, 0, SEEK_SET) != 0) {
		return err_errno(err, errno, "read \"%s\"", e->path);
	}
	while ((n = read(e->fd, bytes, sizeof(bytes))) > 0) {
		export_part_feed(&e->part, (struct slice) { bytes, (size_t)n }, NULL);
	}
	if (e->part.events == 0) {
		e->part.end = 0; /* a line of names alone comes again */
	}
	if (n < 0 || ftruncate(e->fd, (off_t)e->part.end) != 0 ||
	    lseek(e->fd, (off_t)e->part.end, SEEK_SET) < 0) {
		return err_errno(err, errno, "take up \"%s\"", e->path);
	}
	e->part.bytes = e->part.end;
	e->part.head_n = 0;
	e->part.quoted = false;
	e->part.headed = e->part.events > 0;
	return true;
}

static bool open_part(struct export *e, struct err *err)
{
	const char *out = arena_cstr(e->boot, e->in->out);
	struct stat st;

	if (access(out, F_OK) == 0) {
		return err_set(err, ERR_CONFLICT, "\"%s\" is there already; name another file",
			       out);
	}
	e->path = arena_printf(e->boot, "%s.part", out).p;
	e->filters_path = arena_printf(e->boot, "%s.filters", e->path).p;
	e->fd = open(e->path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (e->fd < 0) {
		return err_errno(err, errno, "open \"%s\"", e->path);
	}
	if (flock(e->fd, LOCK_EX | LOCK_NB) != 0) {
		return err_set(err, ERR_CONFLICT, "another export writes \"%s\"", e->path);
	}
	if (fstat(e->fd, &st) != 0) {
		return err_errno(err, errno, "look at \"%s\"", e->path);
	}
	/* First of all: taking it up cuts off what is no event in this format. */
	return (st.st_size == 0 ? note_filters(e, err) : check_filters(e, err)) && take_up(e, err);
}

/* What stands behind the events once the answer is over. True: everything is there. */
static bool is_whole(struct export *e, struct err *err)
{
	char line[TAIL_BYTES_MAX];
	struct export_end end;
	struct arena req;
	ssize_t n;
	bool ok;

	if (e->part.csv) {
		return e->part.headed || e->part.events > 0 ||
		       err_set(err, ERR_UPSTREAM, "the server sent nothing");
	}
	n = pread(e->fd, line, sizeof(line), (off_t)e->part.end);
	arena_init(&req, 0);
	ok = n > 0 && export_end_read((struct slice) { line, (size_t)n }, &req, &end);
	e->lost = ok ? end.lost : 0;
	if (!ok) {
		err_set(err, ERR_UPSTREAM, "the server broke off");
	} else if (!end.complete) {
		err_set(err, ERR_UPSTREAM, "the server stopped: %.*s", SARG(end.failed));
	}
	arena_release(&req);
	return ok && end.complete;
}

/* One answer. NOT_FOUND: it was cut, and another may go on; FAILED: there is no use in one. */
static enum found fetch(struct export *e, struct client_reply *reply, struct err *err)
{
	struct client_call call = { .method = "GET", .path = call_path(e) };
	bool answered = client_stream(e->client, &call, on_bytes, e, reply, err);

	if (e->io.kind != ERR_NONE) {
		*err = e->io;
		return FAILED;
	}
	if (reply->status != 0 && reply->status != 200) {
		return client_ok(reply, err) || client_retryable(reply) ? NOT_FOUND : FAILED;
	}
	return answered && is_whole(e, err) ? FOUND : NOT_FOUND;
}

static void wait_to_try(int tries, int64_t retry_after_ms)
{
	int64_t ms = WAIT_MS_MIN;

	for (int i = 1; i < tries && ms < WAIT_MS_MAX; i++) {
		ms *= 2;
	}
	ms = ms > retry_after_ms ? ms : retry_after_ms;
	ms = ms > WAIT_MS_MAX ? WAIT_MS_MAX : ms;
	poll(NULL, 0, (int)(ms / 2 + (int64_t)rand_below((uint64_t)ms / 2 + 1)));
}

static bool fetch_all(struct export *e, struct err *err)
{
	struct client_reply reply = { 0 };
	enum found found;
	int tries = 0;

	for (;;) {
		uint64_t before = e->part.events;
		struct err again;

		found = fetch(e, &reply, err);
		tries = e->part.events > before ? 1 : tries + 1;
		if (found != NOT_FOUND || tries == TRIES_MAX) {
			break;
		}
		if (!e->in->quiet) {
			fprintf(stderr, "tocsin export: %s; going on behind %llu events\n",
				err->text, (unsigned long long)e->part.events);
		}
		if (!take_up(e, &again)) {
			*err = again;
			found = FAILED;
			break;
		}
		wait_to_try(tries, reply.retry_after_ms);
	}
	client_reply_release(&reply);
	return found == FOUND;
}

/* Flushed before it gets its name. */
static bool name_file(struct export *e, struct err *err)
{
	char *out = arena_cstr(e->boot, e->in->out);
	char *copy = arena_cstr(e->boot, e->in->out);
	int dir;

	if (ftruncate(e->fd, (off_t)e->part.end) != 0 || fsync(e->fd) != 0 ||
	    rename(e->path, out) != 0) {
		return err_errno(err, errno, "finish \"%s\"", out);
	}
	(void)unlink(e->filters_path); /* the next part of this name writes it anew */
	dir = open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dir >= 0) {
		(void)fsync(dir);
		close(dir);
	}
	return true;
}

static bool export_to_file(struct export *e, struct err *err)
{
	return open_part(e, err) && fetch_all(e, err) && name_file(e, err);
}

static int run(const struct flags *flags UNUSED, const void *arg, struct arena *boot)
{
	struct export e = { .in = arg, .boot = boot, .fd = -1 };
	struct err err;
	bool ok;

	buf_init(&e.kept, READ_BYTES);
	if (!client_open(&e.client, &e.in->from, true, &err)) {
		fprintf(stderr, "tocsin export: %s\n", err.text);
		return 2;
	}
	ok = export_to_file(&e, &err);
	if (!ok) {
		fprintf(stderr, "tocsin export: %s\n", err.text);
	} else if (e.lost > 0) {
		fprintf(stderr,
			"tocsin export: the server's log is damaged (places: %llu); what was "
			"there is missing\n",
			(unsigned long long)e.lost);
	}
	if (ok && !e.in->quiet) {
		fprintf(stderr, "%llu events in %.*s\n", (unsigned long long)e.part.events,
			SARG(e.in->out));
	}
	if (e.fd >= 0) {
		close(e.fd);
	}
	buf_release(&e.kept);
	client_close(&e.client);
	return ok && e.lost == 0 ? 0 : 1;
}

int cmd_export(int argc, char **argv)
{
	struct flags flags = {
		.command = "export",
		.about =
			"Write events to a file, oldest first. When it was interrupted, the same "
			"words again go on where\nit stopped; with other filters they are refused.",
		.rows = rows,
		.n = ARRAY_LEN(rows),
	};
	struct export_flags in = { 0 };

	return flags_run(&flags, argc, argv, &in, run);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* The last line vouches for the others, so that a cut or changed manifest is none. */
#include "cmd/manifest.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "base/field.h"
#include "base/hex.h"
#include "base/json_put.h"
#include "base/log.h"

#define FORMAT 1
#define MANIFEST_BYTES_MAX ((size_t)256 << 20) /* a million files */
#define FILES_MAX ((size_t)1 << 20)
#define PATH_CHARS_MAX 200
#define HASH_CHARS ((size_t)2 * VAULT_HASH_BYTES)
#define CHECK_HEAD "{\"check\":\""
#define CHECK_TAIL "\"}\n"
#define CHECK_BYTES (sizeof(CHECK_HEAD) - 1 + HASH_CHARS + sizeof(CHECK_TAIL) - 1)
#define PATH_BYTES 4096

struct head_fields {
	int64_t format;
	struct slice version;
	int64_t taken_us;
	bool encrypted;
	bool postgres;
	struct slice journal;
	int64_t schema, cursor, alerts, deliveries;
	int64_t first, last;
};

#define NUMBER(S, m, name, text) FIELD_INT(S, m, name, .max = INT64_MAX, .help = (text))
static const struct field head_rows[] = {
	NUMBER(struct head_fields, format, "format", "Of the backup."),
	FIELD_STR(struct head_fields, version, "tocsin", .max = 40, .help = "Who wrote it."),
	FIELD_TIME(struct head_fields, taken_us, "takenAt", .help = "When."),
	FIELD_BOOL(struct head_fields, encrypted, "encrypted", .help = "With a key."),
	FIELD_BOOL(struct head_fields, postgres, "postgres", .help = "Where the state was."),
	FIELD_STR(struct head_fields, journal, "journal", .max = 64, .help = "Its id."),
	NUMBER(struct head_fields, schema, "schema", "Of the state."),
	NUMBER(struct head_fields, cursor, "cursor", "The last record the state has seen."),
	NUMBER(struct head_fields, alerts, "alerts", "Numbers given."),
	NUMBER(struct head_fields, deliveries, "deliveries", "Numbers given."),
	NUMBER(struct head_fields, first, "firstRecord", "Of the journal."),
	NUMBER(struct head_fields, last, "lastRecord", "Of the journal."),
};

struct file_fields {
	struct slice name;
	struct slice stored;
	int64_t bytes;
	struct slice hash;
	int64_t first, last;
};

/* Inside the folder, and nothing that a shell or a file system could read in two ways. */
static const char *check_path(struct slice s)
{
	char before = '/';

	for (size_t i = 0; i < s.n; i++) {
		char c = s.p[i];
		bool plain = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' ||
			     c == '_' || c == '/' || c == '.';

		if (!plain || (before == '/' && (c == '.' || c == '/'))) {
			return "must name a file in the folder";
		}
		before = c;
	}
	return before == '/' ? "must name a file in the folder" : NULL;
}

static const struct field file_rows[] = {
	FIELD_STR(struct file_fields, name, "name", .min = 1, .max = PATH_CHARS_MAX,
		  .check = check_path, .flags = FIELD_REQUIRED, .help = "In the data directory."),
	FIELD_STR(struct file_fields, stored, "stored", .min = 1, .max = PATH_CHARS_MAX,
		  .check = check_path, .flags = FIELD_REQUIRED, .help = "In this folder."),
	NUMBER(struct file_fields, bytes, "bytes", "Before encryption."),
	FIELD_STR(struct file_fields, hash, "hash", .min = HASH_CHARS, .max = HASH_CHARS,
		  .flags = FIELD_REQUIRED, .help = "BLAKE2b of the bytes before encryption."),
	NUMBER(struct file_fields, first, "firstRecord", "0: none."),
	NUMBER(struct file_fields, last, "lastRecord", "0: none."),
};

static void encode_head(const struct manifest *m, struct json_w *w)
{
	json_w_object(w);
	json_put_int(w, "format", FORMAT);
	json_put_str(w, "tocsin", m->version);
	json_put_time(w, "takenAt", m->taken_us);
	json_put_bool(w, "encrypted", m->encrypted);
	json_put_bool(w, "postgres", m->postgres);
	json_put_str(w, "journal", m->journal);
	json_put_int(w, "schema", m->state.schema);
	json_put_int(w, "cursor", (int64_t)m->state.cursor);
	json_put_int(w, "alerts", (int64_t)m->state.alerts);
	json_put_int(w, "deliveries", (int64_t)m->state.deliveries);
	json_put_int(w, "firstRecord", (int64_t)m->first_seq);
	json_put_int(w, "lastRecord", (int64_t)m->last_seq);
	json_w_end(w);
}

static void encode_file(const struct manifest_file *file, struct json_w *w)
{
	char hex[HASH_CHARS];

	hex_encode(file->sum.hash, VAULT_HASH_BYTES, hex);
	json_w_object(w);
	json_put_str(w, "name", file->name);
	json_put_str(w, "stored", file->stored);
	json_put_int(w, "bytes", (int64_t)file->sum.bytes);
	json_put_str(w, "hash", (struct slice) { hex, sizeof(hex) });
	json_put_int(w, "firstRecord", (int64_t)file->first_seq);
	json_put_int(w, "lastRecord", (int64_t)file->last_seq);
	json_w_end(w);
}

static void check_line(struct slice text, const struct vault_key *key, char out[CHECK_BYTES])
{
	unsigned char sum[VAULT_HASH_BYTES];

	vault_hash(text, key, sum);
	memcpy(out, CHECK_HEAD, sizeof(CHECK_HEAD) - 1);
	hex_encode(sum, sizeof(sum), out + sizeof(CHECK_HEAD) - 1);
	memcpy(out + sizeof(CHECK_HEAD) - 1 + HASH_CHARS, CHECK_TAIL, sizeof(CHECK_TAIL) - 1);
}

void manifest_encode(const struct manifest *m, const struct vault_key *key, struct buf *out)
{
	char check[CHECK_BYTES];
	struct json_w w;

	json_w_init(&w, out);
	encode_head(m, &w);
	buf_putc(out, '\n');
	for (size_t i = 0; i < m->n; i++) {
		json_w_init(&w, out);
		encode_file(&m->files[i], &w);
		buf_putc(out, '\n');
	}
	check_line(buf_slice(out), key, check);
	buf_put(out, check, sizeof(check));
}

static bool parse_line(struct slice *text, const struct field *rows, size_t n, void *out,
		       struct fields_in *in, struct arena *boot, struct err *err)
{
	const struct json *object;
	struct slice line;

	if (!slice_split(text, '\n', &line)) {
		return err_set(err, ERR_CORRUPT, "the manifest is empty");
	}
	return json_parse(boot, line, 2, &object, err) &&
	       fields_parse(object, rows, n, out, in, boot, err);
}

static bool decode_head(struct slice *text, struct arena *boot, struct manifest *m, struct err *err)
{
	struct fields_in in = { .ignore_unknown = true };
	struct head_fields h = { 0 };

	if (!parse_line(text, head_rows, ARRAY_LEN(head_rows), &h, &in, boot, err)) {
		return false;
	}
	if (h.format > FORMAT) {
		return err_set(err, ERR_CONFLICT,
			       "the backup has format %lld, this program knows up to %d: use "
			       "tocsin %.*s or newer",
			       (long long)h.format, FORMAT, SARG(h.version));
	}
	*m = (struct manifest) { .version = h.version,
				 .taken_us = h.taken_us,
				 .encrypted = h.encrypted,
				 .postgres = h.postgres,
				 .journal = h.journal,
				 .state = { .schema = (unsigned)h.schema,
					    .cursor = (uint64_t)h.cursor,
					    .alerts = (uint64_t)h.alerts,
					    .deliveries = (uint64_t)h.deliveries },
				 .first_seq = (uint64_t)h.first,
				 .last_seq = (uint64_t)h.last };
	return true;
}

static bool decode_file(struct slice *text, struct arena *boot, struct manifest_file *file,
			struct err *err)
{
	struct file_fields f = { 0 };

	if (!parse_line(text, file_rows, ARRAY_LEN(file_rows), &f, NULL, boot, err)) {
		return false;
	}
	*file = (struct manifest_file) { .name = f.name,
					 .stored = f.stored,
					 .sum.bytes = (uint64_t)f.bytes,
					 .first_seq = (uint64_t)f.first,
					 .last_seq = (uint64_t)f.last };
	return hex_decode(f.hash, file->sum.hash, VAULT_HASH_BYTES) ||
	       err_set(err, ERR_CORRUPT, "\"hash\" is no hash");
}

/* A key is wanted or not: that is asked first, because without it the check cannot be right. */
static bool check_key(const struct manifest *m, const struct vault_key *key, struct err *err)
{
	if (m->encrypted && !key->set) {
		return err_set(err, ERR_INVALID,
			       "the backup is encrypted: give \"--encrypt-key-file\"");
	}
	return m->encrypted || !key->set ||
	       err_set(err, ERR_INVALID,
		       "the backup is not encrypted: leave out \"--encrypt-key-file\"");
}

static size_t lines_in(struct slice text)
{
	size_t n = 0;

	for (size_t i = 0; i < text.n; i++) {
		n += text.p[i] == '\n';
	}
	return n;
}

bool manifest_decode(struct slice text, const struct vault_key *key, struct arena *boot,
		     struct manifest *m, struct err *err)
{
	char check[CHECK_BYTES];
	struct slice body = text;
	size_t lines;

	*m = (struct manifest) { 0 };
	if (text.n < CHECK_BYTES) {
		return err_set(err, ERR_CORRUPT, "the manifest is cut");
	}
	body.n -= CHECK_BYTES;
	lines = lines_in(body);
	check_line(body, key, check);
	if (!decode_head(&body, boot, m, err) || !check_key(m, key, err)) {
		return false;
	}
	if (memcmp(text.p + text.n - CHECK_BYTES, check, CHECK_BYTES) != 0 || lines > FILES_MAX) {
		return err_set(err, ERR_CORRUPT, "the manifest is damaged%s",
			       key->set ? ", or made with another key" : "");
	}
	m->files = arena_array(boot, lines, sizeof(*m->files));
	for (m->n = 0; m->n + 1 < lines; m->n++) {
		if (!decode_file(&body, boot, &m->files[m->n], err)) {
			return false;
		}
	}
	return true;
}

static enum found read_text(const char *path, struct buf *text, struct err *err)
{
	FILE *f = fopen(path, "re");
	enum found found = FOUND;

	if (f == NULL && errno == ENOENT) {
		return NOT_FOUND;
	}
	while (f != NULL && feof(f) == 0 && ferror(f) == 0) {
		char *to = buf_room(text, 1 << 16);

		if (to == NULL) {
			break;
		}
		text->n += fread(to, 1, 1 << 16, f);
	}
	if (f == NULL || ferror(f) != 0) {
		err_errno(err, errno, "read \"%s\"", path);
		found = FAILED;
	} else if (text->overflow) {
		err_set(err, ERR_TOO_LARGE, "\"%s\" is too large", path);
		found = FAILED;
	}
	if (f != NULL) {
		fclose(f);
	}
	return found;
}

enum found manifest_read(struct slice dir, const struct vault_key *key, struct arena *boot,
			 struct manifest *out, struct err *err)
{
	char path[PATH_BYTES];
	enum found found;
	struct buf text;

	snprintf(path, sizeof(path), "%.*s/" MANIFEST_NAME, SARG(dir));
	buf_init(&text, MANIFEST_BYTES_MAX);
	found = read_text(path, &text, err);
	if (found == FOUND &&
	    !manifest_decode(arena_dup(boot, buf_slice(&text)), key, boot, out, err)) {
		if (err->kind == ERR_MALFORMED) {
			err->kind = ERR_CORRUPT;
		}
		err_wrap(err, "\"%s\"", path);
		found = FAILED;
	}
	buf_release(&text);
	return found;
}

static bool write_text(const char *path, struct slice text, struct err *err)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	bool ok = fd >= 0;

	while (ok && text.n > 0) {
		ssize_t n = write(fd, text.p, text.n);

		ok = n >= 0 || errno == EINTR;
		text = slice_from(text, n > 0 ? (size_t)n : 0);
	}
	ok = ok && fsync(fd) == 0;
	if (!ok) {
		err_errno(err, errno, "write \"%s\"", path);
	}
	if (fd >= 0) {
		close(fd);
	}
	return ok;
}

bool manifest_write(struct slice dir, const struct vault_key *key, const struct manifest *manifest,
		    struct err *err)
{
	char path[PATH_BYTES], temporary[PATH_BYTES];
	struct buf text;
	bool ok;

	snprintf(path, sizeof(path), "%.*s/" MANIFEST_NAME, SARG(dir));
	snprintf(temporary, sizeof(temporary), "%.*s/" MANIFEST_NAME ".tmp", SARG(dir));
	buf_init(&text, MANIFEST_BYTES_MAX);
	manifest_encode(manifest, key, &text);
	ok = text.overflow ? err_set(err, ERR_TOO_LARGE, "the backup has too many files")
			   : write_text(temporary, buf_slice(&text), err);
	buf_release(&text);
	if (ok && rename(temporary, path) != 0) {
		ok = err_errno(err, errno, "rename \"%s\"", temporary);
	}
	return ok;
}

const struct manifest_file *manifest_find(const struct manifest *m, struct slice name)
{
	for (size_t i = 0; i < m->n; i++) {
		if (slice_eq(m->files[i].name, name)) {
			return &m->files[i];
		}
	}
	return NULL;
}

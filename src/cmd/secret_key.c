/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One short file that everything sealed depends on: it is written beside its place, flushed, and
 * moved there, and never written again by us. Whoever changes keys edits it.
 */
#include "cmd/secret_key.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/hex.h"
#include "base/rand.h"
#include "cmd/data_dir.h"

#define FILE_BYTES_MAX 4096 /* far over SEAL_KEYS_MAX lines */
#define LINE_BYTES (BASE64_LEN(SEAL_KEY_BYTES) + 1)

static bool add_setting(const struct settings *settings, struct seal *seal, struct err *err)
{
	return settings->secret_key.n == 0 || seal_add_text(seal, settings->secret_key, err) ||
	       err_wrap(err, "\"secret-key\"");
}

/* What does not fit is longer than any list of keys, and refused as such. */
static bool add_text_of(int fd, const char *path, struct seal *seal, struct err *err)
{
	char text[FILE_BYTES_MAX];
	size_t n = 0;
	ssize_t got;
	bool ok;

	while (n < sizeof(text) && (got = read(fd, text + n, sizeof(text) - n)) != 0) {
		if (got < 0 && errno != EINTR) {
			secret_wipe(text, sizeof(text));
			return err_errno(err, errno, "read \"%s\"", path);
		}
		n += got > 0 ? (size_t)got : 0;
	}
	ok = (n < sizeof(text) && seal_add_text(seal, (struct slice) { text, n }, err)) ||
	     (n == sizeof(text) &&
	      err_set(err, ERR_INVALID, "it is over %d bytes", FILE_BYTES_MAX - 1));
	secret_wipe(text, sizeof(text));
	return ok || err_wrap(err, "the key file \"%s\"", path);
}

static enum found add_file(const char *path, struct seal *seal, struct err *err)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	bool ok;

	if (fd < 0) {
		if (errno == ENOENT) {
			return NOT_FOUND;
		}
		err_errno(err, errno, "open \"%s\"", path);
		return FAILED;
	}
	ok = add_text_of(fd, path, seal, err);
	close(fd);
	return ok ? FOUND : FAILED;
}

enum found secret_key_find(const struct settings *settings, struct arena *boot, struct seal **out,
			   struct err *err)
{
	const char *path = data_dir_path(settings->data, SECRET_KEY_NAME, boot).p;
	struct seal *seal = seal_new();
	enum found found = FAILED;

	if (add_setting(settings, seal, err)) {
		found = add_file(path, seal, err);
		found = found == NOT_FOUND && seal_keys(seal) > 0 ? FOUND : found;
	}
	if (found != FOUND) {
		seal_free(&seal);
	}
	*out = seal;
	return found;
}

static bool write_line(int fd, const char *path, const unsigned char key[SEAL_KEY_BYTES],
		       struct err *err)
{
	char line[LINE_BYTES];
	bool ok;

	base64_encode(key, SEAL_KEY_BYTES, line);
	line[sizeof(line) - 1] = '\n';
	ok = fchmod(fd, 0600) == 0 && write(fd, line, sizeof(line)) == sizeof(line) &&
	     fsync(fd) == 0;
	secret_wipe(line, sizeof(line));
	return ok || err_errno(err, errno, "write \"%s\"", path);
}

static bool flush_folder(const char *path, struct err *err)
{
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	bool ok = fd >= 0 && fsync(fd) == 0;

	if (!ok) {
		err_errno(err, errno, "flush the folder \"%s\"", path);
	}
	if (fd >= 0) {
		close(fd);
	}
	return ok;
}

/* What an interrupted start has left under the other name is written over. */
static bool make_file(struct slice dir, struct arena *boot, struct err *err)
{
	const char *path = data_dir_path(dir, SECRET_KEY_NAME, boot).p;
	const char *new = data_dir_path(dir, SECRET_KEY_NAME ".new", boot).p;
	unsigned char key[SEAL_KEY_BYTES];
	int fd = open(new, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
	bool ok;

	if (fd < 0) {
		return err_errno(err, errno, "create \"%s\"", new);
	}
	rand_bytes(key, sizeof(key));
	ok = write_line(fd, new, key, err);
	secret_wipe(key, sizeof(key));
	close(fd);
	return ok && (rename(new, path) == 0 || err_errno(err, errno, "rename \"%s\"", new)) &&
	       flush_folder(arena_cstr(boot, dir), err);
}

bool secret_key_open(const struct settings *settings, struct arena *boot, struct seal **out,
		     bool *made, struct err *err)
{
	enum found found = secret_key_find(settings, boot, out, err);

	*made = false;
	if (found == NOT_FOUND) {
		if (!make_file(settings->data, boot, err)) {
			return false;
		}
		*made = true;
		found = secret_key_find(settings, boot, out, err);
		ensure(found != NOT_FOUND);
	}
	return found == FOUND;
}

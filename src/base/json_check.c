/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Says what our reading of JSON takes. With files, or standard input: exit 0 when all are valid,
 * else 1 and one line per bad one. With --suite DIR: a folder in the manner of JSONTestSuite, where
 * y_ must be taken and n_ refused; i_ is free and only printed.
 *
 * What we make of the free ones: numbers of any size are taken, because they stay text; text that
 * is not UTF-8 (other encodings, a byte order mark, lone surrogates, escaped or not) is refused,
 * and so is nesting over JSON_DEPTH_MAX. Two y_ files have a name twice, which RFC 8259 allows and
 * RFC 7493 forbids; we refuse them, and check here that this is the one thing we hold against them.
 */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/json.h"

#define FILE_BYTES_MAX ((size_t)64 << 20) /* far above any request body */

static struct slice read_all(FILE *f, struct buf *buf)
{
	char *room;
	size_t n;

	do {
		room = buf_room(buf, 65536);
		ensure(room != NULL);
		n = fread(room, 1, 65536, f);
		buf->n += n;
	} while (n > 0);
	return buf_slice(buf);
}

/* The scanner and the tree must agree about f. */
static bool is_valid(FILE *f, struct err *err)
{
	struct arena arena;
	struct json_scan scan;
	struct buf buf;
	struct slice text, raw;
	const struct json *tree;
	struct err tree_err;
	bool ok;

	arena_init(&arena, (size_t)8 << 30);
	buf_init(&buf, FILE_BYTES_MAX);
	text = read_all(f, &buf);
	json_scan_init(&scan, text, JSON_DEPTH_MAX, &arena);
	ok = json_raw(&scan, &raw, err) && json_end(&scan, err);
	ensure(text.n > JSON_TREE_BYTES_MAX ||
	       json_parse(&arena, text, JSON_DEPTH_MAX, &tree, &tree_err) == ok);
	buf_release(&buf);
	arena_release(&arena);
	return ok;
}

static bool check_file(const char *path, struct err *err)
{
	FILE *f = fopen(path, "rb");
	bool ok;

	if (f == NULL) {
		perror(path);
		exit(2);
	}
	ok = is_valid(f, err);
	fclose(f);
	return ok;
}

/* Whether the verdict is the one that the name of the file asks for. */
static bool is_right(const char *name, bool ok, const struct err *err)
{
	if (strncmp(name, "y_object_duplicated_key", 23) == 0) {
		return !ok && strstr(err->text, "stands twice") != NULL;
	}
	if (name[0] == 'i') {
		printf("%s: %s\n", name, ok ? "taken" : err->text);
		return true;
	}
	return ok == (name[0] == 'y');
}

static int check_suite(const char *dir)
{
	DIR *d = opendir(dir);
	unsigned right = 0, wrong = 0;

	if (d == NULL) {
		perror(dir);
		return 2;
	}
	for (struct dirent *e = readdir(d); e != NULL; e = readdir(d)) {
		struct err err = { 0 };
		char path[4096];
		bool ok;

		if (strchr("yni", e->d_name[0]) == NULL || e->d_name[1] != '_') {
			continue;
		}
		snprintf(path, sizeof(path), "%s/%s", dir, e->d_name);
		ok = check_file(path, &err);
		if (is_right(e->d_name, ok, &err)) {
			right++;
		} else {
			wrong++;
			printf("WRONG %s: %s\n", e->d_name, ok ? "taken" : err.text);
		}
	}
	closedir(d);
	printf("%u right, %u wrong\n", right, wrong);
	return wrong == 0 && right > 0 ? 0 : 1;
}

int main(int argc, char **argv)
{
	struct err err;
	int status = 0;

	if (argc == 3 && strcmp(argv[1], "--suite") == 0) {
		return check_suite(argv[2]);
	}
	if (argc == 1 && !is_valid(stdin, &err)) {
		printf("%s\n", err.text);
		status = 1;
	}
	for (int i = 1; i < argc; i++) {
		if (!check_file(argv[i], &err)) {
			printf("%s: %s\n", argv[i], err.text);
			status = 1;
		}
	}
	return status;
}

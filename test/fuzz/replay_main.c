/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Feeds every file of the folders given to a fuzz driver, as one TAP test: what fuzzing found once
 * is tried by every build, also where there is no libFuzzer. A crash is seen as a missing result.
 */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "base/base.h"
#include "test/fuzz/fuzz.h"

/* Inputs larger than this are no seeds; libFuzzer's own default is far below. */
#define INPUT_BYTES_MAX (16 << 20)

static void replay(const char *path, size_t size)
{
	FILE *f = fopen(path, "rb");
	/* Its own block of the exact size, so that the address sanitizer sees its end. */
	uint8_t *p = malloc(size == 0 ? 1 : size);
	size_t n;

	ensure(f != NULL && p != NULL && size <= INPUT_BYTES_MAX);
	printf("# %s\n", path);
	fflush(stdout);
	n = fread(p, 1, size, f);
	ensure(n == size);
	LLVMFuzzerTestOneInput(p, n);
	free(p);
	fclose(f);
}

static size_t replay_dir(const char *dir)
{
	DIR *d = opendir(dir);
	char path[4096];
	size_t count = 0;
	struct stat st;

	ensure(d != NULL);
	for (struct dirent *e = readdir(d); e != NULL; e = readdir(d)) {
		snprintf(path, sizeof(path), "%s/%s", dir, e->d_name);
		if (stat(path, &st) == 0 && S_ISREG(st.st_mode)) {
			replay(path, (size_t)st.st_size);
			count++;
		}
	}
	closedir(d);
	return count;
}

int main(int argc, char **argv)
{
	size_t count = 0;

	printf("1..1\n");
	for (int i = 1; i < argc; i++) {
		count += replay_dir(argv[i]);
	}
	printf("%s 1 - replays its %zu inputs\n", count > 0 ? "ok" : "not ok", count);
	return count > 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* A journal is opened in the order of epochs; a directory has no order. */
#include "journal/file/epochs.h"

#include <stdlib.h>

#include "journal/file/file_journal.h"

struct listing {
	const struct file_journal *j;
	epoch_of *of;
	struct epochs *epochs;
};

static void note(void *to, const char *name)
{
	const struct listing *listing = to;
	struct epochs *epochs = listing->epochs;
	uint64_t epoch;

	if (listing->of(name, &epoch) && file_wanted(listing->j, name)) {
		epochs->v = mem_resize(epochs->v, epochs->n + 1, sizeof(epoch));
		epochs->v[epochs->n++] = epoch;
	}
}

static int compare(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a;
	uint64_t y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

/* Files that somebody else just replaced by another are no damage. */
static bool complete(const struct file_journal *j, epoch_of *of, const struct epochs *epochs,
		     struct err *err)
{
	size_t n = 0;

	for (size_t i = 0; i < j->n_only; i++) {
		uint64_t epoch;

		n += of(j->only[i].name, &epoch);
	}
	return j->n_only == 0 || n == epochs->n ||
	       err_set(err, ERR_IO, "files of \"%s\" were replaced meanwhile", j->dir);
}

bool epochs_list(const struct file_journal *j, epoch_of *of, struct epochs *epochs, struct err *err)
{
	struct listing listing = { j, of, epochs };
	int rc;

	*epochs = (struct epochs) { 0 };
	rc = j->files.ops->list(j->files.arg, j->dir, note, &listing);
	if (epochs->n > 0) {
		qsort(epochs->v, epochs->n, sizeof(*epochs->v), compare);
	}
	return rc < 0 ? err_errno(err, -rc, "list \"%s\"", j->dir) : complete(j, of, epochs, err);
}

void epochs_release(struct epochs *epochs)
{
	free(epochs->v);
	*epochs = (struct epochs) { 0 };
}

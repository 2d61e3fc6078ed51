/* SPDX-License-Identifier: Apache-2.0 */
#ifndef JOURNAL_FILE_KEYS_H
#define JOURNAL_FILE_KEYS_H

#include "journal/file/key_file.h"
#include "journal/file/key_sieve.h"
#include "journal/file/parts.h"

/*
 * The idempotency keys of sealed records. Each sealed file has a table of its own; tables of
 * neighbours are merged into files of their own (key_file.h), four or more of a size into the next
 * size, so that a look-up asks a dozen tables however many sealed files there are; and a sieve in
 * memory, of bounded size, tells of most keys that no table has them. Whatever is wrong with a
 * merged table, the sealed files still know, so nothing here can lose a key.
 *
 * Two threads meet: whoever seals makes sets of tables, and the loop takes the newest one when it
 * appends. A set never changes; an old one goes back to the sealer, which frees it.
 */

/* One table: of a sealed file, or merged. */
struct key_run {
	_Atomic unsigned refs;
	struct part *part; /* or NULL, and then */
	struct key_file *file;
	struct key_table table;
	uint64_t first_seq;
	uint64_t last_seq;
	int64_t first_us;
	int64_t last_us;
	_Atomic bool damaged; /* ask the sealed files instead */
};
struct key_item {
	struct key_run *run;
	bool sieved; /* its keys are in the sieve */
};

/* What the loop asks. */
struct key_set {
	struct key_item *items; /* the newest first; with keys, and inside the window */
	size_t n;
	bool sieved; /* all of them */
	bool sharp;  /* and there is a sieve: of nearly all new keys it says that they are new */
	struct key_sieve sieve;
	uint64_t end_seq; /* keys of all records before it are in tables */
};

struct key_merging;
struct key_sifting;
struct key_budget;
struct keys {
	/* Loop thread. */
	struct key_set *set; /* never NULL between open and close */

	/* From one to the other. */
	_Atomic(struct key_set *) fresh;
	_Atomic(struct key_set *) old;
	_Atomic uint64_t sieve_bytes;
	_Atomic uint64_t tables;
	_Atomic uint64_t over_budget; /* keys that went for that */

	/* Of whoever calls file_seal. */
	uint64_t sieve_bytes_max;
	struct key_sieve sieve;
	uint64_t sieve_lines; /* of a shard */
	uint64_t sieve_keys;  /* that were added, those gone since included */
	struct key_sifting *sifting;
	uint64_t project_keys_max; /* that a project may have when there are too many */
	struct key_budget *budget;
	uint64_t stuck;		/* value of seen for which the budget can do no more */
	int64_t tell_us;	/* no log line about it before; of files.mono_us */
	struct key_item *items; /* the oldest first */
	size_t n;
	size_t cap;
	uint64_t seen;	  /* value of parts_changes that items were made for */
	uint64_t end_seq; /* behind the last sealed file then */
	uint64_t version; /* another one whenever items change */
	struct key_merging *merging;
	int64_t again_us; /* no merge before, after one failed; of files.mono_us */
};

/*
 * keys_open.c: find the merged tables of the sealed files that are open, remove what cannot be
 * used or was never finished, and make the first set. Damage costs nothing but time. Reads the
 * ends of the files alone.
 */
NODISCARD bool keys_open(struct file_journal *j, struct err *err);
/* No other thread uses them any more. */
void keys_close(struct file_journal *j);

/* Take the newest set, if there is one. Loop thread. */
void keys_adopt(struct file_journal *j);
/*
 * Look what changed in the list of sealed files, go on with the sieve, or with a merge: some
 * milliseconds of it. NOT_FOUND: there is nothing to do. What fails is logged and tried again
 * later. Of whoever calls file_seal.
 */
enum found keys_work(struct file_journal *j);
/* Give up a merge that is half done, its file too. Of whoever calls file_seal, or at the end. */
void keys_stop(struct file_journal *j);

/* keys_list.c: the list of tables; of whoever calls file_seal. */
struct key_run *key_run_ref(struct key_run *run);
void key_run_unref(struct key_run **run);
/* Make the list anew from the sealed files. True when it is another one. */
bool keys_refresh(struct file_journal *j);
/*
 * Add a merged table, for the next refresh to sort in. sieved: so were all that it was made of. The
 * file is taken.
 */
void keys_add_file(struct file_journal *j, struct key_file *file, bool sieved);
/* Let the loop see the list. */
void keys_publish(struct file_journal *j);
/* Free the set that the loop gave back. */
void keys_collect(struct file_journal *j);

/*
 * keys_sift.c: bring the sieve nearer to what it should be. False when it is that. Publishes. Of
 * whoever calls file_seal.
 */
bool keys_sift(struct file_journal *j);
void keys_sift_stop(struct keys *keys);

/* Whether there are more keys than the sieve can tell apart well. */
bool keys_too_many(const struct keys *keys);

/* A table to write anew without some keys. */
struct key_rewrite {
	size_t item;
	unsigned char *gone; /* of the caller: bit i for record first_seq + i; NULL: no table yet */
	uint64_t first_seq;
	uint64_t n;
	uint64_t keys; /* about so many go */
};
/*
 * keys_budget.c: what projects have over their budget, when there are too many keys. FOUND with or
 * without a table: there is more to do. Of whoever calls file_seal.
 */
enum found keys_budget(struct file_journal *j, struct key_rewrite *rewrite);
void keys_budget_release(struct keys *keys);

/* keys_choose.c: which neighbours to make one of: items from *from up to before *to. Pure. */
bool keys_choose(const struct key_item *items, size_t n, int64_t window_us, size_t *from,
		 size_t *to);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
#ifndef JOURNAL_DRIVER_H
#define JOURNAL_DRIVER_H

#include "journal/care.h"

/*
 * What a driver of the journal provides: each operation as journal.h says of the function of the
 * same name. A driver embeds struct journal and struct journal_iter in its own.
 */
struct journal_driver {
	void (*close)(struct journal *journal);
	bool (*append)(struct journal *journal, struct journal_batch *batch, int64_t wall_us,
		       int64_t mono_us, struct err *err);
	void (*turn)(struct journal *journal);
	void (*complete)(struct journal *journal);
	void (*drain)(struct journal *journal);
	bool (*failed)(const struct journal *journal);
	bool (*prepare)(struct journal *journal, struct err *err);
	enum found (*seal)(struct journal *journal, struct err *err);
	enum found (*scrub)(struct journal *journal, int64_t now_us, int64_t every_us,
			    struct err *err);
	bool (*verify)(struct journal *journal, bool deep, journal_damage_fn *on_damage, void *arg,
		       struct journal_health *health, struct err *err);
	bool (*lost_numbers)(struct journal *journal, const struct journal_damage *damage,
			     journal_run_fn *visit, void *arg, struct err *err);
	bool (*set_aside)(struct journal *journal, journal_damage_fn *on_damage, void *arg,
			  size_t *n, struct err *err);
	enum found (*purge)(struct journal *journal, struct journal_purge *purge, struct err *err);
	uint64_t (*unsealed)(struct journal *journal);
	void (*settle)(struct journal *journal, uint64_t seq);
	uint64_t (*flushed)(const struct journal *journal);
	uint64_t (*first)(struct journal *journal);
	void (*bounds)(struct journal *journal, int64_t from_us, int64_t to_us, uint64_t *first,
		       uint64_t *last);
	int64_t (*last_received_at)(const struct journal *journal);
	uint64_t (*wait)(struct journal *journal, uint64_t after_seq, int64_t wait_us);
	void (*interrupt)(struct journal *journal);
	enum found (*read)(struct journal *journal, uint64_t seq, struct arena *req,
			   struct record *record, struct err *err);
	/* filter may be NULL. */
	struct journal_iter *(*iter_new)(struct journal *journal, uint64_t from_seq, bool reverse,
					 const struct journal_filter *filter);
	size_t (*files)(struct journal *journal, struct arena *req, struct journal_file **files);
	void (*stats)(struct journal *journal, struct journal_stats *stats);
};

struct journal_iter_driver {
	void (*free)(struct journal_iter *iter);
	enum found (*next)(struct journal_iter *iter, struct record *record, struct err *err);
	uint64_t (*at)(const struct journal_iter *iter);
	bool (*set_aside)(const struct journal_iter *iter);
	void (*set_budget)(struct journal_iter *iter, size_t bytes);
};

struct journal {
	const struct journal_driver *driver;
	struct journal_meta meta;
	journal_floor_fn *floor; /* NULL: everything is kept */
	void *floor_arg;
};

struct journal_iter {
	const struct journal_iter_driver *driver;
};

/* The floor of a project; zeros when there is none. Any thread. */
void journal_floor_of(const struct journal *journal, struct org_id org, struct project_id project,
		      struct journal_floor *floor);

/* The drivers. Options have their defaults filled in. */
NODISCARD bool file_journal_open(struct journal **journal, const struct journal_options *options,
				 struct err *err);
NODISCARD bool file_journal_repair(const struct journal_options *options, size_t *mended,
				   struct err *err);
NODISCARD bool file_journal_quarantine(const struct journal_options *options, size_t *n,
				       struct err *err);

#endif

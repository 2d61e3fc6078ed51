/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STORE_ROW_H
#define STORE_ROW_H

#include "store/db.h"
#include "store/page.h"

/*
 * How a struct maps to columns, as a table: from it come the parameters of an insert and the
 * reading of a row. FIELD() takes the kind from the member's type, so a member that changes its
 * type changes its mapping or does not compile. Internal to store/.
 */
enum row_kind {
	ROW_I64,
	ROW_U64,
	ROW_U32,
	ROW_BOOL,
	ROW_TEXT,
	ROW_OPT,
	ROW_OPT_ID,
	ROW_OPT_TEXT,
	ROW_ENUM
};

struct row_field {
	size_t offset;
	enum row_kind kind;
	const char *const *words; /* ROW_ENUM: texts by value, words_n of them */
	size_t words_n;
};
struct row_shape {
	const struct row_field *fields;
	size_t n;
	size_t size; /* of the struct */
};

#define ROW_KIND(type, member) \
	_Generic(((type *)0)->member, int64_t \
		 : ROW_I64, uint64_t \
		 : ROW_U64, uint32_t \
		 : ROW_U32, bool \
		 : ROW_BOOL, struct slice \
		 : ROW_TEXT)
#define ROW_IS(type, member, want) \
	(0 * sizeof(char[_Generic(((type *)0)->member, want : 1)]) + offsetof(type, member))
#define FIELD(type, member) \
	{ \
		.offset = offsetof(type, member), .kind = ROW_KIND(type, member) \
	}
/* An int64_t or uint64_t whose 0 is null in the database. */
#define FIELD_OPT(type, member) \
	{ \
		.offset = ROW_IS(type, member, int64_t), .kind = ROW_OPT \
	}
#define FIELD_OPT_ID(type, member) \
	{ \
		.offset = ROW_IS(type, member, uint64_t), .kind = ROW_OPT_ID \
	}
/*
 * A text whose emptiness is null in the database: for columns that are unique where they are set.
 */
#define FIELD_OPT_TEXT(type, member) \
	{ \
		.offset = ROW_IS(type, member, struct slice), .kind = ROW_OPT_TEXT \
	}
/* An enum as text; the member has the size of an int. */
#define FIELD_ENUM(type, member, names, count) \
	{ \
		.offset = offsetof(type, member) + \
			  0 * sizeof(char[sizeof(((type *)0)->member) == sizeof(int) ? 1 : -1]), \
		.kind = ROW_ENUM, .words = (names), .words_n = (count) \
	}
#define SHAPE(type, table) \
	{ \
		.fields = (table), .n = ARRAY_LEN(table), .size = sizeof(type) \
	}

/* Shapes that tenant and global functions share. */
extern const struct row_shape org_shape;
extern const struct row_shape user_shape;
extern const struct row_shape key_shape;
extern const struct row_shape rule_shape;
extern const struct row_shape alert_shape;
extern const struct row_shape delivery_shape;
extern const struct row_shape project_shape;
extern const char *const role_words[]; /* by enum role */

/* All fields of row as parameters $1..$n of q. */
NODISCARD bool row_insert(struct db *db, const struct query *q, const struct row_shape *shape,
			  const void *row, uint64_t *changed, struct err *err);
/* The same for an array of n rows, in the open transaction, in as few round trips as it takes. */
NODISCARD bool row_insert_all(struct db *db, const struct query *q, const struct row_shape *shape,
			      const void *rows, size_t n, struct err *err);
/* The first row of q, texts copied to req. */
NODISCARD enum found row_get(struct db *db, const struct query *q, struct db_args args,
			     const struct row_shape *shape, struct arena *req, void *out,
			     struct err *err);
/* All rows of q, at most max, as an array in req. *rows is NULL when there are none. */
NODISCARD bool row_list(struct db *db, const struct query *q, struct db_args args,
			const struct row_shape *shape, size_t max, struct arena *req, void **rows,
			size_t *n, struct err *err);

/*
 * One page of q, which yields up to page->limit + 1 rows: it ends with the row that reaches the
 * limit or PAGE_BYTES_MAX. *more says whether a row follows.
 */
NODISCARD bool row_page(struct db *db, const struct query *q, struct db_args args,
			const struct row_shape *shape, const struct page *page, struct arena *req,
			void **rows, size_t *n, bool *more, struct err *err);

/* The four parameters of a page, in the order of PAGE_SQL. */
struct db_value page_before_at(const struct page *page);
struct db_value page_before_id(const struct page *page);
struct db_value page_limit(const struct page *page);
struct db_value page_offset(const struct page *page);

/*
 * Set list->next to where the next page starts, or to zeroes without more. id is the member that
 * orders rows of one time.
 */
#define PAGE_NEXT(list, more, id_member) \
	do { \
		(list)->next = (struct page_at) { 0 }; \
		if (more) { \
			(list)->next.at_us = (list)->rows[(list)->n - 1].created_us; \
			(list)->next.id = (list)->rows[(list)->n - 1].id_member.v; \
		} \
	} while (0)

/* Affected-or-not of a statement on one row. */
NODISCARD enum found row_touch(struct db *db, const struct query *q, struct db_args args,
			       struct err *err);
/*
 * Run q, which removes a bounded part of what it finds, until nothing is left or it ran so many
 * times; each run is a transaction of its own.
 */
NODISCARD bool row_prune(struct db *db, const struct query *q, struct db_args args, size_t times,
			 struct err *err);
/* The single integer that q yields. */
NODISCARD bool row_int(struct db *db, const struct query *q, struct db_args args, int64_t *out,
		       struct err *err);

#endif

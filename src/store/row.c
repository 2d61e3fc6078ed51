/* SPDX-License-Identifier: Apache-2.0 */
/* Structs to parameters and back, driven by shape tables: no noun writes its own binding code. */
#include "store/row.h"

#include <stdlib.h>

static struct db_value field_value(const struct row_field *f, const void *row)
{
	const void *p = (const char *)row + f->offset;
	unsigned word;

	switch (f->kind) {
	case ROW_I64:
		return db_int(*(const int64_t *)p);
	case ROW_U64:
		return db_id(*(const uint64_t *)p);
	case ROW_U32:
		return db_int(*(const uint32_t *)p);
	case ROW_BOOL:
		return db_int(*(const bool *)p ? 1 : 0);
	case ROW_TEXT:
		return db_text(*(const struct slice *)p);
	case ROW_OPT:
		return db_opt(*(const int64_t *)p);
	case ROW_OPT_ID:
		return *(const uint64_t *)p == 0 ? db_null() : db_id(*(const uint64_t *)p);
	case ROW_OPT_TEXT:
		return ((const struct slice *)p)->n == 0 ? db_null()
							 : db_text(*(const struct slice *)p);
	case ROW_ENUM:
		memcpy(&word, p, sizeof(word));
		ensure(word < f->words_n);
		return db_text(slice_of(f->words[word]));
	}
	never("row kind");
}

static bool read_word(struct db *db, size_t col, const struct row_field *f, void *p,
		      struct err *err)
{
	struct slice text = db_col_text(db, col);
	unsigned i;

	for (i = 0; i < f->words_n; i++) {
		if (slice_eq(text, slice_of(f->words[i]))) {
			memcpy(p, &i, sizeof(i));
			return true;
		}
	}
	return err_set(err, ERR_CORRUPT, "column %zu holds an unknown word", col);
}

static bool read_field(struct db *db, size_t col, const struct row_field *f, struct arena *req,
		       void *row, struct err *err)
{
	void *p = (char *)row + f->offset;

	switch (f->kind) {
	case ROW_I64:
	case ROW_OPT:
		*(int64_t *)p = db_col_int(db, col);
		return true;
	case ROW_U64:
	case ROW_OPT_ID:
		*(uint64_t *)p = (uint64_t)db_col_int(db, col);
		return true;
	case ROW_U32:
		*(uint32_t *)p = (uint32_t)db_col_int(db, col);
		return true;
	case ROW_BOOL:
		*(bool *)p = db_col_int(db, col) != 0;
		return true;
	case ROW_TEXT:
	case ROW_OPT_TEXT:
		*(struct slice *)p = arena_dup(req, db_col_text(db, col));
		return true;
	case ROW_ENUM:
		return read_word(db, col, f, p, err);
	}
	never("row kind");
}

static bool read_row(struct db *db, const struct row_shape *shape, struct arena *req, void *row,
		     struct err *err)
{
	for (size_t i = 0; i < shape->n; i++) {
		if (!read_field(db, i, &shape->fields[i], req, row, err)) {
			db_end(db);
			return false;
		}
	}
	return true;
}

bool row_insert(struct db *db, const struct query *q, const struct row_shape *shape,
		const void *row, uint64_t *changed, struct err *err)
{
	struct db_value v[DB_ARGS_MAX];

	ensure(shape->n <= ARRAY_LEN(v));
	for (size_t i = 0; i < shape->n; i++) {
		v[i] = field_value(&shape->fields[i], row);
	}
	return db_exec(db, q, (struct db_args) { .v = v, .n = shape->n }, changed, err);
}

static bool insert_batch(struct db *db, const struct query *q, const struct row_shape *shape,
			 const char *rows, size_t n, struct db_value *v, struct err *err)
{
	for (size_t i = 0; i < n; i++) {
		for (size_t j = 0; j < shape->n; j++) {
			v[i * shape->n + j] = field_value(&shape->fields[j],
							  rows + i * shape->size);
		}
	}
	return db_exec_many(db, q, v, n, NULL, NULL, err);
}

bool row_insert_all(struct db *db, const struct query *q, const struct row_shape *shape,
		    const void *rows, size_t n, struct err *err)
{
	size_t room = n < DB_BATCH_MAX ? n : DB_BATCH_MAX;
	struct db_value *v;
	bool ok = true;

	if (n == 0) {
		return true;
	}
	v = mem_alloc(room * shape->n, sizeof(*v));
	for (size_t at = 0; at < n && ok; at += room) {
		size_t some = n - at < room ? n - at : room;

		ok = insert_batch(db, q, shape, (const char *)rows + at * shape->size, some, v,
				  err);
	}
	free(v);
	return ok;
}

/* Nothing may follow the one row; a statement that writes commits only when walked to its end. */
static bool last_row(struct db *db, const struct query *q, struct err *err)
{
	switch (db_next(db, err)) {
	case NOT_FOUND:
		return true;
	case FAILED:
		return false;
	case FOUND:
		db_end(db);
		return err_set(err, ERR_INTERNAL, "%s yields more than one row", q->name);
	}
	never("found");
}

enum found row_get(struct db *db, const struct query *q, struct db_args args,
		   const struct row_shape *shape, struct arena *req, void *out, struct err *err)
{
	enum found found;

	if (!db_run(db, q, args, err)) {
		return FAILED;
	}
	found = db_next(db, err);
	if (found != FOUND) {
		return found;
	}
	if (!read_row(db, shape, req, out, err)) {
		return FAILED;
	}
	return last_row(db, q, err) ? FOUND : FAILED;
}

/*
 * Room for one more row at the end of *rows; the array doubles, so the arena holds at most twice.
 */
static void *next_row(const struct row_shape *shape, struct arena *req, void **rows, size_t n,
		      size_t *cap)
{
	if (n == *cap) {
		size_t more = *cap == 0 ? 8 : *cap * 2;
		void *grown = arena_array(req, more, shape->size);

		if (n > 0) {
			memcpy(grown, *rows, n * shape->size);
		}
		*rows = grown;
		*cap = more;
	}
	return (char *)*rows + n * shape->size;
}

bool row_list(struct db *db, const struct query *q, struct db_args args,
	      const struct row_shape *shape, size_t max, struct arena *req, void **rows, size_t *n,
	      struct err *err)
{
	enum found found;
	size_t cap = 0;

	*rows = NULL;
	*n = 0;
	if (!db_run(db, q, args, err)) {
		return false;
	}
	while ((found = db_next(db, err)) == FOUND) {
		ensure(*n < max);
		if (!read_row(db, shape, req, next_row(shape, req, rows, *n, &cap), err)) {
			return false;
		}
		*n += 1;
	}
	return found == NOT_FOUND;
}

static size_t text_bytes(const struct row_shape *shape, const void *row)
{
	size_t bytes = 0;

	for (size_t i = 0; i < shape->n; i++) {
		if (shape->fields[i].kind == ROW_TEXT || shape->fields[i].kind == ROW_OPT_TEXT) {
			const void *p = (const char *)row + shape->fields[i].offset;

			bytes += ((const struct slice *)p)->n;
		}
	}
	return bytes;
}

bool row_page(struct db *db, const struct query *q, struct db_args args,
	      const struct row_shape *shape, const struct page *page, struct arena *req,
	      void **rows, size_t *n, bool *more, struct err *err)
{
	enum found found;
	size_t bytes = 0;
	size_t cap = 0;

	*rows = NULL;
	*n = 0;
	*more = false;
	if (!db_run(db, q, args, err)) {
		return false;
	}
	while ((found = db_next(db, err)) == FOUND) {
		void *row;

		if (*n == page->limit || bytes >= PAGE_BYTES_MAX) {
			*more = true;
			db_end(db);
			return true;
		}
		row = next_row(shape, req, rows, *n, &cap);
		if (!read_row(db, shape, req, row, err)) {
			return false;
		}
		bytes += text_bytes(shape, row);
		*n += 1;
	}
	return found == NOT_FOUND;
}

struct db_value page_before_at(const struct page *page)
{
	bool first = page->after.at_us == 0 && page->after.id == 0;

	return db_int(first ? INT64_MAX : page->after.at_us);
}

struct db_value page_before_id(const struct page *page)
{
	bool first = page->after.at_us == 0 && page->after.id == 0;

	return first ? db_int(INT64_MAX) : db_id(page->after.id);
}

/* One more than asked for, which tells whether there is a next page. */
struct db_value page_limit(const struct page *page)
{
	ensure(page->limit >= 1 && page->limit <= PAGE_ROWS_MAX);
	return db_int((int64_t)page->limit + 1);
}

struct db_value page_offset(const struct page *page)
{
	ensure(page->offset <= INT64_MAX);
	return db_int((int64_t)page->offset);
}

enum found row_touch(struct db *db, const struct query *q, struct db_args args, struct err *err)
{
	uint64_t changed;

	if (!db_exec(db, q, args, &changed, err)) {
		return FAILED;
	}
	return changed > 0 ? FOUND : NOT_FOUND;
}

bool row_prune(struct db *db, const struct query *q, struct db_args args, size_t times,
	       struct err *err)
{
	uint64_t changed = 1;

	ensure(!db_in_transaction(db));
	for (size_t i = 0; i < times && changed > 0; i++) {
		if (!db_exec(db, q, args, &changed, err)) {
			return false;
		}
	}
	return true;
}

bool row_int(struct db *db, const struct query *q, struct db_args args, int64_t *out,
	     struct err *err)
{
	enum found found;

	if (!db_run(db, q, args, err)) {
		return false;
	}
	found = db_next(db, err);
	if (found == FAILED) {
		return false;
	}
	if (found == NOT_FOUND) {
		return err_set(err, ERR_INTERNAL, "%s yields no row", q->name);
	}
	*out = db_col_int(db, 0);
	return last_row(db, q, err);
}

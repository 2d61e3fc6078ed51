/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BASE_FIELD_IMPL_H
#define BASE_FIELD_IMPL_H

#include "base/field.h"

/* What field.c and field_text.c share. */

/* The value being read: its row, and what an error about it needs. */
struct place {
	const struct field *row;
	const char *name;
	const char *path; /* of the object around it, or NULL */
	struct arena *arena;
	struct err *err;
};

/* Check v against the row and store it into the struct out. */
NODISCARD bool field_set(const struct place *at, const struct json *v, void *out);
/* field_write_text with secrets in clear. */
void field_put_text(const struct field *row, const void *in, struct buf *out);

#endif

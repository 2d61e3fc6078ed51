/* SPDX-License-Identifier: Apache-2.0 */
#ifndef UI_UI_H
#define UI_UI_H

#include "base/slice.h"

/*
 * Pages that are part of the program. Everything they need is here, nothing is loaded from
 * elsewhere, so they work where there is no way out. Constant; any thread.
 */
struct ui_file {
	const char *name; /* "docs.css" */
	const char *type; /* content type */
	struct slice body;
};
extern const struct ui_file ui_files[];
extern const size_t ui_files_n;

/* NULL when there is none of this name. */
const struct ui_file *ui_find(const char *name);

#endif

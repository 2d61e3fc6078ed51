/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BASE_CSV_H
#define BASE_CSV_H

#include "base/buf.h"

/*
 * Comma-separated values as RFC 4180 has them: cells in quotes where they hold a comma, a quote or
 * a line break, quotes doubled, lines ended by CR LF.
 *
 * A cell that a spreadsheet would run as a formula, because it begins with = + - @, a tab or a line
 * break, gets an apostrophe in front. So does one that would then look like it (apostrophes and
 * one of these): taking one apostrophe off a cell of apostrophes and one of these gives what was
 * there. Pure.
 */

/* Append a cell; first says that none stands before it in its line. */
void csv_cell(struct buf *out, struct slice text, bool first);
/* The same for what is no text of somebody's, such as a number: nothing is put in front. */
void csv_plain(struct buf *out, struct slice text, bool first);
void csv_end(struct buf *out);

#endif

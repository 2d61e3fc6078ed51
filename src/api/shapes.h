/* SPDX-License-Identifier: Apache-2.0 */
#ifndef API_SHAPES_H
#define API_SHAPES_H

#include "api/shape.h"

/*
 * The nouns that more than one file shows. Each is defined beside the function that writes it; the
 * others stay with their routes.
 */
extern const struct shape shape_event;	     /* events.c */
extern const struct shape shape_scan_failed; /* feed.c: how a search or export ends that failed */
/* What an open body looks like of which nothing is read. */
extern const struct shape shape_ignored; /* routes.c */

#endif

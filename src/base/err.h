/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BASE_ERR_H
#define BASE_ERR_H

#include "base/log.h"
#include "base/slice.h"

/*
 * Why something failed. Functions that can fail return a bool that must be used and fill a struct
 * err given as their last argument. The text is for people: lower case, no full stop, names what
 * failed; the kind is for programs: it decides status, retry, log level and metric label.
 */
enum err_kind {
	ERR_NONE,
#define X(kind, code, status, retry_s, level, doc) ERR_##kind,
#include "base/err_kinds.def"
#undef X
	ERR_KINDS
};

struct err {
	enum err_kind kind;
	char field[128]; /* the path of the value at fault, "events[3].type", or "" */
	char text[256];
};

/* One row of the table, by kind. code is also the metric label. */
struct err_info {
	const char *code;
	int http_status;
	int retry_s; /* what Retry-After says; 0: trying again does not help */
	enum log_level level;
	const char *doc;
};
const struct err_info *err_info(enum err_kind kind);

/* Fill err and return false, so that "return err_set(...)" reads as what it does. */
bool err_set(struct err *err, enum err_kind kind, const char *fmt, ...) PRINTF(3, 4);
/* The same for a value at a path; the text should name it too. */
bool err_field(struct err *err, enum err_kind kind, const char *path, const char *fmt, ...)
	PRINTF(4, 5);
/* From errno: ENOSPC and EDQUOT become DISK_FULL, all else IO. what says what was tried. */
bool err_errno(struct err *err, int errnum, const char *fmt, ...) PRINTF(3, 4);
/* Put "context: " in front of the text while the error goes up. Returns false. */
bool err_wrap(struct err *err, const char *fmt, ...) PRINTF(2, 3);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* Errors as values. Texts that do not fit are cut, never lost. */
#include "base/err.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

static const struct err_info infos[ERR_KINDS] = {
	[ERR_NONE] = { "none", 200, 0, LOG_DEBUG, "no error" },
#define X(kind, code_, status_, retry_s_, level_, doc_) \
	[ERR_##kind] = { code_, status_, retry_s_, LOG_##level_, doc_ },
#include "base/err_kinds.def"
#undef X
};

const struct err_info *err_info(enum err_kind kind)
{
	ensure((size_t)kind < ERR_KINDS);
	return &infos[kind];
}

bool err_set(struct err *err, enum err_kind kind, const char *fmt, ...)
{
	va_list ap;

	err->kind = kind;
	err->field[0] = '\0';
	va_start(ap, fmt);
	vsnprintf(err->text, sizeof(err->text), fmt, ap);
	va_end(ap);
	return false;
}

bool err_field(struct err *err, enum err_kind kind, const char *path, const char *fmt, ...)
{
	va_list ap;

	err->kind = kind;
	snprintf(err->field, sizeof(err->field), "%s", path);
	va_start(ap, fmt);
	vsnprintf(err->text, sizeof(err->text), fmt, ap);
	va_end(ap);
	return false;
}

bool err_errno(struct err *err, int errnum, const char *fmt, ...)
{
	bool full = errnum == ENOSPC || errnum == EDQUOT;
	char what[sizeof(err->text)];
	char reason[64];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(what, sizeof(what), fmt, ap);
	va_end(ap);
	return err_set(err, full ? ERR_DISK_FULL : ERR_IO, "%.180s: %s", what,
		       strerror_r(errnum, reason, sizeof(reason)));
}

bool err_wrap(struct err *err, const char *fmt, ...)
{
	char old[sizeof(err->text)];
	va_list ap;
	size_t n;

	snprintf(old, sizeof(old), "%s", err->text);
	va_start(ap, fmt);
	vsnprintf(err->text, sizeof(err->text), fmt, ap);
	va_end(ap);
	n = strlen(err->text);
	snprintf(err->text + n, sizeof(err->text) - n, ": %s", old);
	return false;
}

/* SPDX-License-Identifier: Apache-2.0 */
#ifndef MODEL_MAIL_H
#define MODEL_MAIL_H

#include "base/arena.h"
#include "base/err.h"

/*
 * Mail addresses as names of people. There is one form of each, so that two spellings are not two
 * users: letters of ASCII in lower case, no space around. What is taken is the plain form that all
 * mail servers take (RFC 5321 section 4.1.2: Dot-string "@" Domain): no quotes, no comments, no
 * address literals; international domains in their xn-- form. Pure; any thread.
 */
#define MAIL_BYTES_MAX 254 /* RFC 5321 section 4.5.3.1.3, a path without its brackets */

/*
 * The one form of an address, a copy in req. ERR_INVALID names the field, "email" as it comes in
 * from outside.
 */
NODISCARD bool mail_read(const char *field, struct slice text, struct arena *req, struct slice *out,
			 struct err *err);
/* Whether text is an address in its one form already. */
bool mail_is_normal(struct slice text);

#endif

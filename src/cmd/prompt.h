/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CMD_PROMPT_H
#define CMD_PROMPT_H

#include "base/err.h"
#include "base/secret.h"

/*
 * Secrets that somebody types, or that come through a pipe: never an argument, which every user of
 * the machine can read. Main thread, before there are others; blocks.
 */
#define PROMPT_BYTES_MAX 4096 /* far over any password */

/*
 * The secret that `what` names, "password". On a terminal it is asked for twice, unseen, and both
 * have to be the same; else the first line of standard input is taken. Its end is not part of it.
 * ERR_INVALID when there is none, or too much of it; ERR_IO. The caller releases out.
 */
NODISCARD bool prompt_secret(const char *what, struct secret *out, struct err *err);
/* One line of a file, in the same way; for whoever has opened one. */
NODISCARD bool prompt_line(int fd, const char *what, struct secret *out, struct err *err);

#endif

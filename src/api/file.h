/* SPDX-License-Identifier: Apache-2.0 */
#ifndef API_FILE_H
#define API_FILE_H

#include "api/call.h"

/* Answers that are the same for everybody until the program is another: known by their hash. */

/* Answer with body, or that it is what the client has. type is a literal. Any thread. */
void file_answer(struct call *c, const char *type, struct slice body);
/* Send a file of ui/ui.h; there is one of this name. Loop thread. */
void file_send(struct call *c, const char *name);

#endif

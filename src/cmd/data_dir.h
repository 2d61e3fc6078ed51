/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CMD_DATA_DIR_H
#define CMD_DATA_DIR_H

#include "base/arena.h"
#include "base/err.h"

/* The data directory: who may work on it, and where things are in it. Blocks on the disk. */

/*
 * Make the directory if it is not there, readable by its owner only, and lock it for this process
 * until the descriptor that is returned is closed. -1 on failure; ERR_CONFLICT when another process
 * works on it.
 */
NODISCARD int data_dir_lock(struct slice dir, struct err *err);
/* The path of a file in it, terminated. */
struct slice data_dir_path(struct slice dir, const char *name, struct arena *boot);

#endif

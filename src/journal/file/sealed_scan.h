/* SPDX-License-Identifier: Apache-2.0 */
#ifndef JOURNAL_FILE_SEALED_SCAN_H
#define JOURNAL_FILE_SEALED_SCAN_H

#include "journal/file/sealed_file.h"

/*
 * The index from the blocks themselves, for a file whose own index is lost for good: all blocks
 * that can be found are in it. Reads and unpacks the whole file. ERR_CORRUPT when there is no
 * block, ERR_IO.
 */
struct sealed_index *sealed_scan(struct sealed *sealed, struct err *err);

#endif

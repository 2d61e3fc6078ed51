/* SPDX-License-Identifier: Apache-2.0 */
/* Finding a page; the table is made of the files in this folder (embed.py). */
#include "ui/ui.h"

#include <string.h>

const struct ui_file *ui_find(const char *name)
{
	for (size_t i = 0; i < ui_files_n; i++) {
		if (strcmp(ui_files[i].name, name) == 0) {
			return &ui_files[i];
		}
	}
	return NULL;
}

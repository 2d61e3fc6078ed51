/* SPDX-License-Identifier: Apache-2.0 */
/* tocsin version. */
#include <stdio.h>

#include "cmd/command.h"
#include "cmd/flags.h"

static int run(const struct flags *flags UNUSED, const void *in UNUSED, struct arena *boot UNUSED)
{
	printf("tocsin %s\n", TOCSIN_VERSION);
	return 0;
}

int cmd_version(int argc, char **argv)
{
	struct flags flags = { .command = "version", .about = "Print the version." };

	return flags_run(&flags, argc, argv, NULL, run);
}

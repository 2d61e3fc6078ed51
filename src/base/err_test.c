/* SPDX-License-Identifier: Apache-2.0 */
/* Errors keep their kind and context on the way up, and the table of kinds is sound. */
#include "base/err.h"

#include <errno.h>

#include "test/t.h"

TEST(every_kind_has_a_row_of_its_own)
{
	for (enum err_kind kind = ERR_NONE; kind < ERR_KINDS; kind++) {
		const struct err_info *info = err_info(kind);

		T_TRUE(info->code[0] != '\0' && info->doc[0] != '\0');
		T_TRUE(kind == ERR_NONE || (info->http_status >= 400 && info->http_status < 600));
		T_TRUE(info->level < LOG_LEVELS);
		for (enum err_kind other = ERR_NONE; other < kind; other++) {
			T_TRUE(strcmp(info->code, err_info(other)->code) != 0);
		}
	}
}

/* Who is refused for a reason that passes is told when to come back; who is wrong is not. */
TEST(what_passes_says_when)
{
	for (enum err_kind kind = ERR_NONE + 1; kind < ERR_KINDS; kind++) {
		const struct err_info *info = err_info(kind);
		int status = info->http_status;

		if (kind == ERR_NOT_CONFIGURED) {
			T_INT(info->retry_s, 0); /* it takes somebody who sets it up */
		} else if (status == 429 || status == 503 || status == 507) {
			T_TRUE(info->retry_s >= 1 && info->retry_s <= 60);
		} else if (kind == ERR_IN_PROGRESS) {
			T_INT(info->retry_s, 1); /* the one conflict that ends by itself */
		} else if (status < 500 && status != 408) {
			T_INT(info->retry_s, 0);
		}
	}
}

TEST(errors_are_filled)
{
	struct err err = { 0 };

	T_FALSE(err_field(&err, ERR_INVALID, "a[1].b", "\"%s\" is bad", "a[1].b"));
	T_INT(err.kind, ERR_INVALID);
	T_STR(err.field, "a[1].b");
	T_STR(err.text, "\"a[1].b\" is bad");
	T_FALSE(err_wrap(&err, "rule %d", 7));
	T_STR(err.text, "rule 7: \"a[1].b\" is bad");
	T_STR(err.field, "a[1].b");
	T_FALSE(err_set(&err, ERR_CONFLICT, "exists"));
	T_STR(err.field, "");
	T_STR(err.text, "exists");
}

TEST(errno_tells_a_full_disk_apart)
{
	struct err err;

	T_FALSE(err_errno(&err, ENOSPC, "write \"%s\"", "x"));
	T_INT(err.kind, ERR_DISK_FULL);
	T_FALSE(err_errno(&err, EDQUOT, "write"));
	T_INT(err.kind, ERR_DISK_FULL);
	T_FALSE(err_errno(&err, ENOENT, "open \"%s\"", "x"));
	T_INT(err.kind, ERR_IO);
	T_STR(err.text, "open \"x\": No such file or directory");
}

TEST(long_texts_are_cut)
{
	char text[1000];
	struct err err;

	memset(text, 'x', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	err_field(&err, ERR_INVALID, text, "%s", text);
	T_INT(strlen(err.field), sizeof(err.field) - 1);
	T_INT(strlen(err.text), sizeof(err.text) - 1);
	err_wrap(&err, "%s", text);
	T_INT(strlen(err.text), sizeof(err.text) - 1);
	err_errno(&err, EIO, "%s", text);
	T_TRUE(slice_ends(slice_of(err.text), S(": Input/output error")));
}

T_MAIN(T(every_kind_has_a_row_of_its_own), T(what_passes_says_when), T(errors_are_filled),
       T(errno_tells_a_full_disk_apart), T(long_texts_are_cut))

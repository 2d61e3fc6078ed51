/* SPDX-License-Identifier: Apache-2.0 */
/* A part of an export, cut anywhere, says where to go on. */
#include "cmd/export_part.h"

#include "base/arena.h"
#include "test/t.h"

static const char lines[] = "{\"id\":\"evt_1\",\"message\":\"a\"}\n{\"id\":\"evt_2\"}\n"
			    "{\"end\":{\"complete\":true}}\n";
static const char table[] = "id,receivedAt,message\r\nevt_1,x,\"two\r\nevt_9,lines\"\r\n"
			    "evt_2,y,\"\"\"q\"\"\"\r\n";

static struct export_part part_of(const char *bytes, bool csv, size_t cut)
{
	struct export_part part = { .csv = csv };

	for (size_t i = 0; i < cut; i++) {
		export_part_feed(&part, (struct slice) { bytes + i, 1 });
	}
	return part;
}

TEST(a_cut_anywhere_leaves_whole_lines)
{
	for (size_t cut = 0; cut <= strlen(lines); cut++) {
		struct export_part part = part_of(lines, false, cut);

		T_INT(part.events, (cut >= 29) + (cut >= 44));
		T_INT(part.end, cut >= 44 ? 44 : cut >= 29 ? 29 : 0);
		T_INT(part.bytes, cut);
		if (part.events == 2) {
			T_SLICE(((struct slice) { part.id, part.id_n }), "evt_2");
		}
	}
}

TEST(a_line_of_a_table_may_have_several)
{
	size_t first = strlen("id,receivedAt,message\r\n");
	size_t second = first + strlen("evt_1,x,\"two\r\nevt_9,lines\"\r\n");

	for (size_t cut = 0; cut <= strlen(table); cut++) {
		struct export_part part = part_of(table, true, cut);

		T_INT(part.events, (cut >= second) + (cut >= strlen(table)));
		T_INT(part.end, cut >= strlen(table) ? strlen(table)
				: cut >= second	     ? second
				: cut >= first	     ? first
						     : 0);
	}
}

TEST(the_end_is_read)
{
	struct export_end end;
	struct arena req;

	arena_init(&req, 0);
	T_TRUE(export_end_read(S("{\"end\":{\"complete\":true,\"events\":2,\"lost\":0}}"), &req,
			       &end));
	T_TRUE(end.complete && end.lost == 0 && end.failed.n == 0);
	T_TRUE(export_end_read(S("{\"end\":{\"complete\":false,\"lost\":3}}"), &req, &end));
	T_TRUE(end.complete && end.lost == 3);
	T_TRUE(export_end_read(S("{\"failed\":{\"code\":\"io\",\"error\":\"no disk\"}}"), &req,
			       &end));
	T_FALSE(end.complete);
	T_SLICE(end.failed, "no disk");
	T_FALSE(export_end_read(S("{\"end\":{\"com"), &req, &end));
	T_FALSE(export_end_read(S("{}"), &req, &end));
	T_FALSE(export_end_read(S(""), &req, &end));
	arena_release(&req);
}

T_MAIN(T(a_cut_anywhere_leaves_whole_lines), T(a_line_of_a_table_may_have_several),
       T(the_end_is_read))

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
		export_part_feed(&part, (struct slice) { bytes + i, 1 }, NULL);
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

/* However it comes, what is kept is as if nothing had been added. */
static void check_filler(const char *said, const char *meant, bool csv)
{
	for (size_t step = 1; step < 5; step++) {
		struct export_part part = { .csv = csv };
		struct slice rest = slice_of(said);
		struct buf kept;

		buf_init(&kept, 1000);
		while (rest.n > 0) {
			struct slice piece = { rest.p, rest.n < step ? rest.n : step };

			export_part_feed(&part, piece, &kept);
			rest = slice_from(rest, piece.n);
		}
		T_TRUE(slice_eq(buf_slice(&kept), slice_of(meant)));
		T_INT(part.bytes, strlen(meant));
		T_INT(part.events, 2);
		buf_release(&kept);
	}
}

TEST(what_keeps_proxies_awake_is_passed_by)
{
	check_filler("  {\"id\":\"evt_1\",\"message\":\"a\"}\n {\"id\":\"evt_2\"}\n"
		     "   {\"end\":{\"complete\":true}}\n",
		     lines, false);
	check_filler("\r\nid,receivedAt,message\r\n\r\n\r\nevt_1,x,\"two\r\nevt_9,lines\"\r\n\r\n"
		     "evt_2,y,\"\"\"q\"\"\"\r\n\r\n",
		     table, true);
	/* A text may have empty lines. */
	check_filler("id\r\nevt_1,\"\r\n\r\n\"\r\nevt_2,\r\n",
		     "id\r\nevt_1,\"\r\n\r\n\"\r\nevt_2,\r\n", true);
}

#define BEGUN "{\"format\":\"ndjson\",\"type\":\"shop.*\"}"

TEST(an_export_goes_on_with_its_own_filters_alone)
{
	static const struct {
		const char *now, *flag;
	} rows[] = {
		{ BEGUN, NULL },
		{ "{\"type\":\"shop.*\",\"format\":\"ndjson\"}", NULL },
		{ "{\"format\":\"csv\",\"type\":\"shop.*\"}", "\"--format\"" },
		{ "{\"format\":\"ndjson\",\"type\":\"shop.sold\"}",
		  "(\"shop.*\" then, \"shop.sold\" now)" },
		{ "{\"format\":\"ndjson\"}", "\"--type\" is not what \"x.part\" was begun with" },
		{ "{\"format\":\"ndjson\",\"type\":\"shop.*\",\"to\":\"2026\"}", "\"--to\"" },
	};
	struct arena boot;
	struct err err;

	arena_init(&boot, 0);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		bool same = export_same(S(BEGUN), slice_of(rows[i].now), "x.part", &boot, &err);

		T_INT(same, rows[i].flag == NULL);
		if (!same) {
			T_INT(err.kind, ERR_CONFLICT);
			T_TRUE(strstr(err.text, rows[i].flag) != NULL);
		}
	}
	T_FALSE(export_same(S("{\"form"), S(BEGUN), "x.part", &boot, &err));
	T_INT(err.kind, ERR_CORRUPT);
	arena_release(&boot);
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
       T(what_keeps_proxies_awake_is_passed_by), T(an_export_goes_on_with_its_own_filters_alone),
       T(the_end_is_read))

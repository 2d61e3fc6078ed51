/* SPDX-License-Identifier: Apache-2.0 */
/* The same events come out, however the stream is cut into pieces. */
#include "cmd/sse.h"

#include <stdio.h>

#include "test/t.h"

static char seen[4096];

static void note(void *arg UNUSED, const struct sse_event *e)
{
	size_t n = strlen(seen);

	snprintf(seen + n, sizeof(seen) - n, "[%.*s|%.*s|%.*s]", SARG(e->name), SARG(e->id),
		 SARG(e->data));
}

/* Fed in pieces of n bytes. */
static const char *read_in(struct slice text, size_t n)
{
	struct sse s;

	seen[0] = '\0';
	sse_init(&s);
	while (text.n > 0) {
		struct slice piece = { text.p, text.n < n ? text.n : n };

		sse_feed(&s, piece, note, NULL);
		text = slice_from(text, piece.n);
	}
	sse_release(&s);
	return seen;
}

static void check(struct slice text, const char *want)
{
	for (size_t n = 1; n <= text.n; n++) {
		T_STR(read_in(text, n), want);
	}
}

TEST(fields_make_an_event)
{
	check(S("id: 7\nevent: alert\ndata: {\"a\":1}\n\n"), "[alert|7|{\"a\":1}]");
	check(S("data\n\n"), "[message||]");
	check(S("data:no space\ndata:  two\n\n"), "[message||no space\n two]");
	check(S("event: x\n\ndata: y\n\n"), "[message||y]");
}

TEST(all_ends_of_lines_are_the_same)
{
	check(S("data: a\r\rdata: b\r\n\r\ndata: c\n\n"), "[message||a][message||b][message||c]");
	check(S("data: a\r\ndata: b\r\n\n"), "[message||a\nb]");
}

TEST(comments_unknown_fields_and_the_mark_are_passed_over)
{
	check(S("\xef\xbb\xbf"
		"data: a\n: ping\nwhat: no\n\n:\n\n"),
	      "[message||a]");
	check(S("data: \xef\xbb\xbf\n\n"), "[message||\xef\xbb\xbf]");
}

TEST(an_id_stays_until_another_comes)
{
	check(S("id: 1\ndata: a\n\ndata: b\n\nid\ndata: c\n\n"),
	      "[message|1|a][message|1|b][message||c]");
	check(S("id: 1\ndata: a\n\nid: 2\0x\ndata: b\n\n"), "[message|1|a][message|1|b]");
}

TEST(an_event_cut_off_leaves_no_trace_and_no_id)
{
	struct sse s;

	seen[0] = '\0';
	sse_init(&s);
	sse_feed(&s, S("id: 1\ndata: a\n\nid: 2\nevent: e\ndata: lost"), note, NULL);
	sse_restart(&s);
	T_SLICE(((struct slice) { s.id.p, s.id.n }), "1");
	sse_feed(&s, S("data: b\n\n"), note, NULL);
	T_STR(seen, "[message|1|a][message|1|b]");
	sse_release(&s);
}

TEST(the_server_may_ask_for_patience)
{
	struct sse s;

	sse_init(&s);
	T_INT(s.retry_ms, -1);
	sse_feed(&s, S("retry: soon\nretry: 99999999999\n"), note, NULL);
	T_INT(s.retry_ms, -1);
	sse_feed(&s, S("retry: 1500\n"), note, NULL);
	T_INT(s.retry_ms, 1500);
	sse_release(&s);
}

TEST(what_is_too_long_is_dropped_whole)
{
	char block[4096];
	struct sse s;

	seen[0] = '\0';
	memset(block, 'x', sizeof(block));
	sse_init(&s);
	sse_feed(&s, S("data: "), note, NULL);
	for (size_t i = 0; i < SSE_LINE_BYTES_MAX / sizeof(block) + 1; i++) {
		sse_feed(&s, (struct slice) { block, sizeof(block) }, note, NULL);
	}
	sse_feed(&s, S("\ndata: rest\n\ndata: next\n\n"), note, NULL);
	T_STR(seen, "[message||next]");
	T_INT(s.dropped, 1);
	sse_release(&s);
}

T_MAIN(T(fields_make_an_event), T(all_ends_of_lines_are_the_same),
       T(comments_unknown_fields_and_the_mark_are_passed_over), T(an_id_stays_until_another_comes),
       T(an_event_cut_off_leaves_no_trace_and_no_id), T(the_server_may_ask_for_patience),
       T(what_is_too_long_is_dropped_whole))

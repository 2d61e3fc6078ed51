/* SPDX-License-Identifier: Apache-2.0 */
/* Queries are read as their page says, and what is wrong with one is told with its place. */
#include "model/event_query.h"

#include <stdio.h>

#include "test/t.h"

/* How a query is understood. */
static const char *read_as(const char *text)
{
	static char out[4096];
	struct event_query query;
	struct arena req;
	struct json_w w;
	struct buf json;
	struct err err;

	arena_init(&req, 0);
	T_OK(event_query_parse(slice_of(text), &req, &query, &err));
	buf_init(&json, sizeof(out) - 1);
	json_w_init(&w, &json);
	event_query_write(&query, &w);
	snprintf(out, sizeof(out), "%.*s", SARG(buf_slice(&json)));
	buf_release(&json);
	arena_release(&req);
	return out;
}

static const char *refusal(const char *text)
{
	static struct err err;
	struct event_query query;
	struct arena req;

	arena_init(&req, 0);
	T_FAIL(event_query_parse(slice_of(text), &req, &query, &err), ERR_INVALID);
	arena_release(&req);
	T_STR(err.field, "q");
	return err.text;
}

TEST(words_and_phrases_are_texts)
{
	T_STR(read_as(""), "[]");
	T_STR(read_as(" \t\n"), "[]");
	T_STR(read_as("timeout  After"), "[{\"text\":\"timeout\"},{\"text\":\"After\"}]");
	T_STR(read_as("\"card declined\""), "[{\"text\":\"card declined\"}]");
	T_STR(read_as("\"say \\\"hi\\\" c:\\\\x \\n\""),
	      "[{\"text\":\"say \\\"hi\\\" c:\\\\x \\\\n\"}]");
	T_STR(read_as("\"a\"b"), "[{\"text\":\"a\"},{\"text\":\"b\"}]");
	T_STR(read_as("5\"disk"), "[{\"text\":\"5\\\"disk\"}]");
	T_STR(read_as("-"), "[{\"text\":\"-\"}]");
	T_STR(read_as("- x"), "[{\"text\":\"-\"},{\"text\":\"x\"}]");
	T_STR(read_as("-x -\"a b\""),
	      "[{\"text\":\"x\",\"not\":true},{\"text\":\"a b\",\"not\":true}]");
}

TEST(members_are_known_by_name)
{
	T_STR(read_as("source:web"), "[{\"member\":\"source\",\"op\":\"is\",\"value\":\"web\"}]");
	T_STR(read_as("env=prod"),
	      "[{\"member\":\"environment\",\"op\":\"is\",\"value\":\"prod\"}]");
	T_STR(read_as("payload.user.id:42"),
	      "[{\"member\":\"payload.user.id\",\"op\":\"is\",\"value\":\"42\"}]");
	T_STR(read_as("payload.name=\"A B\""),
	      "[{\"member\":\"payload.name\",\"op\":\"is\",\"value\":\"A B\"}]");
	T_STR(read_as("type:shop.*"),
	      "[{\"member\":\"type\",\"op\":\"starts\",\"value\":\"shop.\"}]");
	T_STR(read_as("tags.a.b:*"),
	      "[{\"member\":\"tags.a.b\",\"op\":\"exists\",\"value\":\"\"}]");
	T_STR(read_as("source:\"*\""), "[{\"member\":\"source\",\"op\":\"is\",\"value\":\"*\"}]");
	T_STR(read_as("-severity:low"),
	      "[{\"member\":\"severity\",\"op\":\"is\",\"value\":\"low\",\"not\":true}]");
	T_STR(read_as("severity:>=error"),
	      "[{\"member\":\"severity\",\"op\":\">=\",\"value\":\"error\"}]");
	T_STR(read_as("payload.n>1.5 value:<-2 value<=3 value:>4"),
	      "[{\"member\":\"payload.n\",\"op\":\">\",\"value\":\"1.5\"},"
	      "{\"member\":\"value\",\"op\":\"<\",\"value\":\"-2\"},"
	      "{\"member\":\"value\",\"op\":\"<=\",\"value\":\"3\"},"
	      "{\"member\":\"value\",\"op\":\">\",\"value\":\"4\"}]");
}

TEST(a_colon_behind_anything_else_is_part_of_a_word)
{
	T_STR(read_as("12:30"), "[{\"text\":\"12:30\"}]");
	T_STR(read_as("http://x/?a=b"), "[{\"text\":\"http://x/?a=b\"}]");
	T_STR(read_as("Source:web"), "[{\"text\":\"Source:web\"}]");
	T_STR(read_as("payload:x"), "[{\"text\":\"payload:x\"}]");
	T_STR(read_as("payload..x:1"), "[{\"text\":\"payload..x:1\"}]");
	T_STR(read_as("Error: x"), "[{\"text\":\"Error:\"},{\"text\":\"x\"}]");
	T_STR(read_as("a->b"), "[{\"text\":\"a->b\"}]");
}

TEST(what_is_wrong_is_told_with_its_place)
{
	T_STR(refusal("abc \"def"), "\"q\" has a quote that is not closed at character 5");
	T_STR(refusal("é source:"), "\"q\" has no value at character 10");
	T_STR(refusal("source: web"), "\"q\" has no value at character 8");
	T_STR(refusal("\"\""), "\"q\" has an empty text at character 3");
	T_STR(refusal("severity:bad"), "\"q\" has no severity debug, info, low, medium, high or "
				       "critical at character 10");
	T_STR(refusal("kind:crash"), "\"q\" has no kind event, error or metric at character 6");
	T_STR(refusal("kind:>error"), "\"q\" has no kind event, error or metric at character 7");
	T_STR(refusal("severity:hi*"),
	      "\"q\" asks for a beginning of what is one of few words at character 10");
	T_STR(refusal("source:>3"), "\"q\" compares what is no number at character 9");
	T_STR(refusal("payload.n:>many"), "\"q\" needs a number to compare with at character 12");
	T_STR(refusal("payload.n:>true"), "\"q\" needs a number to compare with at character 12");
	T_STR(refusal("\xff"), "\"q\" must be at most 2000 bytes of UTF-8");
	T_STR(refusal("1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17"),
	      "\"q\" must have at most 16 words");
}

T_MAIN(T(words_and_phrases_are_texts), T(members_are_known_by_name),
       T(a_colon_behind_anything_else_is_part_of_a_word), T(what_is_wrong_is_told_with_its_place))

/* SPDX-License-Identifier: Apache-2.0 */
/* Public texts come back as what they were, never meet, sort by time and refuse other kinds. */
#include "model/id.h"

#include <stdlib.h>

#include "test/t.h"

static const struct hash_key cipher = { .v = "0123456789abcde" };

static bool same(struct log_id a, struct log_id b)
{
	return a.at_ms == b.at_ms && a.partition == b.partition && a.number == b.number;
}

TEST(random_ids_come_back)
{
	for (int i = 0; i < 1000; i++) {
		uint64_t v = id_random(), back;

		for (enum id_kind kind = ID_ORG; kind < ID_KINDS; kind++) {
			struct id_text text;

			if (id_of_log(kind)) {
				continue;
			}
			text = id_format(kind, v);
			T_INT(strlen(text.p), 17);
			T_TRUE(id_parse(kind, slice_of(text.p), &back));
			T_TRUE(back == v);
		}
	}
	T_STR(id_format(ID_RULE, 1).p, "rul_0000000000001");
}

TEST(random_ids_are_read_strictly)
{
	uint64_t v;

	T_TRUE(id_parse(ID_RULE, S("rul_000000000000a"), &v));
	T_TRUE(v == 10);
	T_TRUE(id_parse(ID_RULE, S("RUL_000000000000A"), &v));
	T_FALSE(id_parse(ID_RULE, S("org_000000000000A"), &v));
	T_FALSE(id_parse(ID_RULE, S("rul_00000000000A"), &v));
	T_FALSE(id_parse(ID_RULE, S("rul_0000000000000A"), &v));
	T_FALSE(id_parse(ID_RULE, S("rul_0000000000000"), &v));
	T_FALSE(id_parse(ID_RULE, S("rul_000000000000I"), &v));
	T_FALSE(id_parse(ID_RULE, S("rul_000000000000O"), &v));
	T_FALSE(id_parse(ID_RULE, S("rul_ZZZZZZZZZZZZZ"), &v));
	T_FALSE(id_parse(ID_RULE, S("rul_8000000000000"), &v));
	T_FALSE(id_parse(ID_RULE, S(""), &v));
	T_TRUE(id_parse(ID_RULE, S("rul_7ZZZZZZZZZZZZ"), &v));
	T_TRUE(v == INT64_MAX);
}

TEST(log_ids_come_back_at_the_edges)
{
	const int64_t times[] = { 0, 1, INT64_C(1790000000000), (INT64_C(1) << 48) - 1 };
	const uint64_t numbers[] = { 0, 1, UINT64_C(1) << 40, UINT64_MAX };
	const uint16_t parts[] = { 0, 1, UINT16_MAX };

	for (size_t i = 0; i < ARRAY_LEN(times) * ARRAY_LEN(numbers) * ARRAY_LEN(parts); i++) {
		struct log_id id = {
			.at_ms = times[i % 4],
			.number = numbers[i / 4 % 4],
			.partition = parts[i / 16],
		};
		struct log_id back;

		for (enum id_kind kind = ID_EVENT; kind <= ID_DELIVERY; kind++) {
			struct id_text text = log_id_format(&cipher, kind, id);

			T_INT(strlen(text.p), 30);
			T_TRUE(log_id_parse(&cipher, kind, slice_of(text.p), &back));
			T_TRUE(same(id, back));
		}
	}
}

static int by_text(const void *a, const void *b)
{
	return strcmp(((const struct id_text *)a)->p, ((const struct id_text *)b)->p);
}

TEST(neighbours_never_meet_and_tell_nothing)
{
	enum { COUNT = 200000 };
	struct id_text *texts = mem_alloc(COUNT, sizeof(*texts));
	size_t alike = 0;

	for (size_t i = 0; i < COUNT; i++) {
		texts[i] = log_id_format(&cipher, ID_EVENT,
					 (struct log_id) { .at_ms = 1790000000000, .number = i });
		if (i > 0) {
			alike += texts[i].p[29] == texts[i - 1].p[29];
		}
	}
	/* Last digits of neighbours agree as often as those of strangers: one time in 32. */
	T_TRUE(alike > COUNT / 40 && alike < COUNT / 26);
	qsort(texts, COUNT, sizeof(*texts), by_text);
	for (size_t i = 1; i < COUNT; i++) {
		T_TRUE(by_text(&texts[i - 1], &texts[i]) < 0);
	}
	free(texts);
}

TEST(log_ids_sort_by_time)
{
	struct log_id early = { .at_ms = 1790000000000, .number = UINT64_MAX, .partition = 9 };
	struct log_id late = { .at_ms = 1790000000001 };
	struct id_text a = log_id_format(&cipher, ID_EVENT, early);
	struct id_text b = log_id_format(&cipher, ID_EVENT, late);

	T_TRUE(strcmp(a.p, b.p) < 0);
}

TEST(log_ids_differ_by_kind_and_key)
{
	const struct hash_key other = { .v = "another key now" };
	struct log_id id = { .at_ms = 1790000000000, .number = 42 }, back;
	struct id_text event = log_id_format(&cipher, ID_EVENT, id);
	struct id_text alert = log_id_format(&cipher, ID_ALERT, id);

	T_TRUE(strcmp(event.p + 4, alert.p + 4) != 0);
	T_FALSE(log_id_parse(&cipher, ID_ALERT, slice_of(event.p), &back));
	T_TRUE(log_id_parse(&other, ID_EVENT, slice_of(event.p), &back));
	T_FALSE(same(id, back));
}

TEST(forged_log_ids_are_refused_or_harmless)
{
	struct id_text text = log_id_format(&cipher, ID_EVENT, (struct log_id) { .number = 7 });
	struct slice whole = slice_of(text.p);
	struct log_id id, again;

	T_FALSE(log_id_parse(&cipher, ID_EVENT, slice_from(whole, 1), &id));
	T_FALSE(log_id_parse(&cipher, ID_EVENT, (struct slice) { whole.p, whole.n - 1 }, &id));
	T_FALSE(log_id_parse(&cipher, ID_EVENT, S("evt_ZZZZZZZZZZZZZZZZZZZZZZZZZZ"), &id));
	T_FALSE(log_id_parse(&cipher, ID_EVENT, S("evt_0000000000000000000000000-"), &id));
	T_FALSE(log_id_parse(&cipher, ID_EVENT, S("evt_0000000000000000000000000L"), &id));
	for (size_t at = 5; at < whole.n; at++) {
		text.p[at] = text.p[at] == '7' ? '8' : '7';
		T_TRUE(log_id_parse(&cipher, ID_EVENT, whole, &id));
		text = log_id_format(&cipher, ID_EVENT, id);
		T_TRUE(log_id_parse(&cipher, ID_EVENT, whole, &again));
		T_TRUE(same(id, again));
	}
}

T_MAIN(T(random_ids_come_back), T(random_ids_are_read_strictly), T(log_ids_come_back_at_the_edges),
       T(neighbours_never_meet_and_tell_nothing), T(log_ids_sort_by_time),
       T(log_ids_differ_by_kind_and_key), T(forged_log_ids_are_refused_or_harmless))

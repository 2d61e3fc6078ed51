/* SPDX-License-Identifier: Apache-2.0 */
/* A saved set goes on exactly where it was; a damaged one is refused, whatever the damage. */
#include "rule/snapshot.h"

#include "base/clock.h"
#include "rule/opens.h"
#include "test/t.h"

#define T0 (INT64_C(1790000000) * US_PER_S)

static const struct hash_key seed = { .v = "snapshot test" }, other_seed = { .v = "another" };
static const struct window_limits defaults;

static bool append(void *arg, struct slice part, struct err *err UNUSED)
{
	buf_puts(arg, part);
	return true;
}

static bool full(void *arg, struct slice part UNUSED, struct err *err)
{
	int *left = arg;

	return (*left)-- > 0 || err_set(err, ERR_DISK_FULL, "no room");
}

static void add_rule(struct rule_set *set, uint64_t id, const char *type, const char *path)
{
	static const struct rule_action action = { { "in_app", 6 }, { "{\"a\":1}", 7 } };
	struct rule_path parsed;
	struct err err;
	struct rule_def def = {
		.id = { id },
		.org = { 1 },
		.project = { 2 },
		.version = id + 1,
		.name = S("r\"1"),
		.event_type = slice_of(type),
		.threshold = 3,
		.window_s = 60,
		.cooldown_s = 300,
		.severity = SEVERITY_LOW,
		.enabled = true,
		.actions = &action,
		.actions_n = 1,
	};

	if (path[0] != '\0') {
		T_OK(rule_path_parse(slice_of(path), "", &parsed, &err));
		def.group_by = &parsed;
		def.group_by_n = 1;
	}
	T_INT(rule_set_put(set, &def, 5, T0), RULE_STARTED);
}

static struct rule_set *sample(struct arena *tick)
{
	struct rule_set *set = rule_set_new(&seed, defaults);
	struct firings out;
	struct err err;
	uint64_t alerts = 0;

	add_rule(set, 30, "a", "payload.u");
	add_rule(set, 10, "a.*", "");
	add_rule(set, 20, "*", "tags.x");
	for (int i = 0; i < 100; i++) {
		struct rule_input input = {
			.seq = 6 + (uint64_t)i,
			.received_at_us = T0 + 1 + i * US_PER_S,
			.org = { 1 },
			.project = { 2 },
			.type = S("a"),
			.body = arena_printf(tick, "{\"type\":\"a\",\"payload\":{\"u\":%d}}",
					     i * i % 11),
		};

		rule_set_advance(set, input.received_at_us);
		T_OK(rule_apply(set, &input, tick, &out, &err));
		for (size_t j = 0; j < out.n; j++) {
			rule_set_opened(set, &out.items[j], (struct alert_id) { ++alerts });
		}
	}
	T_TRUE(rule_set_opens(set) > 3);
	return set;
}

static void save(const struct rule_set *set, struct buf *out)
{
	struct err err;

	buf_init(out, 1 << 20);
	T_OK(rule_set_save(set, append, out, &err));
	T_FALSE(out->overflow);
}

TEST(a_loaded_set_is_the_saved_one)
{
	struct windows_usage before, after;
	struct rule_set *set, *back;
	struct buf saved, again;
	struct arena tick;
	struct err err;

	arena_init(&tick, 0);
	set = sample(&tick);
	save(set, &saved);
	back = rule_set_load(&other_seed, defaults, buf_slice(&saved), &err);
	T_TRUE(back != NULL);
	T_INT(rule_set_count(back), 3);
	save(back, &again);
	T_TRUE(slice_eq(buf_slice(&saved), buf_slice(&again)));
	rule_set_sweep(set, 3);
	before = rule_set_usage_all(set);
	after = rule_set_usage_all(back);
	T_INT(before.keys, after.keys);
	T_INT(before.stamps, after.stamps);
	T_INT(rule_set_get(back, (struct rule_id) { 20 })->version, 21);
	T_SLICE(rule_set_get(back, (struct rule_id) { 30 })->group_by[0].text, "payload.u");
	T_SLICE(rule_set_get(back, (struct rule_id) { 30 })->actions[0].config, "{\"a\":1}");
	rule_set_free(&set);
	rule_set_free(&back);
	buf_release(&saved);
	buf_release(&again);
	arena_release(&tick);
}

TEST(an_empty_set_is_saved_too)
{
	struct rule_set *set = rule_set_new(&seed, defaults), *back;
	struct buf saved;
	struct err err;

	save(set, &saved);
	back = rule_set_load(&seed, defaults, buf_slice(&saved), &err);
	T_TRUE(back != NULL);
	T_INT(rule_set_count(back), 0);
	rule_set_free(&back);
	rule_set_free(&set);
	buf_release(&saved);
}

TEST(every_damage_is_refused)
{
	struct rule_set *set;
	struct arena tick;
	struct buf saved;
	struct err err;

	arena_init(&tick, 0);
	set = sample(&tick);
	save(set, &saved);
	for (size_t n = 0; n < saved.n; n++) {
		struct slice part = { saved.p, n };

		T_TRUE(rule_set_load(&seed, defaults, part, &err) == NULL);
		T_INT(err.kind, ERR_CORRUPT);
	}
	for (size_t i = 0; i < saved.n * 8; i++) {
		saved.p[i / 8] = (char)(saved.p[i / 8] ^ 1 << i % 8);
		T_TRUE(rule_set_load(&seed, defaults, buf_slice(&saved), &err) == NULL);
		T_INT(err.kind, ERR_CORRUPT);
		saved.p[i / 8] = (char)(saved.p[i / 8] ^ 1 << i % 8);
	}
	buf_putc(&saved, '\0');
	T_TRUE(rule_set_load(&seed, defaults, buf_slice(&saved), &err) == NULL);
	T_INT(err.kind, ERR_CORRUPT);
	rule_set_free(&set);
	buf_release(&saved);
	arena_release(&tick);
}

TEST(another_version_is_not_damage)
{
	struct rule_set *set = rule_set_new(&seed, defaults);
	struct buf saved;
	struct err err;
	uint32_t crc;

	save(set, &saved);
	saved.p[8] = RULE_SNAPSHOT_VERSION - 1;
	crc = crc32c(0, saved.p, saved.n - 4);
	for (size_t i = 0; i < 4; i++) {
		saved.p[saved.n - 4 + i] = (char)(crc >> (8 * i));
	}
	T_TRUE(rule_set_load(&seed, defaults, buf_slice(&saved), &err) == NULL);
	T_INT(err.kind, ERR_VERSION);
	rule_set_free(&set);
	buf_release(&saved);
}

TEST(a_write_that_fails_ends_the_saving)
{
	struct rule_set *set;
	struct arena tick;
	struct err err;

	arena_init(&tick, 0);
	set = sample(&tick);
	for (int parts = 0; parts < 7; parts++) {
		int left = parts;

		T_FAIL(rule_set_save(set, full, &left, &err), ERR_DISK_FULL);
	}
	rule_set_free(&set);
	arena_release(&tick);
}

T_MAIN(T(a_loaded_set_is_the_saved_one), T(an_empty_set_is_saved_too), T(every_damage_is_refused),
       T(another_version_is_not_damage), T(a_write_that_fails_ends_the_saving))

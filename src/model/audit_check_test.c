/* SPDX-License-Identifier: Apache-2.0 */
/* Whatever is done to a chain behind its back shows, and says where. */
#include "model/audit.h"

#include <stdio.h>

#include "test/t.h"

#define ENTRIES 8

struct chain {
	struct audit_entry e[ENTRIES + 1]; /* by number */
	struct audit_hash hashes[ENTRIES + 1];
	struct audit_head head;
	uint64_t expect;
	struct slice expect_hash;
	char told[1024];
	struct arena tick;
};

static struct slice hash_slice(const struct audit_hash *h)
{
	return (struct slice) { h->p, sizeof(h->p) };
}

static void seal(struct chain *c, size_t i)
{
	c->hashes[i] = audit_hash(&c->e[i]);
	c->e[i].hash = hash_slice(&c->hashes[i]);
}

static void make(struct chain *c)
{
	*c = (struct chain) { 0 };
	arena_init(&c->tick, 0);
	for (size_t i = 1; i <= ENTRIES; i++) {
		c->e[i] = (struct audit_entry) { .org = { 11 },
						 .number = i,
						 .id = { 100 + i },
						 .at_us = INT64_C(1700000000000000) + (int64_t)i,
						 .actor = S("system"),
						 .action = S("rule.update"),
						 .previous = c->e[i - 1].hash };
		seal(c, i);
	}
	c->head = (struct audit_head) { .number = ENTRIES, .hash = c->e[ENTRIES].hash };
}

static void on_fault(void *arg, const struct audit_fault *fault)
{
	struct chain *c = arg;
	size_t n = strlen(c->told);

	snprintf(c->told + n, sizeof(c->told) - n, "%s%.*s", n == 0 ? "" : "; ",
		 SARG(audit_fault_text(fault, &c->tick)));
}

/* Entries whose number is 0 are not there. */
static const char *look(struct chain *c)
{
	struct audit_check check = { .org = { 11 },
				     .head = c->head,
				     .expect = c->expect,
				     .expect_hash = c->expect_hash,
				     .fault = on_fault,
				     .arg = c };
	bool ok;

	c->told[0] = '\0';
	audit_check_init(&check);
	for (size_t i = 1; i <= ENTRIES; i++) {
		if (c->e[i].number != 0) {
			audit_check_entry(&check, &c->e[i]);
		}
	}
	ok = audit_check_end(&check);
	T_INT(ok, c->told[0] == '\0');
	audit_check_release(&check);
	arena_clear(&c->tick);
	return c->told;
}

TEST(a_whole_chain_checks)
{
	struct chain c;

	make(&c);
	T_STR(look(&c), "");
	c.expect = 3;
	c.expect_hash = c.e[3].hash;
	T_STR(look(&c), "");
	arena_release(&c.tick);
}

TEST(an_empty_chain_checks)
{
	struct audit_check check = { .fault = on_fault };

	audit_check_init(&check);
	T_TRUE(audit_check_end(&check));
	audit_check_release(&check);
}

TEST(a_changed_entry_is_named)
{
	struct chain c;

	make(&c);
	c.e[3].actor = S("user");
	c.e[6].after = S("{}");
	T_STR(look(&c), "entry 3 was changed; entry 6 was changed");
	arena_release(&c.tick);
}

TEST(a_changed_entry_with_a_new_hash_breaks_the_next)
{
	struct audit_hash was;
	struct chain c;

	make(&c);
	was = c.hashes[3];
	c.e[4].previous = hash_slice(&was);
	c.e[3].actor = S("user");
	seal(&c, 3);
	T_STR(look(&c), "entry 4 does not follow entry 3: one of the two was replaced");
	arena_release(&c.tick);
}

TEST(a_changed_end_with_a_new_hash_is_not_the_one_noted)
{
	struct chain c;
	struct audit_hash was;

	make(&c);
	was = c.hashes[ENTRIES];
	c.head.hash = hash_slice(&was);
	c.e[ENTRIES].actor = S("user");
	seal(&c, ENTRIES);
	T_STR(look(&c), "entry 8 is not the end that was noted");
	arena_release(&c.tick);
}

TEST(removed_entries_are_named)
{
	struct chain c;

	make(&c);
	c.e[1].number = 0;
	c.e[4].number = 0;
	c.e[5].number = 0;
	T_STR(look(&c), "entry 1 is missing; entries 4 to 5 are missing");
	arena_release(&c.tick);
}

TEST(swapped_entries_are_named)
{
	struct audit_entry three;
	struct chain c;

	make(&c);
	three = c.e[3];
	c.e[3] = c.e[6];
	c.e[3].number = 3;
	c.e[6] = three;
	c.e[6].number = 6;
	c.e[8].action = S("rule.delete");
	T_STR(look(&c), "entries 3 and 6 were swapped; entry 8 was changed");
	arena_release(&c.tick);
}

TEST(a_cut_end_is_noticed)
{
	struct chain c;

	make(&c);
	c.e[7].number = 0;
	c.e[8].number = 0;
	T_STR(look(&c), "entries 7 to 8 are missing at the end");
	c.head = (struct audit_head) { .number = 6, .hash = c.e[6].hash };
	T_STR(look(&c), "");
	c.expect = 8;
	c.expect_hash = c.e[8].hash;
	T_STR(look(&c), "entries 7 to 8 are missing at the end");
	arena_release(&c.tick);
}

TEST(entries_behind_the_end_are_noticed)
{
	struct chain c;

	make(&c);
	c.head = (struct audit_head) { .number = 7, .hash = c.e[7].hash };
	T_STR(look(&c), "entry 8 is behind the end that was noted");
	c.head = (struct audit_head) { 0 };
	T_STR(look(&c), "entries 1 to 8 are behind the end that was noted");
	arena_release(&c.tick);
}

TEST(a_chain_that_was_written_anew_does_not_have_the_hash_expected)
{
	struct audit_hash known;
	struct chain c;

	make(&c);
	known = c.hashes[5];
	c.e[2].actor = S("user");
	for (size_t i = 2; i <= ENTRIES; i++) {
		c.e[i].previous = c.e[i - 1].hash;
		seal(&c, i);
	}
	T_STR(look(&c), "");
	c.expect = 5;
	c.expect_hash = hash_slice(&known);
	T_STR(look(&c), "entry 5 does not have the hash expected");
	arena_release(&c.tick);
}

TEST(more_changes_than_are_kept_are_all_told)
{
	struct audit_entry e = { .org = { 11 }, .actor = S("system"), .hash = S("none") };
	struct audit_check check = { .fault = on_fault };
	struct chain c;

	make(&c);
	check.arg = &c;
	audit_check_init(&check);
	for (e.number = 1; e.number <= AUDIT_ODD_MAX + 4; e.number++) {
		audit_check_entry(&check, &e);
	}
	check.head.number = check.last;
	T_FALSE(audit_check_end(&check));
	T_INT(check.faults, AUDIT_ODD_MAX + 4);
	audit_check_release(&check);
	arena_release(&c.tick);
}

T_MAIN(T(a_whole_chain_checks), T(an_empty_chain_checks), T(a_changed_entry_is_named),
       T(a_changed_entry_with_a_new_hash_breaks_the_next),
       T(a_changed_end_with_a_new_hash_is_not_the_one_noted), T(removed_entries_are_named),
       T(swapped_entries_are_named), T(a_cut_end_is_noticed), T(entries_behind_the_end_are_noticed),
       T(a_chain_that_was_written_anew_does_not_have_the_hash_expected),
       T(more_changes_than_are_kept_are_all_told))

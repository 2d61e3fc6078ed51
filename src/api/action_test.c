/* SPDX-License-Identifier: Apache-2.0 */
/* Which channels an action may name, and what is said of the others. */
#include "api/action.h"
#include "channel/channel.h"

#include "test/t.h"

static enum err_kind kind_of(const char *channel, struct err *err)
{
	struct rule_action_in in = { .index = 1, .channel = slice_of(channel) };
	struct ip_policy policy = { 0 };
	struct slice config;
	struct arena req;

	*err = (struct err) { 0 };
	arena_init(&req, 0);
	T_TRUE(!action_check(&policy, &in, &req, &config, err));
	arena_release(&req);
	return err->kind;
}

TEST(channels_to_come_are_told_from_unknown_ones)
{
	static const char *const later[] = { "discord", "email", "slack", "telegram", "whatsapp" };
	struct err err;

	for (size_t i = 0; i < ARRAY_LEN(later); i++) {
		T_TRUE(channel_find(slice_of(later[i])) == NULL);
		T_INT(kind_of(later[i], &err), ERR_NOT_IMPLEMENTED);
		T_TRUE(strstr(err.text, later[i]) != NULL);
		T_TRUE(strstr(err.text, "actions[1].channel") != NULL);
	}
	T_INT(kind_of("pigeon", &err), ERR_INVALID);
	T_INT(kind_of("", &err), ERR_INVALID);
}

T_MAIN(T(channels_to_come_are_told_from_unknown_ones))

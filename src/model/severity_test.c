/* SPDX-License-Identifier: Apache-2.0 */
/* Every outside spelling means one severity, and severities compare. */
#include "model/severity.h"

#include "test/t.h"

TEST(names_come_back)
{
	for (enum severity s = SEVERITY_DEBUG; s < SEVERITIES; s++) {
		T_INT(severity_parse(severity_name(s)), s);
	}
	T_SLICE(severity_name(SEVERITY_NONE), "");
	T_SLICE(severity_name(SEVERITY_CRITICAL), "critical");
	T_TRUE(severity_names[SEVERITIES - 1] == NULL);
}

TEST(outside_words_are_understood)
{
	T_INT(severity_parse(S("warning")), SEVERITY_MEDIUM);
	T_INT(severity_parse(S("Med")), SEVERITY_MEDIUM);
	T_INT(severity_parse(S("ERROR")), SEVERITY_HIGH);
	T_INT(severity_parse(S("fatal")), SEVERITY_CRITICAL);
	T_INT(severity_parse(S("")), SEVERITY_NONE);
	T_INT(severity_parse(S("warnings")), SEVERITY_NONE);
}

TEST(worse_is_more)
{
	T_TRUE(severity_parse(S("fatal")) > severity_parse(S("err")));
	T_TRUE(severity_parse(S("low")) > severity_parse(S("info")));
}

T_MAIN(T(names_come_back), T(outside_words_are_understood), T(worse_is_more))

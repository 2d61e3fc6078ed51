/* SPDX-License-Identifier: Apache-2.0 */
/* Every refusal is one of the books' columns. */
#include "model/outcome.h"

#include "test/t.h"

TEST(every_refusal_has_an_outcome_that_is_one)
{
	for (enum err_kind kind = ERR_NONE + 1; kind < ERR_KINDS; kind++) {
		enum event_outcome outcome = outcome_of(kind);

		T_TRUE(outcome > OUTCOME_DUPLICATE && outcome < OUTCOMES);
	}
	T_INT(outcome_of(ERR_MALFORMED), OUTCOME_INVALID);
	T_INT(outcome_of(ERR_TIMEOUT), OUTCOME_INVALID);
	T_INT(outcome_of(ERR_RATE), OUTCOME_RATE_LIMITED);
	T_INT(outcome_of(ERR_ENGINE_LAG), OUTCOME_ENGINE_LAG);
}

TEST(names_are_words_and_unique)
{
	for (size_t i = 0; i < OUTCOMES; i++) {
		T_TRUE(strlen(outcome_names[i]) > 2);
		for (size_t j = 0; j < i; j++) {
			T_TRUE(strcmp(outcome_names[i], outcome_names[j]) != 0);
		}
	}
	T_TRUE(outcome_names[OUTCOMES] == NULL);
}

T_MAIN(T(every_refusal_has_an_outcome_that_is_one), T(names_are_words_and_unique))

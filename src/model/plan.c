/* SPDX-License-Identifier: Apache-2.0 */
/* Plans as data, and the few sums that follow from them. */
#include "model/plan.h"

const struct plan plan_unlimited = {
	.name = { PLAN_UNLIMITED, sizeof(PLAN_UNLIMITED) - 1 },
	.display_name = { "Unlimited", 9 },
};

#define TEXT(s) \
	{ \
		s, sizeof(s) - 1 \
	}

const struct plan plan_seeds[] = {
	{ .name = TEXT(PLAN_FREE),
	  .display_name = TEXT("Free"),
	  .events_soft = 100,
	  .events_hard = 100,
	  .rules = 3,
	  .retention_days = 7,
	  .rate_per_min = 30,
	  .seats = 3,
	  .projects = 1 },
	{ .name = TEXT("pro"),
	  .display_name = TEXT("Pro"),
	  .price_cents = 1400,
	  .events_soft = 25000,
	  .rules = 25,
	  .retention_days = 30,
	  .rate_per_min = 120,
	  .seats = 10,
	  .projects = 10,
	  .overage_cents = 100 },
	{ .name = TEXT("max"),
	  .display_name = TEXT("Max"),
	  .price_cents = 7000,
	  .events_soft = 300000,
	  .rules = 999,
	  .retention_days = 90,
	  .rate_per_min = 500,
	  .seats = 50,
	  .projects = 50,
	  .overage_cents = 50 },
	{ .name = TEXT("enterprise"),
	  .display_name = TEXT("Enterprise"),
	  .price_cents = 19900,
	  .events_soft = 5000000,
	  .rules = 1000,
	  .retention_days = 90,
	  .rate_per_min = 1000,
	  .overage_cents = 100 },
};
const size_t plan_seeds_n = ARRAY_LEN(plan_seeds);

struct plan plan_overridden(const struct plan *plan, const struct plan_override *override)
{
	struct plan out = *plan;

	if (override->events_soft != PLAN_KEEP) {
		out.events_soft = override->events_soft;
	}
	if (override->events_hard != PLAN_KEEP) {
		out.events_hard = override->events_hard;
	}
	return out;
}

static bool name_is_plain(struct slice name)
{
	for (size_t i = 0; i < name.n; i++) {
		char c = name.p[i];

		if (!(c >= 'a' && c <= 'z') && !(c >= '0' && c <= '9') && c != '-') {
			return false;
		}
	}
	return name.n > 0 && name.n <= PLAN_NAME_CHARS_MAX;
}

/* They go into URLs and come back in answers, as they are. */
static bool ref_is_plain(struct slice ref)
{
	for (size_t i = 0; i < ref.n; i++) {
		char c = ref.p[i];

		if (!(c >= 'a' && c <= 'z') && !(c >= 'A' && c <= 'Z') && !(c >= '0' && c <= '9') &&
		    c != '_' && c != '-') {
			return false;
		}
	}
	return ref.n <= PLAN_REF_CHARS_MAX;
}

bool plan_check(const struct plan *p, struct err *err)
{
	if (!name_is_plain(p->name)) {
		return err_field(err, ERR_INVALID, "name",
				 "\"name\" must be 1 to %d characters a-z, 0-9 and -",
				 PLAN_NAME_CHARS_MAX);
	}
	if (p->events_hard != 0 && p->events_soft > p->events_hard) {
		return err_field(err, ERR_INVALID, "softLimit",
				 "\"softLimit\" must not be over \"hardLimit\"");
	}
	if (p->overage_cents > 0 && p->events_soft == 0) {
		return err_field(err, ERR_INVALID, "overageCents",
				 "\"overageCents\" needs a \"softLimit\" to be over");
	}
	if (!ref_is_plain(p->price_ref) || !ref_is_plain(p->overage_price_ref)) {
		return err_field(err, ERR_INVALID, "stripePrice",
				 "\"stripePrice\" and \"stripeOveragePrice\" must be up to %d "
				 "characters a-z, A-Z, 0-9, _ and -",
				 PLAN_REF_CHARS_MAX);
	}
	if (p->overage_price_ref.n > 0 && (p->price_ref.n == 0 || p->overage_cents == 0)) {
		return err_field(err, ERR_INVALID, "stripeOveragePrice",
				 "\"stripeOveragePrice\" needs \"stripePrice\" and "
				 "\"overageCents\", too");
	}
	return true;
}

struct quota quota_verdict(const struct plan *plan, uint64_t used, uint64_t n)
{
	uint64_t soft = (uint64_t)plan->events_soft, hard = (uint64_t)plan->events_hard;
	struct quota q = { .room = n };

	if (hard != 0) {
		uint64_t left = used < hard ? hard - used : 0;

		q.room = left < n ? left : n;
	}
	q.over_soft = soft != 0 && q.room > 0 && used + q.room > soft;
	return q;
}

bool quota_has_room(int64_t limit, uint64_t used)
{
	return limit == 0 || used < (uint64_t)limit;
}

int64_t plan_events_limit(const struct plan *plan)
{
	if (plan->overage_cents > 0 || plan->events_hard == 0) {
		return plan->events_soft;
	}
	return plan->events_hard;
}

uint64_t plan_overage(const struct plan *plan, uint64_t used)
{
	uint64_t soft = (uint64_t)plan->events_soft;

	return plan->overage_cents > 0 && soft > 0 && used > soft ? used - soft : 0;
}

int64_t plan_overage_cents(const struct plan *plan, uint64_t over)
{
	return (int64_t)((over + 999) / 1000) * plan->overage_cents;
}

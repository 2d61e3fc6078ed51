/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whatever is lost, repeated or cut off between us and Stripe, nobody pays for more than was used,
 * and in the end for all of it. A month passes in here in a moment.
 */
#include "api/billing/biller.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/time.h"
#include "engine/usage.h"
#include "store/global.h"
#include "test/t.h"

#define ORG ((struct org_id) { 11 })
#define PROJECT ((struct project_id) { 110 })
#define HOUR_US (INT64_C(3600) * 1000000)
#define REPORTS_MAX 1000
#define MONTHS_MAX 4
#define SEEDS 40
#define STEPS 120
#define INSTALLATION "0123"
#define PRO_SOFT 1000
#define MAX_SOFT 6000

struct reported {
	char identifier[128];
	uint64_t thousands;
	int64_t told_s;
	int64_t at_us; /* when it arrived */
};

/* Stripe, and what happens on the way there. */
struct far {
	int64_t now_us;
	const char *price; /* of the subscription; NULL: there is none */
	struct reported reports[REPORTS_MAX];
	size_t n;
	uint64_t random;
	unsigned trouble; /* of 100 calls so many go wrong */
	bool down;	  /* this one is not done, and fails */
	bool cut;	  /* this one is done, and fails */
	size_t sums_asked;
};

struct scene {
	char path[64];
	struct store *store;
	struct db *db;
	struct meter *meter;
	struct metrics *metrics;
	struct biller *biller;
	pthread_mutex_t admin;
	struct far far;
	int64_t start_us;
	uint64_t taken, counted; /* of this month */
	int64_t month_us;
	/* What each event is by the plan that held when it was taken. */
	int64_t months[MONTHS_MAX];
	uint64_t exact[MONTHS_MAX];
	size_t months_n;
};
static struct err err;

static int64_t at(const char *text)
{
	int64_t us;

	T_TRUE(time_parse(slice_of(text), &us));
	return us;
}

/* Numbers that look random and are the same each time (Knuth's MMIX). */
static uint64_t below(uint64_t *state, uint64_t bound)
{
	*state = *state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return (*state >> 33) % bound;
}

/* Stripe. */

static struct slice member(struct slice form, const char *name, struct arena *tick)
{
	struct slice part;

	while (slice_split(&form, '&', &part)) {
		size_t eq = slice_find(part, '=');

		if (slice_eq((struct slice) { part.p, eq }, slice_of(name))) {
			return arena_dup(tick, slice_from(part, eq + 1));
		}
	}
	return S("");
}

static void meter_event(struct far *far, const struct stripe_call *call, struct arena *tick,
			struct stripe_answer *out)
{
	const char *identifier = member(call->form, "identifier", tick).p;
	struct reported *r = &far->reports[far->n];

	for (size_t i = 0; i < far->n; i++) {
		if (strcmp(far->reports[i].identifier, identifier) == 0 &&
		    far->now_us - far->reports[i].at_us < 24 * HOUR_US) {
			out->status = 400;
			out->body = S("{\"error\":{\"message\":"
				      "\"An event already exists with identifier x.\"}}");
			return;
		}
	}
	ensure(far->n < REPORTS_MAX);
	snprintf(r->identifier, sizeof(r->identifier), "%s", identifier);
	r->thousands = strtoull(member(call->form, "payload[value]", tick).p, NULL, 10);
	r->told_s = (int64_t)strtoll(member(call->form, "timestamp", tick).p, NULL, 10);
	r->at_us = far->now_us;
	T_TRUE(r->told_s <= far->now_us / 1000000 + 300);
	T_TRUE(r->told_s >= far->now_us / 1000000 - 35 * 86400);
	far->n++;
	out->body = S("{}");
}

static void sums(struct far *far, const struct stripe_call *call, struct arena *tick,
		 struct stripe_answer *out)
{
	struct slice query = slice_from(call->path, slice_find(call->path, '?') + 1);
	int64_t from_s = (int64_t)strtoll(member(query, "start_time", tick).p, NULL, 10);
	uint64_t sum = 0;

	far->sums_asked++;
	for (size_t i = 0; i < far->n; i++) {
		if (far->reports[i].told_s >= from_s && far->reports[i].told_s < from_s + 60) {
			sum += far->reports[i].thousands;
		}
	}
	out->body = arena_printf(tick, "{\"data\":[{\"aggregated_value\":%llu.0}]}",
				 (unsigned long long)sum);
}

static void act(struct far *far, const struct stripe_call *call, struct arena *tick,
		struct stripe_answer *out)
{
	out->status = 200;
	if (slice_starts(call->path, S("/v1/subscriptions?"))) {
		out->body = far->price == NULL
				    ? S("{\"data\":[]}")
				    : arena_printf(tick,
						   "{\"data\":[{\"id\":\"sub_1\",\"customer\":"
						   "\"cus_1\",\"status\":\"active\",\"items\":"
						   "{\"data\":[{\"price\":\"%s\"}]}}]}",
						   far->price);
	} else if (slice_eq(call->path, S("/v1/billing/meter_events"))) {
		meter_event(far, call, tick, out);
	} else if (slice_starts(call->path, S("/v1/billing/meters?"))) {
		out->body = S("{\"data\":[{\"id\":\"mtr_1\",\"event_name\":\"overage_events\"}]}");
	} else {
		T_TRUE(slice_starts(call->path, S("/v1/billing/meters/mtr_1/event_summaries?")));
		sums(far, call, tick, out);
	}
}

static bool call_far(void *arg, const struct stripe_call *call, struct arena *tick,
		     struct stripe_answer *out, struct err *e)
{
	struct far *far = arg;
	bool trouble = below(&far->random, 100) < far->trouble;
	bool done = !far->down && (!trouble || below(&far->random, 2) == 0);

	if (done) {
		act(far, call, tick, out);
	}
	return !(far->down || far->cut || trouble) || err_set(e, ERR_UPSTREAM, "lost on the way");
}

/* Us. */

static void open_biller(struct scene *s)
{
	struct biller_options options = {
		.store = s->store,
		.meter = s->meter,
		.metrics = s->metrics,
		.admin = &s->admin,
		.wire = { call_far, &s->far },
		.installation = S(INSTALLATION),
		.meter_event = S("overage_events"),
		.public_url = S("https://tocsin.example"),
		.every_us = 1,
		.now_us = s->far.now_us,
	};

	T_OK(biller_open(&s->biller, &options, &err));
}

/* As a kill does: what was not committed is gone. */
static void kill_biller(struct scene *s)
{
	biller_close(&s->biller);
	open_biller(s);
}

static void put_plans(struct scene *s)
{
	static const struct plan plans[] = {
		{ .name = { "free", 4 }, .events_soft = 10, .events_hard = 1000000000 },
		{ .name = { "pro", 3 },
		  .price_cents = 1,
		  .events_soft = PRO_SOFT,
		  .overage_cents = 100,
		  .price_ref = { "p_pro", 5 } },
		{ .name = { "max", 3 },
		  .price_cents = 2,
		  .events_soft = MAX_SOFT,
		  .overage_cents = 50,
		  .price_ref = { "p_max", 5 } },
	};

	for (size_t i = 0; i < ARRAY_LEN(plans); i++) {
		T_TRUE(meter_put_plan(s->meter, &plans[i]));
	}
	meter_set_default(s->meter, S("free"));
}

static void open_scene(struct scene *s, const char *now, uint64_t seed)
{
	struct org_row org = {
		.id = ORG, .slug = S("a"), .name = S("A"), .status = S("active"), .created_us = 1
	};

	*s = (struct scene) { .far = { .now_us = at(now), .random = seed } };
	s->start_us = s->far.now_us;
	snprintf(s->path, sizeof(s->path), "/tmp/biller-test-%d.db", (int)getpid());
	unlink(s->path);
	pthread_mutex_init(&s->admin, NULL);
	T_OK(store_open(slice_of(s->path), &s->store, &err));
	T_OK(store_migrate(s->store, store_schema_newest(), 1, NULL, &err));
	T_OK(store_connect(s->store, STORE_API, &s->db, &err));
	T_OK(store_org_insert(ORG, s->db, &org, &err));
	T_OK(store_billing_customer(ORG, s->db, S("cus_1"), s->start_us, &err));
	s->meter = meter_new();
	s->metrics = metrics_new();
	put_plans(s);
	open_biller(s);
}

static void close_scene(struct scene *s)
{
	biller_close(&s->biller);
	metrics_free(&s->metrics);
	meter_free(&s->meter);
	db_close(&s->db);
	store_close(&s->store);
	unlink(s->path);
	pthread_mutex_destroy(&s->admin);
}

/* What an event costs that is taken now: whether there is a subscription, and what is included. */
static bool is_billed(struct scene *s, uint64_t *soft)
{
	struct meter_state state;
	struct billing_row row;
	struct arena tick;
	bool live;

	arena_init(&tick, 0);
	T_INT(store_billing_get(ORG, s->db, &tick, &row, &err), FOUND);
	live = slice_eq(row.status, S("active"));
	meter_look(s->meter, ORG, s->far.now_us, &tick, &state);
	*soft = (uint64_t)state.plan.events_soft;
	live = live && state.plan.overage_cents > 0;
	arena_release(&tick);
	return live;
}

static uint64_t *exact_of(struct scene *s, int64_t month_us)
{
	for (size_t i = 0; i < s->months_n; i++) {
		if (s->months[i] == month_us) {
			return &s->exact[i];
		}
	}
	ensure(s->months_n < MONTHS_MAX);
	s->months[s->months_n] = month_us;
	return &s->exact[s->months_n++];
}

/* The ledger gets what was taken. */
static void count_to(struct scene *s, uint64_t n)
{
	struct usage_row row = { .org = ORG,
				 .day_us = s->month_us,
				 .project = PROJECT,
				 .key = { 5 },
				 .type = S("a"),
				 .count = n - s->counted };

	if (row.count > 0) {
		T_OK(db_begin(s->db, &err));
		T_OK(store_usage_add(s->db, &row, 1, &err));
		T_OK(db_commit(s->db, &err));
	}
	s->counted = n;
}

static void turn_month(struct scene *s)
{
	int64_t month_us = month_start_us(s->far.now_us);

	if (month_us != s->month_us) {
		if (s->month_us != 0) {
			count_to(s, s->taken);
		}
		s->month_us = month_us;
		s->taken = s->counted = 0;
	}
}

static void use(struct scene *s, uint64_t n)
{
	uint64_t soft, *exact;

	turn_month(s);
	exact = exact_of(s, s->month_us);
	if (is_billed(s, &soft)) {
		uint64_t first = s->taken > soft ? s->taken : soft;

		*exact += s->taken + n > first ? s->taken + n - first : 0;
	}
	s->taken += n;
	meter_add(s->meter, ORG, s->far.now_us, n);
}

static void pass(struct scene *s, int64_t us)
{
	s->far.now_us += us;
	turn_month(s);
}

/* As the thread does; whether all went well. */
static bool look(struct scene *s)
{
	return biller_ask_due(s->biller, s->far.now_us, &err) &&
	       biller_tell_all(s->biller, s->far.now_us, &err);
}

static void hint(struct scene *s)
{
	T_INT(store_billing_hint(ORG, s->db, 0, 0, s->far.now_us, &err), FOUND);
}

/* Have the subscription of this price, or none; and everybody know. */
static void subscribe(struct scene *s, const char *price)
{
	s->far.price = price;
	hint(s);
	pass(s, 2000000);
	T_TRUE(look(s));
}

static uint64_t told_of(const struct scene *s, int64_t month_us)
{
	char month[MONTH_TEXT_MAX];
	uint64_t sum = 0;

	(void)month_format(month_us, month);
	for (size_t i = 0; i < s->far.n; i++) {
		if (strstr(s->far.reports[i].identifier, month) != NULL) {
			sum += s->far.reports[i].thousands;
		}
	}
	return sum;
}

static void nobody_pays_too_much(const struct scene *s)
{
	for (size_t i = 0; i < s->months_n; i++) {
		bool over = s->far.now_us >= month_end_us(s->months[i]);
		uint64_t most = (s->exact[i] + (over ? OVERAGE_UNIT - 1 : 0)) / OVERAGE_UNIT;

		if (told_of(s, s->months[i]) > most) {
			fail_msg("%llu thousands told of %llu events",
				 (unsigned long long)told_of(s, s->months[i]),
				 (unsigned long long)s->exact[i]);
		}
	}
}

static struct billing_row row_of(struct scene *s, struct arena *tick)
{
	struct billing_row row;

	T_INT(store_billing_get(ORG, s->db, tick, &row, &err), FOUND);
	return row;
}

static bool plan_is(struct scene *s, const char *name)
{
	struct meter_state state;
	struct arena tick;
	bool same;

	arena_init(&tick, 0);
	meter_look(s->meter, ORG, s->far.now_us, &tick, &state);
	same = slice_eq(state.plan.name, slice_of(name));
	arena_release(&tick);
	return same;
}

TEST(the_plan_is_what_is_paid_for)
{
	struct audit_list audit;
	struct audit_filter all = { 0 };
	struct arena tick;
	struct scene s;

	arena_init(&tick, 0);
	open_scene(&s, "2026-11-20T12:00:00Z", 1);
	T_TRUE(look(&s) && plan_is(&s, "free"));
	subscribe(&s, "p_pro");
	T_TRUE(plan_is(&s, "pro"));
	T_SLICE(row_of(&s, &tick).status, "active");
	subscribe(&s, "p_max");
	T_TRUE(plan_is(&s, "max"));
	/* Nobody knows what this is: what holds stays. */
	subscribe(&s, "p_other");
	T_TRUE(plan_is(&s, "max"));
	kill_biller(&s);
	subscribe(&s, NULL);
	T_TRUE(plan_is(&s, "free"));
	T_SLICE(row_of(&s, &tick).status, "canceled");
	T_OK(store_audit_list(ORG, s.db, &all, &(struct page) { .limit = 9 }, &tick, &audit, &err));
	T_INT(audit.n, 3);
	T_SLICE(audit.rows[0].action, "billing.update");
	T_SLICE(audit.rows[0].actor, "system");
	close_scene(&s);
	arena_release(&tick);
}

TEST(a_message_that_was_lost_is_made_good)
{
	struct scene s;

	open_scene(&s, "2026-11-20T12:00:00Z", 1);
	T_TRUE(look(&s));
	s.far.price = "p_pro";
	pass(&s, 5 * HOUR_US);
	T_TRUE(look(&s) && plan_is(&s, "free"));
	pass(&s, 2 * HOUR_US);
	T_TRUE(look(&s) && plan_is(&s, "pro"));
	s.far.price = NULL;
	pass(&s, HOUR_US);
	kill_biller(&s);
	T_TRUE(look(&s) && plan_is(&s, "free"));
	close_scene(&s);
}

TEST(full_thousands_are_told_and_the_rest_once)
{
	struct scene s;
	int64_t month_us;

	open_scene(&s, "2026-11-20T12:00:00Z", 1);
	use(&s, 5000);
	subscribe(&s, "p_pro");
	/* What was before is nobody's bill. */
	T_TRUE(look(&s) && s.far.n == 0);
	month_us = s.month_us;
	use(&s, 999);
	count_to(&s, s.taken);
	T_TRUE(look(&s) && s.far.n == 0);
	use(&s, 1);
	count_to(&s, s.taken);
	T_TRUE(look(&s) && look(&s));
	T_TRUE(s.far.n == 1 && told_of(&s, month_us) == 1);
	use(&s, 2500);
	count_to(&s, s.taken);
	T_TRUE(look(&s) && told_of(&s, month_us) == 3);
	pass(&s, month_end_us(month_us) - s.far.now_us);
	T_TRUE(look(&s) && told_of(&s, month_us) == 3);
	pass(&s, HOUR_US);
	T_TRUE(look(&s) && look(&s) && told_of(&s, month_us) == 4);
	nobody_pays_too_much(&s);
	/* The month after begins with what is included. */
	use(&s, PRO_SOFT + 1000);
	count_to(&s, s.taken);
	T_TRUE(look(&s) && told_of(&s, s.month_us) == 1);
	T_INT(told_of(&s, month_us), 4);
	close_scene(&s);
}

TEST(what_is_cut_off_is_told_again_and_counted_once)
{
	struct scene s;

	open_scene(&s, "2026-11-20T12:00:00Z", 1);
	subscribe(&s, "p_pro");
	use(&s, 4000);
	count_to(&s, s.taken);
	s.far.cut = true;
	T_TRUE(!look(&s));
	kill_biller(&s);
	T_TRUE(!look(&s));
	s.far.cut = false;
	use(&s, 2000);
	count_to(&s, s.taken);
	pass(&s, 22 * HOUR_US);
	T_TRUE(look(&s));
	T_INT(told_of(&s, s.month_us), 5);
	T_INT(s.far.sums_asked, 0);
	nobody_pays_too_much(&s);
	close_scene(&s);
}

/* Stripe would count the same identifier a second time by then. */
TEST(after_a_day_stripe_is_asked_what_has_arrived)
{
	for (int arrived = 0; arrived < 2; arrived++) {
		struct scene s;

		open_scene(&s, "2026-11-20T12:00:00Z", 1);
		subscribe(&s, "p_pro");
		use(&s, 3000);
		count_to(&s, s.taken);
		T_TRUE(look(&s) && told_of(&s, s.month_us) == 2);
		use(&s, 3000);
		count_to(&s, s.taken);
		s.far.cut = arrived != 0;
		s.far.down = arrived == 0;
		pass(&s, 1000000);
		/* Only the report is lost, not what is asked before. */
		T_TRUE(!biller_tell_all(s.biller, s.far.now_us, &err));
		s.far.cut = s.far.down = false;
		T_INT(told_of(&s, s.month_us), arrived != 0 ? 5 : 2);
		pass(&s, 30 * HOUR_US);
		kill_biller(&s);
		T_TRUE(look(&s));
		T_INT(s.far.sums_asked, 1);
		T_INT(told_of(&s, s.month_us), 5);
		nobody_pays_too_much(&s);
		close_scene(&s);
	}
}

TEST(nobody_is_told_of_what_was_used_without_a_subscription)
{
	struct scene s;
	int64_t month_us;

	open_scene(&s, "2026-11-20T12:00:00Z", 1);
	subscribe(&s, "p_pro");
	month_us = s.month_us;
	use(&s, 2500);
	count_to(&s, s.taken);
	T_TRUE(look(&s) && told_of(&s, month_us) == 1);
	subscribe(&s, NULL);
	use(&s, 5000);
	count_to(&s, s.taken);
	T_TRUE(look(&s));
	pass(&s, month_end_us(month_us) - s.far.now_us + HOUR_US);
	T_TRUE(look(&s));
	T_INT(told_of(&s, month_us), 1);
	nobody_pays_too_much(&s);
	close_scene(&s);
}

TEST(who_leaves_is_told_of_nothing_more)
{
	struct scene s;

	open_scene(&s, "2026-11-20T12:00:00Z", 1);
	subscribe(&s, "p_pro");
	use(&s, 3000);
	count_to(&s, s.taken);
	T_OK(store_billing_leave(ORG, s.db, true, s.far.now_us, &err));
	T_TRUE(biller_tell_all(s.biller, s.far.now_us, &err));
	T_INT(told_of(&s, s.month_us), 0);
	close_scene(&s);
}

/* An hour to two days, in which something may happen. */
static void step(struct scene *s, bool changes)
{
	static const char *const prices[] = { "p_pro", "p_max", "p_pro", NULL };
	uint64_t *r = &s->far.random;

	pass(s, (int64_t)below(r, 40) * HOUR_US / 2 + 1000000);
	if (below(r, 3) > 0) {
		use(s, below(r, 1500));
	}
	count_to(s, s->counted + below(r, s->taken - s->counted + 1));
	if (changes && below(r, 6) == 0) {
		s->far.price = prices[below(r, ARRAY_LEN(prices))];
	}
	if (below(r, 3) == 0) {
		hint(s);
	}
	if (below(r, 4) > 0) {
		(void)look(s);
	}
	nobody_pays_too_much(s);
	if (below(r, 5) == 0) {
		kill_biller(s);
	}
}

static void settle(struct scene *s)
{
	s->far.trouble = 0;
	count_to(s, s->taken);
	for (int i = 0; i < 5; i++) {
		pass(s, 30 * HOUR_US);
		hint(s);
		T_TRUE(look(s));
	}
	nobody_pays_too_much(s);
}

TEST(no_storm_bills_more_than_was_used)
{
	for (uint64_t seed = 1; seed <= SEEDS; seed++) {
		bool changes = seed % 2 == 0;
		struct scene s;

		open_scene(&s, "2026-11-02T00:00:00Z", seed);
		subscribe(&s, "p_pro");
		s.far.trouble = 40;
		for (int i = 0; i < STEPS / (changes ? 1 : 2); i++) {
			if (s.months_n == MONTHS_MAX - 1) {
				break;
			}
			step(&s, changes);
		}
		settle(&s);
		T_TRUE(plan_is(&s, s.far.price == NULL		       ? "free"
				   : strcmp(s.far.price, "p_pro") == 0 ? "pro"
								       : "max"));
		for (size_t i = 0; !changes && i + 1 < s.months_n; i++) {
			T_INT(told_of(&s, s.months[i]),
			      (s.exact[i] + OVERAGE_UNIT - 1) / OVERAGE_UNIT);
		}
		close_scene(&s);
	}
}

T_MAIN(T(the_plan_is_what_is_paid_for), T(a_message_that_was_lost_is_made_good),
       T(full_thousands_are_told_and_the_rest_once),
       T(what_is_cut_off_is_told_again_and_counted_once),
       T(after_a_day_stripe_is_asked_what_has_arrived),
       T(nobody_is_told_of_what_was_used_without_a_subscription),
       T(who_leaves_is_told_of_nothing_more), T(no_storm_bills_more_than_was_used))

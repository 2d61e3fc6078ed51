/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Two budgets at most are asked for a call, and one that is refused by the second gets the first
 * back: so a budget counts what was let through, to the last one.
 */
#include "api/rate.h"

#include <inttypes.h>

#include "api/api.h"
#include "api/caller.h"
#include "api/route.h"
#include "base/clock.h"

/* Where a call is taken from, in words for whoever is over it. */
struct budget {
	struct bucket_verdict verdict;
	const struct rate *rate;
	const char *whose;
	enum metric refused;
};

static bool is_over(struct call *c, const struct budget *b, struct err *err)
{
	c->rate = b->verdict;
	c->rate_per_minute = b->rate->per_minute;
	metric_add(c->api->metrics, b->refused, 1);
	return !err_set(err, ERR_RATE,
			"too many requests %s: %" PRIu32 " a minute, %" PRIu32
			" at once; try again in %" PRId64 " s",
			b->whose, b->rate->per_minute, b->verdict.limit, rate_retry_s(c));
}

/* The one that says more of what is left to do is that with less of it. */
static void show(struct call *c, const struct budget *b)
{
	if (b->verdict.limit != 0 &&
	    (c->rate.limit == 0 || b->verdict.remaining < c->rate.remaining)) {
		c->rate = b->verdict;
		c->rate_per_minute = b->rate->per_minute;
	}
}

static enum key_budget key_budget(const struct call *c)
{
	return c->route->limit == LIMIT_INGEST ? KEY_BUDGET_INGEST : KEY_BUDGET_API;
}

/* False: an address that is nobody's, of the Unix socket. */
static bool take_address(struct call *c, enum limit_of of, const struct rate *rate,
			 struct budget *out)
{
	struct limit_key key;
	struct ip ip;

	if (c->api->limits == NULL || !api_client_ip(c->api, c->http, &ip)) {
		return false;
	}
	key = limit_key_address(of, ip.v);
	*out = (struct budget) { limits_take(c->api->limits, &key, rate, loop_now_us(c->api->loop)),
				 rate, "from this address", METRIC_RATE_ADDRESS };
	return true;
}

static bool admit_address(struct call *c, enum limit_of of, const struct rate *rate,
			  struct err *err)
{
	struct budget b;

	if (!take_address(c, of, rate, &b)) {
		return true;
	}
	if (!b.verdict.ok) {
		return !is_over(c, &b, err);
	}
	show(c, &b);
	return true;
}

/* What the plan says, or what holds for all. */
static struct rate rate_of_org(struct call *c)
{
	int64_t per_minute = c->api->meter == NULL ? 0 : meter_rate(c->api->meter, c->caller.org);

	if (per_minute == 0) {
		return c->api->rates.org;
	}
	return (struct rate) { .per_minute = (uint32_t)(per_minute < RATE_MAX ? per_minute
									      : RATE_MAX) };
}

static bool admit_org(struct call *c, struct err *err)
{
	struct rate rate = rate_of_org(c);
	struct limit_key key = limit_key_id(LIMIT_OF_ORG, c->caller.org.v);
	struct budget b = { .verdict.ok = true,
			    .rate = &rate,
			    .whose = "of this organization",
			    .refused = METRIC_RATE_ORG };

	if (c->api->limits != NULL) {
		b.verdict = limits_take(c->api->limits, &key, b.rate, loop_now_us(c->api->loop));
	}
	if (!b.verdict.ok) {
		return !is_over(c, &b, err);
	}
	show(c, &b);
	return true;
}

static bool admit_key(struct call *c, struct err *err)
{
	const struct rates *rates = &c->api->rates;
	enum key_budget of = key_budget(c);
	struct budget b = { .rate = of == KEY_BUDGET_INGEST ? &rates->ingest : &rates->api,
			    .whose = "with this API key",
			    .refused = METRIC_RATE_KEY };

	b.verdict = keyring_take(c->api->keys, c->caller.key, of, b.rate,
				 loop_now_us(c->api->loop));
	if (!b.verdict.ok) {
		return !is_over(c, &b, err);
	}
	show(c, &b);
	if (!admit_org(c, err)) {
		if (b.verdict.limit != 0) {
			keyring_undo(c->api->keys, c->caller.key, of);
		}
		return false;
	}
	return true;
}

/* Of a person: each session has its own, and all of an org have the org's together. */
static bool admit_session(struct call *c, struct err *err)
{
	struct limit_key key = limit_key_id(LIMIT_OF_SESSION, c->caller.session.v);
	struct budget b = { .verdict.ok = true,
			    .rate = &c->api->rates.api,
			    .whose = "of this session",
			    .refused = METRIC_RATE_SESSION };

	if (c->api->limits != NULL) {
		b.verdict = limits_take(c->api->limits, &key, b.rate, loop_now_us(c->api->loop));
	}
	if (!b.verdict.ok) {
		return !is_over(c, &b, err);
	}
	show(c, &b);
	if (c->caller.org.v != 0 && !admit_org(c, err)) {
		if (b.verdict.limit != 0) {
			limits_undo(c->api->limits, &key);
		}
		return false;
	}
	return true;
}

/* Whoever is known has a budget of his own, so that an office behind one address can work. */
static bool admit_caller(struct call *c, struct err *err)
{
	return c->caller.key.v != 0 ? admit_key(c, err) : admit_session(c, err);
}

static uint32_t product(uint32_t a, uint32_t b)
{
	return a < RATE_MAX / b ? a * b : RATE_MAX;
}

static struct rate times(struct rate rate, uint32_t n)
{
	return (struct rate) { .per_minute = product(rate.per_minute, n),
			       .burst = product(rate.burst, n) };
}

bool rate_admit(struct call *c, struct err *err)
{
	struct rate auth;

	c->rate = (struct bucket_verdict) { 0 };
	switch (c->route->limit) {
	case LIMIT_NONE:
		return true;
	case LIMIT_AUTH:
		auth = times(c->api->rates.auth, RATE_AUTH_PER_ADDRESS);
		return admit_address(c, LIMIT_OF_LOGIN, &auth, err);
	case LIMIT_API:
		if (!caller_is_known(&c->caller)) {
			return admit_address(c, LIMIT_OF_ADDRESS, &c->api->rates.address, err);
		}
		return admit_caller(c, err);
	case LIMIT_INGEST:
		/* Without a key there is one in the body, or the call ends here. */
		return !caller_is_known(&c->caller) || admit_caller(c, err);
	}
	never("enum route_limit");
}

bool rate_login(struct call *c, struct slice account, struct err *err)
{
	struct budget b = { .rate = &c->api->rates.auth,
			    .whose = "for this account",
			    .refused = METRIC_RATE_ACCOUNT };
	struct limit_key key;
	struct ip ip;

	if (c->api->limits == NULL || !api_client_ip(c->api, c->http, &ip)) {
		return true;
	}
	key = limit_key_account(c->api->limits, account, ip.v);
	b.verdict = limits_take(c->api->limits, &key, b.rate, clock_mono_us());
	if (!b.verdict.ok) {
		return !is_over(c, &b, err);
	}
	show(c, &b);
	return true;
}

bool rate_link(struct call *c, struct slice account)
{
	static const struct rate rate = { .per_minute = 1, .burst = RATE_LINKS_AT_ONCE };
	static const uint8_t anywhere[16];
	struct limit_key key;

	if (c->api->limits == NULL || c->api->rates.auth.per_minute == 0) {
		return true;
	}
	key = limit_key_account(c->api->limits, account, anywhere);
	return limits_take(c->api->limits, &key, &rate, clock_mono_us()).ok;
}

int64_t rate_retry_s(const struct call *c)
{
	return bucket_seconds(c->rate.retry_us);
}

static size_t add(const struct call *c, const char *name, int64_t value, struct http_header *out)
{
	*out = (struct http_header) { slice_of(name), arena_printf(c->req, "%" PRId64, value) };
	return 1;
}

size_t rate_headers(const struct call *c, struct http_header out[RATE_HEADERS_MAX])
{
	const struct bucket_verdict *v = &c->rate;
	size_t n = 0;

	if (v->limit == 0) {
		return 0;
	}
	out[n++] = (struct http_header) { S("RateLimit-Policy"),
					  arena_printf(c->req, "%" PRIu32 ";w=60;burst=%" PRIu32,
						       c->rate_per_minute, v->limit) };
	n += add(c, "RateLimit-Limit", v->limit, &out[n]);
	n += add(c, "RateLimit-Remaining", v->remaining, &out[n]);
	n += add(c, "RateLimit-Reset", bucket_seconds(v->reset_us), &out[n]);
	n += add(c, "X-RateLimit-Limit", v->limit, &out[n]);
	n += add(c, "X-RateLimit-Remaining", v->remaining, &out[n]);
	n += add(c, "X-RateLimit-Reset", bucket_seconds(v->reset_us), &out[n]);
	return n;
}

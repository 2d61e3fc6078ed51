/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The busy path, a key that is known and was here before, costs the comparison of an address. Only
 * while some address is out of free tries does anything else have to be looked up.
 */
#include "api/guess.h"

#include <inttypes.h>

#include "api/api.h"
#include "base/clock.h"

/* What an IPv6 household has is one address, as for rates. */
static struct slice subject_of(struct ip *ip)
{
	if (!ip_is_v4(*ip)) {
		memset(ip->v + 8, 0, 8);
	}
	return (struct slice) { (const char *)ip->v, sizeof(ip->v) };
}

static bool wait_until(struct call *c, int64_t until_us, int64_t now_us, struct err *err)
{
	c->rate = (struct bucket_verdict) { .retry_us = until_us - now_us };
	metric_add(c->api->metrics, METRIC_GUESSES_REFUSED, 1);
	return err_set(err, ERR_RATE,
		       "too many wrong passwords or keys came from here; try again in %" PRId64
		       " s",
		       rate_retry_s(c));
}

static bool judge(struct call *c, struct ip ip, struct slice secret, bool right, struct err *err)
{
	struct guesses *g = c->api->guesses;
	int64_t now_us = clock_wall_us();
	struct guess_verdict v = { 0 };

	if (guesses_any_address(g)) {
		v = guesses_ask(g, GUESS_OF_ADDRESS, subject_of(&ip), now_us);
	}
	if (v.locked) {
		return wait_until(c, v.until_us, now_us, err);
	}
	if (!right) {
		metric_add(c->api->metrics, METRIC_GUESSES, 1);
		guesses_fail(g, GUESS_OF_ADDRESS, subject_of(&ip), secret, now_us);
	}
	return true;
}

bool guess_key(struct call *c, struct slice secret, bool known, struct err *err)
{
	struct ip ip;

	if (c->api->guesses == NULL || secret.n == 0 || !api_client_ip(c->api, c->http, &ip)) {
		return true;
	}
	if (known && keyring_was_at(c->api->keys, c->caller.key, ip)) {
		return true;
	}
	if (!judge(c, ip, secret, known, err)) {
		return false;
	}
	if (known) {
		keyring_set_at(c->api->keys, c->caller.key, ip);
	}
	return true;
}

bool guess_secret(struct call *c, struct slice secret, bool right, struct err *err)
{
	struct ip ip;

	return c->api->guesses == NULL || secret.n == 0 || !api_client_ip(c->api, c->http, &ip) ||
	       judge(c, ip, secret, right, err);
}

bool guess_login(struct call *c, struct slice account, struct err *err)
{
	struct guesses *g = c->api->guesses;
	int64_t now_us = clock_wall_us();
	struct guess_verdict v;
	struct ip ip;

	if (g == NULL) {
		return true;
	}
	v = guesses_try(g, GUESS_OF_ACCOUNT, account, now_us);
	if (v.locked) {
		return wait_until(c, v.until_us, now_us, err);
	}
	if (!api_client_ip(c->api, c->http, &ip)) {
		return true;
	}
	v = guesses_try(g, GUESS_OF_ADDRESS, subject_of(&ip), now_us);
	if (v.locked) {
		guesses_forgive(g, GUESS_OF_ACCOUNT, account, false);
		return wait_until(c, v.until_us, now_us, err);
	}
	return true;
}

static void forgive(struct call *c, struct slice account, bool all)
{
	struct ip ip;

	if (c->api->guesses == NULL) {
		return;
	}
	guesses_forgive(c->api->guesses, GUESS_OF_ACCOUNT, account, all);
	if (api_client_ip(c->api, c->http, &ip)) {
		guesses_forgive(c->api->guesses, GUESS_OF_ADDRESS, subject_of(&ip), false);
	}
}

void guess_right(struct call *c, struct slice account)
{
	forgive(c, account, true);
}

void guess_clear(struct call *c, struct slice account)
{
	if (c->api->guesses != NULL) {
		guesses_forgive(c->api->guesses, GUESS_OF_ACCOUNT, account, true);
	}
}

void guess_undo(struct call *c, struct slice account)
{
	forgive(c, account, false);
}

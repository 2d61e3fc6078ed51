/* SPDX-License-Identifier: Apache-2.0 */
/* Words with a blank between: none of them has one. */
#include "api/sso/state.h"

#define CONTEXT "sso:state"

struct slice sso_state_wrap(const struct seal *seal, const struct sso_state *s, struct arena *req)
{
	struct slice plain = arena_printf(
		req, "%.*s %.*s %.*s %.*s %.*s %lld %d %llu %llu", SARG(s->issuer), SARG(s->state),
		SARG(s->nonce), SARG(s->verifier), SARG(s->redirect), (long long)s->made_us,
		s->fresh, (unsigned long long)s->user.v, (unsigned long long)s->session.v);

	return seal_wrap(seal, S(CONTEXT), plain, req);
}

static bool number(struct slice *rest, uint64_t *out)
{
	struct slice word;

	return slice_split(rest, ' ', &word) && slice_u64(word, out);
}

/* What we sealed ourselves is in order. */
static bool read_words(struct slice rest, struct sso_state *out)
{
	uint64_t made_us, fresh;

	if (!slice_split(&rest, ' ', &out->issuer) || !slice_split(&rest, ' ', &out->state) ||
	    !slice_split(&rest, ' ', &out->nonce) || !slice_split(&rest, ' ', &out->verifier) ||
	    !slice_split(&rest, ' ', &out->redirect) || !number(&rest, &made_us) ||
	    !number(&rest, &fresh) || !number(&rest, &out->user.v) ||
	    !number(&rest, &out->session.v)) {
		return false;
	}
	out->made_us = (int64_t)made_us;
	out->fresh = fresh != 0;
	return true;
}

bool sso_state_unwrap(const struct seal *seal, struct slice text, int64_t now_us, struct arena *req,
		      struct sso_state *out)
{
	struct secret plain = { 0 };
	struct err err;
	bool ok;

	*out = (struct sso_state) { 0 };
	if (!seal_unwrap(seal, S(CONTEXT), text, &plain, &err)) {
		return false;
	}
	ok = read_words(arena_dup(req, secret_reveal(&plain)), out);
	secret_release(&plain);
	return ok && out->made_us <= now_us && now_us - out->made_us < SSO_STATE_LIFE_US;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Stream ids: two numbers through a Feistel network keyed by the journal's cipher and the org, as
 * 26 characters. An id of one org says nothing to another, and none says how busy anybody is.
 */
#include "base/hex.h"
#include "engine/live.h"

#define ROUNDS 6
#define DIGITS 26

static uint64_t mix(const struct hash_key *cipher, struct org_id org, uint64_t round, uint64_t half)
{
	uint64_t in[4] = { 0x6c697665, org.v, round, half }; /* "live", apart from other uses */

	return hash_sip64(cipher, (struct slice) { (const char *)in, sizeof(in) });
}

struct id_text live_id_format(const struct hash_key *cipher, struct org_id org,
			      struct live_position at)
{
	uint64_t left = at.seq, right = at.change;
	struct id_text text = { { 0 } };

	for (uint64_t i = 0; i < ROUNDS; i++) {
		uint64_t next = left ^ mix(cipher, org, i, right);

		left = right;
		right = next;
	}
	base32_encode((unsigned __int128)left << 64 | right, DIGITS, text.p);
	return text;
}

bool live_id_parse(const struct hash_key *cipher, struct org_id org, struct slice text,
		   struct live_position *at)
{
	unsigned __int128 v;
	uint64_t left, right;

	if (text.n != DIGITS || !base32_decode(text, &v)) {
		return false;
	}
	left = (uint64_t)(v >> 64);
	right = (uint64_t)v;
	for (uint64_t i = ROUNDS; i > 0; i--) {
		uint64_t before = right ^ mix(cipher, org, i - 1, left);

		right = left;
		left = before;
	}
	*at = (struct live_position) { .seq = left, .change = right };
	return true;
}

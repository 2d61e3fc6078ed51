/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Public texts of identities. Numbers of the log are enciphered by a Feistel network over two
 * halves of 40 bits, its round function a keyed hash of the half, the kind, the time and the round:
 * it is a permutation, so no two records share a text, and who lacks the key learns nothing from a
 * text but its millisecond.
 */
#include "model/id.h"

#include "base/hex.h"
#include "base/rand.h"

#define RANDOM_DIGITS 13
#define LOG_DIGITS 26
#define PREFIX_LEN 4
#define ID_TEXT_LEN(digits) (PREFIX_LEN + (digits))
#define TIME_BITS 48
#define HALF_BITS 40
#define HALF_MASK ((UINT64_C(1) << HALF_BITS) - 1)
#define ROUNDS 6 /* four make a strong pseudo-random permutation; two more for the small halves */

static const char prefixes[][PREFIX_LEN + 1] = {
	[ID_ORG] = "org_",     [ID_PROJECT] = "prj_", [ID_KEY] = "key_",      [ID_RULE] = "rul_",
	[ID_EVENT] = "evt_",   [ID_ALERT] = "alr_",   [ID_DELIVERY] = "dlv_", [ID_USER] = "usr_",
	[ID_SESSION] = "ses_", [ID_INVITE] = "inv_",  [ID_AUDIT] = "aud_",
};
static_assert(ARRAY_LEN(prefixes) == ID_KINDS, "every kind has a prefix");
static_assert(sizeof(struct id_text) > ID_TEXT_LEN(LOG_DIGITS), "a text is terminated");

uint64_t id_random(void)
{
	uint64_t v;

	do {
		v = rand_u64() >> 1;
	} while (v == 0);
	return v;
}

static struct id_text put_text(enum id_kind kind, unsigned __int128 value, size_t digits)
{
	struct id_text text = { 0 };

	memcpy(text.p, prefixes[kind], PREFIX_LEN);
	base32_encode(value, digits, text.p + PREFIX_LEN);
	return text;
}

/* One text for one value: the look-alikes that base 32 reads (I, L, O) are not taken here. */
static bool get_text(enum id_kind kind, struct slice text, size_t digits, unsigned __int128 *value)
{
	struct id_text same;

	if (text.n != ID_TEXT_LEN(digits) || !base32_decode(slice_from(text, PREFIX_LEN), value)) {
		return false;
	}
	same = put_text(kind, *value, digits);
	return slice_eq_nocase(text, slice_of(same.p));
}

struct id_text id_format(enum id_kind kind, uint64_t v)
{
	ensure(kind < ID_KINDS && !id_of_log(kind));
	return put_text(kind, v, RANDOM_DIGITS);
}

bool id_parse(enum id_kind kind, struct slice text, uint64_t *v)
{
	unsigned __int128 value;

	ensure(kind < ID_KINDS && !id_of_log(kind));
	if (!get_text(kind, text, RANDOM_DIGITS, &value) || value == 0 || value > INT64_MAX) {
		return false;
	}
	*v = (uint64_t)value;
	return true;
}

static uint64_t round_of(const struct hash_key *cipher, enum id_kind kind, uint64_t at_ms,
			 unsigned round, uint64_t half)
{
	const uint64_t in[2] = { at_ms << 16 | (uint64_t)kind << 8 | round, half };

	return hash_sip64(cipher, (struct slice) { .p = (const char *)in, .n = sizeof(in) }) &
	       HALF_MASK;
}

struct id_text log_id_format(const struct hash_key *cipher, enum id_kind kind, struct log_id id)
{
	uint64_t at_ms = (uint64_t)id.at_ms;
	uint64_t left = (uint64_t)id.partition << 24 | id.number >> HALF_BITS;
	uint64_t right = id.number & HALF_MASK;

	ensure(id_of_log(kind));
	ensure(at_ms >> TIME_BITS == 0);
	for (unsigned round = 0; round < ROUNDS; round++) {
		uint64_t next = left ^ round_of(cipher, kind, at_ms, round, right);

		left = right;
		right = next;
	}
	return put_text(kind,
			(unsigned __int128)at_ms << (2 * HALF_BITS) |
				(unsigned __int128)left << HALF_BITS | right,
			LOG_DIGITS);
}

bool log_id_parse(const struct hash_key *cipher, enum id_kind kind, struct slice text,
		  struct log_id *id)
{
	unsigned __int128 value;
	uint64_t at_ms, left, right;

	ensure(id_of_log(kind));
	if (!get_text(kind, text, LOG_DIGITS, &value)) {
		return false;
	}
	at_ms = (uint64_t)(value >> (2 * HALF_BITS));
	left = (uint64_t)(value >> HALF_BITS) & HALF_MASK;
	right = (uint64_t)value & HALF_MASK;
	for (unsigned round = ROUNDS; round > 0; round--) {
		uint64_t before = right ^ round_of(cipher, kind, at_ms, round - 1, left);

		right = left;
		left = before;
	}
	*id = (struct log_id) {
		.at_ms = (int64_t)at_ms,
		.partition = (uint16_t)(left >> 24),
		.number = left << HALF_BITS | right,
	};
	return true;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Encoding and decoding by offset, one line per field, so that this file and the table in
 * doc/journal-format.md can be read side by side.
 */
#include "journal/file/format.h"

#include <endian.h>

#define META_MAGIC "tocsin\nJ"
#define SEGMENT_MAGIC "tocsin\nS"
#define BATCH_MAGIC 0xb47c4a01U
#define VERSION 1
#define NUMBER_MAX (UINT64_C(1) << 62) /* no number or time comes near it */

static void put16(void *p, uint16_t v)
{
	v = htole16(v);
	memcpy(p, &v, 2);
}

static void put32(void *p, uint32_t v)
{
	v = htole32(v);
	memcpy(p, &v, 4);
}

static void put64(void *p, uint64_t v)
{
	v = htole64(v);
	memcpy(p, &v, 8);
}

static uint16_t get16(const void *p)
{
	uint16_t v;

	memcpy(&v, p, 2);
	return le16toh(v);
}

static uint32_t get32(const void *p)
{
	uint32_t v;

	memcpy(&v, p, 4);
	return le32toh(v);
}

static uint64_t get64(const void *p)
{
	uint64_t v;

	memcpy(&v, p, 8);
	return le64toh(v);
}

void meta_encode(const struct journal_meta *meta, unsigned char out[META_BYTES])
{
	memset(out, 0, META_BYTES);
	memcpy(out, META_MAGIC, 8);
	put32(out + 8, VERSION);
	memcpy(out + 16, meta->id.v, 16);
	memcpy(out + 32, meta->hash.v, HASH_KEY_BYTES);
	memcpy(out + 48, meta->cipher.v, HASH_KEY_BYTES);
	put64(out + 64, (uint64_t)meta->created_at_us);
	put32(out + 12, crc32c(0, out + 16, META_BYTES - 16));
}

bool meta_decode(const unsigned char *p, struct journal_meta *meta, struct err *err)
{
	if (memcmp(p, META_MAGIC, 8) != 0) {
		return err_set(err, ERR_CORRUPT, "\"meta\" is not the meta file of a journal");
	}
	if (get32(p + 8) != VERSION) {
		return err_set(err, ERR_CONFLICT,
			       "the journal has format version %u, this program reads %u: use a "
			       "newer tocsin",
			       get32(p + 8), VERSION);
	}
	if (get32(p + 12) != crc32c(0, p + 16, META_BYTES - 16)) {
		return err_set(err, ERR_CORRUPT, "\"meta\" does not match its checksum");
	}
	memcpy(meta->id.v, p + 16, 16);
	memcpy(meta->hash.v, p + 32, HASH_KEY_BYTES);
	memcpy(meta->cipher.v, p + 48, HASH_KEY_BYTES);
	meta->created_at_us = (int64_t)get64(p + 64);
	return true;
}

/* The checksum finds every other change of a byte or two: what makes it right again is right. */
bool meta_repair(unsigned char *p)
{
	struct journal_meta meta;
	struct err err;

	if (meta_decode(p, &meta, &err) || get32(p + 8) != VERSION) {
		return false;
	}
	for (size_t i = 0; i < META_BYTES; i++) {
		unsigned char was = p[i];

		for (unsigned change = 1; change < 256 && (i < 8 || i >= 12); change++) {
			p[i] = (unsigned char)(was ^ change);
			if (meta_decode(p, &meta, &err)) {
				return true;
			}
		}
		p[i] = was;
	}
	return false;
}

void segment_head_encode(const struct segment_head *head, unsigned char out[SEGMENT_HEAD_BYTES])
{
	memset(out, 0, SEGMENT_HEAD_BYTES);
	memcpy(out, SEGMENT_MAGIC, 8);
	put32(out + 8, VERSION);
	memcpy(out + 16, head->id.v, 16);
	put64(out + 32, head->epoch);
	put64(out + 40, head->bytes);
	put64(out + 48, (uint64_t)head->created_at_us);
	put32(out + 12, crc32c(0, out + 16, SEGMENT_HEAD_BYTES - 16));
}

bool segment_head_decode(const unsigned char *p, struct segment_head *head)
{
	if (memcmp(p, SEGMENT_MAGIC, 8) != 0 || get32(p + 8) != VERSION ||
	    get32(p + 12) != crc32c(0, p + 16, SEGMENT_HEAD_BYTES - 16)) {
		return false;
	}
	memcpy(head->id.v, p + 16, 16);
	head->epoch = get64(p + 32);
	head->bytes = get64(p + 40);
	head->created_at_us = (int64_t)get64(p + 48);
	return true;
}

void batch_head_encode(const struct batch_head *head, char out[BATCH_HEAD_BYTES])
{
	put32(out, BATCH_MAGIC);
	memcpy(out + 8, head->id.v, 16);
	put64(out + 24, head->epoch);
	put64(out + 32, head->first_seq);
	put64(out + 40, head->flushed_seq);
	put32(out + 48, head->count);
	put32(out + 52, head->length);
	put32(out + 56, head->chain);
	put32(out + 60, 0);
	put32(out + 4, crc32c(0, out + 8, BATCH_HEAD_BYTES - 8));
}

bool batch_head_decode(const char *p, const struct journal_id *id, uint64_t epoch,
		       struct batch_head *head)
{
	if (get32(p) != BATCH_MAGIC || memcmp(p + 8, id->v, 16) != 0 || get64(p + 24) != epoch ||
	    get32(p + 4) != crc32c(0, p + 8, BATCH_HEAD_BYTES - 8)) {
		return false;
	}
	head->id = *id;
	head->epoch = epoch;
	head->first_seq = get64(p + 32);
	head->flushed_seq = get64(p + 40);
	head->count = get32(p + 48);
	head->length = get32(p + 52);
	head->chain = get32(p + 56);
	return head->length % 8 == 0 && head->first_seq > 0 && head->first_seq < NUMBER_MAX;
}

static size_t padded(size_t n)
{
	return (n + 7) & ~(size_t)7;
}

size_t record_size(const struct record *record)
{
	return padded(RECORD_HEAD_BYTES + record->type.n + record->idempotency_key.n +
		      record->body.n);
}

uint64_t record_key_hash(const struct hash_key *hash, struct org_id org, struct slice key)
{
	char bytes[sizeof(org.v) + RECORD_KEY_BYTES_MAX];

	ensure(key.n <= RECORD_KEY_BYTES_MAX);
	memcpy(bytes, &org.v, sizeof(org.v));
	memcpy(bytes + sizeof(org.v), key.p, key.n);
	return hash_sip64(hash, (struct slice) { .p = bytes, .n = sizeof(org.v) + key.n });
}

static char *put_slice(char *to, struct slice s)
{
	if (s.n > 0) {
		memcpy(to, s.p, s.n);
	}
	return to + s.n;
}

uint32_t record_encode(const struct record *record, char *out)
{
	size_t size = record_size(record);
	char *end = out + RECORD_HEAD_BYTES;
	uint32_t crc;

	put32(out + 4, (uint32_t)size);
	put64(out + 8, record->seq);
	put64(out + 16, (uint64_t)record->received_at_us);
	put64(out + 24, record->org.v);
	put64(out + 32, record->project.v);
	put64(out + 40, record->key.v);
	put64(out + 48, record->hash.lo);
	put64(out + 56, record->hash.hi);
	put16(out + 64, (uint16_t)record->kind);
	put16(out + 66, (uint16_t)record->type.n);
	put16(out + 68, (uint16_t)record->idempotency_key.n);
	put16(out + 70, RECORD_HEAD_BYTES);
	put32(out + 72, (uint32_t)record->body.n);
	put32(out + 76, record->severity);
	end = put_slice(end, record->type);
	end = put_slice(end, record->idempotency_key);
	end = put_slice(end, record->body);
	memset(end, 0, (size_t)(out + size - end));
	crc = crc32c(0, out + 4, size - 4);
	put32(out, crc);
	return crc;
}

size_t record_claims(const char *p)
{
	size_t size = get32(p + 4);
	size_t type = get16(p + 66);
	size_t key = get16(p + 68);
	size_t body = get32(p + 72);
	unsigned kind = get16(p + 64);

	if (kind < RECORD_EVENT || kind > RECORD_START || get64(p + 16) >= NUMBER_MAX ||
	    get16(p + 70) != RECORD_HEAD_BYTES || type > RECORD_TYPE_BYTES_MAX ||
	    key > RECORD_KEY_BYTES_MAX || body > RECORD_BODY_BYTES_MAX ||
	    size != padded(RECORD_HEAD_BYTES + type + key + body)) {
		return 0;
	}
	return size;
}

uint64_t record_seq(const char *p)
{
	return get64(p + 8);
}

uint32_t record_crc(const char *p)
{
	return get32(p);
}

bool record_intact(const char *p, size_t size)
{
	return get32(p) == crc32c(0, p + 4, size - 4);
}

void record_decode(const char *p, struct record *record)
{
	const char *var = p + RECORD_HEAD_BYTES;

	*record = (struct record) {
		.kind = (enum record_kind)get16(p + 64),
		.seq = get64(p + 8),
		.received_at_us = (int64_t)get64(p + 16),
		.org = { get64(p + 24) },
		.project = { get64(p + 32) },
		.key = { get64(p + 40) },
		.hash = { .lo = get64(p + 48), .hi = get64(p + 56) },
		.type = { .p = var, .n = get16(p + 66) },
		.severity = (uint8_t)p[76],
		.idempotency_key = { .n = get16(p + 68) },
		.body = { .n = get32(p + 72) },
	};
	record->idempotency_key.p = var + record->type.n;
	record->body.p = record->idempotency_key.p + record->idempotency_key.n;
}

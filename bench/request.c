/* SPDX-License-Identifier: Apache-2.0 */
/* Builds a request from templates and remembers where the numbers go. */
#include "request.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum slot_kind { SLOT_N, SLOT_U, SLOT_A };

struct request_slot {
	size_t at;
	uint32_t item; /* which item of the batch: its number is first + item */
	enum slot_kind kind;
};

static const struct {
	const char *text;
	size_t digits;
	enum slot_kind kind;
} slot_kinds[] = {
	{ "{n}", REQUEST_N_DIGITS, SLOT_N },
	{ "{u}", 3, SLOT_U },
	{ "{a}", 3, SLOT_A },
};

struct text {
	char *p;
	size_t len;
	size_t cap;
};

static void put(struct text *t, const char *p, size_t n)
{
	if (t->cap - t->len < n) {
		t->cap = (t->cap + n) * 2;
		t->p = mem_resize(t->p, t->cap, 1);
	}
	memcpy(t->p + t->len, p, n);
	t->len += n;
}

static void put_str(struct text *t, const char *s)
{
	put(t, s, strlen(s));
}

static void add_slot(struct request *r, size_t at, uint32_t item, enum slot_kind kind)
{
	if ((r->slot_n & (r->slot_n - 1)) == 0) {
		size_t cap = r->slot_n == 0 ? 1 : r->slot_n * 2;

		r->slots = mem_resize(r->slots, cap, sizeof(struct request_slot));
	}
	r->slots[r->slot_n] = (struct request_slot) { .at = at, .item = item, .kind = kind };
	r->slot_n++;
}

/* The slot at s, or -1. */
static int slot_at(const char *s)
{
	for (size_t i = 0; i < ARRAY_LEN(slot_kinds); i++) {
		if (strncmp(s, slot_kinds[i].text, strlen(slot_kinds[i].text)) == 0) {
			return (int)i;
		}
	}
	return -1;
}

static void put_template(struct request *r, struct text *t, const char *s, const char *seed,
			 uint32_t item)
{
	while (*s != '\0') {
		int kind = slot_at(s);

		if (kind >= 0) {
			add_slot(r, t->len, item, slot_kinds[kind].kind);
			put(t, "000000000000", slot_kinds[kind].digits);
			s += strlen(slot_kinds[kind].text);
		} else if (strncmp(s, "{seed}", 6) == 0) {
			put_str(t, seed);
			s += 6;
		} else {
			put(t, s, 1);
			s++;
		}
	}
}

static void put_body(struct request *r, struct text *t, const struct request_spec *spec)
{
	if (spec->batch == 0) {
		put_template(r, t, spec->item, spec->seed, 0);
		return;
	}
	put_str(t, "{\"events\":[");
	for (uint32_t i = 0; i < spec->batch; i++) {
		if (i > 0) {
			put(t, ",", 1);
		}
		put_template(r, t, spec->item, spec->seed, i);
	}
	put_str(t, "]}");
}

static void put_head(struct request *r, struct text *t, const struct request_spec *spec,
		     size_t body_len)
{
	char line[64];

	put_str(t, spec->method);
	put_str(t, " ");
	put_template(r, t, spec->path, spec->seed, 0);
	put_str(t, " HTTP/1.1\r\nHost: ");
	put_str(t, spec->host);
	if (spec->header != NULL && spec->header[0] != '\0') {
		put_str(t, "\r\n");
		put_str(t, spec->header);
	}
	if (body_len > 0) {
		put_str(t, "\r\nContent-Type: application/json");
	}
	snprintf(line, sizeof(line), "\r\nContent-Length: %zu\r\n\r\n", body_len);
	put_str(t, line);
}

void request_init(struct request *r, const struct request_spec *spec)
{
	struct text head = { 0 };
	struct text body = { 0 };
	size_t body_slots;

	*r = (struct request) { .items = spec->batch == 0 ? 1 : spec->batch };
	put_body(r, &body, spec);
	body_slots = r->slot_n;
	put_head(r, &head, spec, body.len);
	for (size_t i = 0; i < body_slots; i++) {
		r->slots[i].at += head.len;
	}
	if (body.len > 0) {
		put(&head, body.p, body.len);
	}
	free(body.p);
	r->bytes = head.p;
	r->len = head.len;
}

void request_release(struct request *r)
{
	free(r->bytes);
	free(r->slots);
	*r = (struct request) { 0 };
}

static void write_digits(char *p, uint64_t value, size_t digits)
{
	while (digits > 0) {
		digits--;
		p[digits] = (char)('0' + value % 10);
		value /= 10;
	}
}

void request_number(struct request *r, uint64_t first)
{
	for (size_t i = 0; i < r->slot_n; i++) {
		const struct request_slot *slot = &r->slots[i];
		uint64_t n = first + slot->item;
		char *p = r->bytes + slot->at;

		switch (slot->kind) {
		case SLOT_N:
			write_digits(p, n, REQUEST_N_DIGITS);
			break;
		case SLOT_U:
			write_digits(p, n % 1000, 3);
			break;
		case SLOT_A:
			write_digits(p, 100 + n % 500, 3);
			break;
		}
	}
}

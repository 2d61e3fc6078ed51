/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BENCH_REQUEST_H
#define BENCH_REQUEST_H

/*
 * A complete HTTP request made once from a template; before each sending only its numbers are
 * written over in place, so a request costs the client almost nothing and always has the same
 * length.
 *
 * In the template of an item (and in the path) {seed} becomes the seed, once; {n} becomes the
 * item's number with 12 digits, {u} the number mod 1000 with 3 digits, {a} a number from 100 to 599
 * (a JSON number: no zero in front).
 */
#include "base/base.h"

#define REQUEST_N_DIGITS 12

struct request_spec {
	const char *method;
	const char *path;
	const char *host;
	const char *header; /* one more header line without its line end; NULL or empty: none */
	const char *item;   /* the template; "" for an empty body */
	const char *seed;
	size_t batch; /* 0: the item is the body; otherwise {"events":[item, ...]} of so many */
};

struct request_slot;

struct request {
	char *bytes;
	size_t len;
	size_t items; /* how many numbers each sending uses up */
	struct request_slot *slots;
	size_t slot_n;
};

/* Build the request; its strings are copied. Release with request_release(). */
void request_init(struct request *r, const struct request_spec *spec);
void request_release(struct request *r);

/* Give the items of the request the numbers first, first + 1, ... */
void request_number(struct request *r, uint64_t first);

#endif

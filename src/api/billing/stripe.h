/* SPDX-License-Identifier: Apache-2.0 */
#ifndef API_BILLING_STRIPE_H
#define API_BILLING_STRIPE_H

#include "base/buf.h"
#include "base/json.h"

/*
 * What is said between us and Stripe, as texts: whether a message is signed, what is in it, and
 * what a call needs and answers. All that comes in is hostile until its signature is right, and odd
 * even then. Who sends is wire.h. Pure; any thread.
 */
#define STRIPE_VERSION "2024-06-20" /* of its API: shapes stay as they are read here */
#define STRIPE_TOLERANCE_S 300	    /* between its clock and ours, as its own library has it */
#define STRIPE_SECRETS_MAX 4	    /* one, its successor, and as much again */
#define STRIPE_HEADER_BYTES_MAX 1024
#define STRIPE_SIGNATURES_MAX 10 /* in one header; while a secret rotates there are two */
#define STRIPE_SUBSCRIPTIONS_MAX 20
#define STRIPE_PRICES_MAX 20			      /* of a subscription; it allows as many */
#define STRIPE_RESPONSE_BYTES_MAX ((size_t)512 << 10) /* twenty subscriptions of 10 to 20 KiB */

/* Secrets that messages may be signed with: "whsec_...", more behind commas while they rotate. */
struct stripe_secrets {
	struct slice v[STRIPE_SECRETS_MAX];
	size_t n;
};
/* Borrows from text. False: there is none, one is empty, or there are too many. */
NODISCARD bool stripe_secrets_read(struct slice text, struct stripe_secrets *out);

/*
 * Whether the header Stripe-Signature ("t=...,v1=...") is of this body, by one of the secrets, and
 * of now: hex of HMAC-SHA256 over "t.body". Compares in constant time; copies the body into req.
 */
bool stripe_is_signed(struct slice header, struct slice body, const struct stripe_secrets *secrets,
		      int64_t now_us, struct arena *req);

struct stripe_message {
	struct slice id;
	struct slice type;
	struct slice customer; /* whom it is about; empty: nobody */
	int64_t created_us;
};
/* ERR_MALFORMED, ERR_INVALID: it is no such message. */
NODISCARD bool stripe_message_read(struct slice body, struct arena *req, struct stripe_message *out,
				   struct err *err);
/* What a message of this type is to us. */
enum stripe_matter { STRIPE_NOTHING, STRIPE_CHANGED, STRIPE_FAILED, STRIPE_PAID };
enum stripe_matter stripe_matter_of(struct slice type);

/* One more member of a form; name stands as it is, "items[0][price]". */
void stripe_put(struct buf *form, const char *name, struct slice value);

/* A call, and what came of it. */
struct stripe_call {
	const char *method; /* NULL: POST */
	struct slice path;  /* "/v1/customers", with a query */
	struct slice form;
	struct slice key; /* Idempotency-Key; or empty */
};
struct stripe_answer {
	unsigned status;
	struct slice body;
	/* Of a refusal. */
	struct slice code; /* "resource_missing", else its type */
	bool repeated;	   /* a meter event of this identifier has arrived before */
};
/*
 * What an answer means. True: *body is what was asked for. ERR_UPSTREAM: nobody knows whether it
 * was done, or it was not, and may go better later; ERR_INVALID: it was refused, and out says why.
 */
NODISCARD bool stripe_answer_read(struct stripe_answer *out, struct arena *tick,
				  const struct json **body, struct err *err);

struct stripe_subscription {
	struct slice id;
	struct slice status;
	struct slice prices[STRIPE_PRICES_MAX];
	size_t prices_n;
	int64_t created_us;
	int64_t period_start_us;
	int64_t period_end_us;
	bool ends; /* with the period */
};
struct stripe_subscriptions {
	struct stripe_subscription rows[STRIPE_SUBSCRIPTIONS_MAX];
	size_t n;
};
/* Of this customer alone. ERR_UPSTREAM: it is no such list. */
NODISCARD bool stripe_subscriptions_read(const struct json *body, struct slice customer,
					 struct stripe_subscriptions *out, struct err *err);
/* Whether somebody has what a subscription of this status is for: paid, on trial, or late. */
bool stripe_is_live(struct slice status);
/* Whether a payment is overdue. */
bool stripe_is_behind(struct slice status);
/* The one that counts: live before others, then the one that is known, then the newest; or NULL. */
const struct stripe_subscription *stripe_choose(const struct stripe_subscriptions *all,
						struct slice known);

/* Members of an answer; empty and 0 when they are not there. */
struct slice stripe_text(const struct json *obj, const char *name);
int64_t stripe_int(const struct json *obj, const char *name);

#endif

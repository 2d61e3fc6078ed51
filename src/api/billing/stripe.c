/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Stripe's texts. A list of subscriptions that cannot be read whole is an error and never a shorter
 * list: what is not in it counts as ended.
 */
#include "api/billing/stripe.h"

#include "base/clock.h"
#include "base/hash.h"
#include "base/hex.h"
#include "store/billing.h"

#define DEPTH_MAX 24			 /* subscriptions nest to about ten */
#define TIME_S_MAX INT64_C(253402300799) /* the last second of the year 9999 */
#define REPEATED "already exists with identifier"

bool stripe_secrets_read(struct slice text, struct stripe_secrets *out)
{
	struct slice one;

	*out = (struct stripe_secrets) { 0 };
	while (slice_split(&text, ',', &one)) {
		one = slice_trim(one);
		if (one.n == 0 || out->n == STRIPE_SECRETS_MAX) {
			return false;
		}
		out->v[out->n++] = one;
	}
	return out->n > 0;
}

/* The parts of the header that are read. */
struct parts {
	struct slice time;
	struct slice signatures[STRIPE_SIGNATURES_MAX];
	size_t n;
};

static bool read_parts(struct slice header, struct parts *out)
{
	struct slice part;

	*out = (struct parts) { 0 };
	if (header.n > STRIPE_HEADER_BYTES_MAX) {
		return false;
	}
	while (slice_split(&header, ',', &part)) {
		size_t eq = slice_find(part, '=');
		struct slice name = slice_trim((struct slice) { part.p, eq });

		if (eq == part.n) {
			continue;
		}
		part = slice_trim(slice_from(part, eq + 1));
		if (slice_eq(name, S("t"))) {
			out->time = part;
		} else if (slice_eq(name, S("v1")) && out->n < STRIPE_SIGNATURES_MAX) {
			out->signatures[out->n++] = part;
		}
	}
	return true;
}

static bool is_now(struct slice text, int64_t now_us)
{
	int64_t now_s = now_us / US_PER_S;
	uint64_t at;

	return slice_u64(text, &at) && at <= (uint64_t)TIME_S_MAX &&
	       (int64_t)at >= now_s - STRIPE_TOLERANCE_S &&
	       (int64_t)at <= now_s + STRIPE_TOLERANCE_S;
}

static bool is_among(const struct parts *parts, const unsigned char want[SHA256_BYTES])
{
	bool found = false;

	for (size_t i = 0; i < parts->n; i++) {
		unsigned char got[SHA256_BYTES];

		if (parts->signatures[i].n == 2 * sizeof(got) &&
		    hex_decode(parts->signatures[i], got, sizeof(got)) &&
		    equal_const_time(got, want, sizeof(got))) {
			found = true;
		}
	}
	return found;
}

bool stripe_is_signed(struct slice header, struct slice body, const struct stripe_secrets *secrets,
		      int64_t now_us, struct arena *req)
{
	unsigned char want[SHA256_BYTES];
	struct parts parts;
	bool found = false;
	char *text;
	size_t n;

	if (!read_parts(header, &parts) || !is_now(parts.time, now_us)) {
		return false;
	}
	n = parts.time.n + 1 + body.n;
	text = arena_alloc(req, n);
	memcpy(text, parts.time.p, parts.time.n);
	text[parts.time.n] = '.';
	if (body.n > 0) {
		memcpy(text + parts.time.n + 1, body.p, body.n);
	}
	for (size_t i = 0; i < secrets->n; i++) {
		hmac_sha256(secrets->v[i], (struct slice) { text, n }, want);
		found = is_among(&parts, want) || found;
	}
	return found;
}

struct slice stripe_text(const struct json *obj, const char *name)
{
	const struct json *v = json_get(obj, name);

	return v != NULL && v->type == JSON_STRING ? v->text : S("");
}

int64_t stripe_int(const struct json *obj, const char *name)
{
	const struct json *v = json_get(obj, name);
	int64_t n;

	return v != NULL && v->type == JSON_NUMBER && json_number_int(v->text, &n) ? n : 0;
}

/* An object that is told by its id alone, or whole. */
static struct slice id_of(const struct json *obj, const char *name)
{
	const struct json *v = json_get(obj, name);

	return v != NULL && v->type == JSON_OBJECT ? stripe_text(v, "id") : stripe_text(obj, name);
}

static int64_t time_of(const struct json *obj, const char *name)
{
	int64_t s = stripe_int(obj, name);

	return s > 0 && s <= TIME_S_MAX ? s * US_PER_S : 0;
}

/* A text that the store keeps. */
static bool is_kept(struct slice text)
{
	for (size_t i = 0; i < text.n; i++) {
		if (text.p[i] <= ' ' || text.p[i] > '~') {
			return false;
		}
	}
	return text.n <= BILLING_TEXT_BYTES_MAX;
}

bool stripe_message_read(struct slice body, struct arena *req, struct stripe_message *out,
			 struct err *err)
{
	const struct json *root, *object;

	if (!json_parse(req, body, DEPTH_MAX, &root, err)) {
		return false;
	}
	object = json_get(json_get(root, "data"), "object");
	*out = (struct stripe_message) { .id = stripe_text(root, "id"),
					 .type = stripe_text(root, "type"),
					 .customer = id_of(object, "customer"),
					 .created_us = time_of(root, "created") };
	return (out->id.n > 0 && out->type.n > 0 && is_kept(out->id) && is_kept(out->type) &&
		is_kept(out->customer)) ||
	       err_set(err, ERR_INVALID, "the body is no event of Stripe's");
}

enum stripe_matter stripe_matter_of(struct slice type)
{
	static const struct {
		const char *type;
		enum stripe_matter matter;
	} rows[] = {
		{ "checkout.session.completed", STRIPE_CHANGED },
		{ "customer.subscription.created", STRIPE_CHANGED },
		{ "customer.subscription.updated", STRIPE_CHANGED },
		{ "customer.subscription.deleted", STRIPE_CHANGED },
		{ "invoice.payment_failed", STRIPE_FAILED },
		{ "invoice.paid", STRIPE_PAID },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		if (slice_eq(type, slice_of(rows[i].type))) {
			return rows[i].matter;
		}
	}
	return STRIPE_NOTHING;
}

static bool is_plain(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
	       c == '-' || c == '_' || c == '.' || c == '~';
}

void stripe_put(struct buf *form, const char *name, struct slice value)
{
	buf_printf(form, "%s%s=", form->n == 0 ? "" : "&", name);
	for (size_t i = 0; i < value.n; i++) {
		if (is_plain(value.p[i])) {
			buf_puts(form, slice_from((struct slice) { value.p, i + 1 }, i));
		} else {
			buf_printf(form, "%%%02X", (unsigned)(unsigned char)value.p[i]);
		}
	}
}

static bool contains(struct slice text, struct slice what)
{
	for (size_t at = 0; at + what.n <= text.n; at++) {
		if (slice_starts(slice_from(text, at), what)) {
			return true;
		}
	}
	return false;
}

/* Too many, somebody else is at it, not us: that may change. The rest of 4xx does not. */
static bool is_refused(unsigned status)
{
	return status / 100 == 4 && status != 401 && status != 403 && status != 408 &&
	       status != 409 && status != 429;
}

bool stripe_answer_read(struct stripe_answer *out, struct arena *tick, const struct json **body,
			struct err *err)
{
	const struct json *root = NULL, *error;
	struct err local;
	bool whole = json_parse(tick, out->body, DEPTH_MAX, &root, &local);

	if (whole && out->status == 200) {
		*body = root;
		return true;
	}
	error = whole ? json_get(root, "error") : NULL;
	out->code = stripe_text(error, "code");
	if (out->code.n == 0) {
		out->code = stripe_text(error, "type");
	}
	if (!is_kept(out->code)) {
		out->code = S("");
	}
	out->repeated = contains(stripe_text(error, "message"), S(REPEATED));
	return err_set(err, is_refused(out->status) ? ERR_INVALID : ERR_UPSTREAM,
		       "Stripe answered %u %.*s", out->status, SARG(out->code));
}

/* Newer versions of its API have the period in the items. */
static int64_t period_of(const struct json *sub, const struct json *item, const char *name)
{
	int64_t at_us = time_of(sub, name);

	return at_us != 0 ? at_us : time_of(item, name);
}

static bool read_subscription(const struct json *sub, struct slice customer,
			      struct stripe_subscription *out)
{
	const struct json *items = json_get(json_get(sub, "items"), "data");
	const struct json *ends = json_get(sub, "cancel_at_period_end");
	const struct json *first = items != NULL ? items->child : NULL;

	*out = (struct stripe_subscription) {
		.id = stripe_text(sub, "id"),
		.status = stripe_text(sub, "status"),
		.created_us = time_of(sub, "created"),
		.period_start_us = period_of(sub, first, "current_period_start"),
		.period_end_us = period_of(sub, first, "current_period_end"),
		.ends = ends != NULL && ends->type == JSON_BOOL && ends->truth,
	};
	for (; first != NULL && out->prices_n < STRIPE_PRICES_MAX; first = first->next) {
		struct slice price = id_of(first, "price");

		if (is_kept(price)) {
			out->prices[out->prices_n++] = price;
		}
	}
	return out->id.n > 0 && out->status.n > 0 && is_kept(out->id) && is_kept(out->status) &&
	       slice_eq(id_of(sub, "customer"), customer);
}

bool stripe_subscriptions_read(const struct json *body, struct slice customer,
			       struct stripe_subscriptions *out, struct err *err)
{
	const struct json *data = json_get(body, "data");
	const struct json *more = json_get(body, "has_more");

	out->n = 0;
	if (data == NULL || data->type != JSON_ARRAY || data->count > STRIPE_SUBSCRIPTIONS_MAX ||
	    (more != NULL && more->truth)) {
		return err_set(err, ERR_UPSTREAM,
			       "Stripe sent no list of subscriptions, or more "
			       "than can be read");
	}
	json_each(sub, data)
	{
		if (!read_subscription(sub, customer, &out->rows[out->n++])) {
			return err_set(err, ERR_UPSTREAM,
				       "Stripe sent a subscription that cannot be read");
		}
	}
	return true;
}

static bool is_one_of(struct slice word, const char *const *words)
{
	for (; *words != NULL; words++) {
		if (slice_eq(word, slice_of(*words))) {
			return true;
		}
	}
	return false;
}

bool stripe_is_live(struct slice status)
{
	static const char *const words[] = { "active", "trialing", "past_due", NULL };

	return is_one_of(status, words);
}

bool stripe_is_behind(struct slice status)
{
	static const char *const words[] = { "past_due", "unpaid", NULL };

	return is_one_of(status, words);
}

static bool is_better(const struct stripe_subscription *a, const struct stripe_subscription *b,
		      struct slice known)
{
	bool a_live = stripe_is_live(a->status), b_live = stripe_is_live(b->status);
	bool a_known = slice_eq(a->id, known), b_known = slice_eq(b->id, known);

	if (a_live != b_live) {
		return a_live;
	}
	return a_known != b_known ? a_known : a->created_us > b->created_us;
}

const struct stripe_subscription *stripe_choose(const struct stripe_subscriptions *all,
						struct slice known)
{
	const struct stripe_subscription *best = NULL;

	for (size_t i = 0; i < all->n; i++) {
		if (best == NULL || is_better(&all->rows[i], best, known)) {
			best = &all->rows[i];
		}
	}
	return best;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Pages at Stripe: one to buy a plan at, and one to change and end what was bought. Whoever has a
 * subscription gets no page to buy another, and of two pages only the newer can be used: so nobody
 * pays twice.
 */
#include "api/billing/biller_impl.h"
#include "base/clock.h"
#include "base/hash.h"
#include "base/hex.h"
#include "store/global.h"

#define FORM_BYTES_MAX ((size_t)16 << 10)
#define DAY_S 86400 /* how long Stripe knows an Idempotency-Key */
#define HOUR_S 3600

/* One key for one intent: what differs in it is another call to Stripe. */
static struct slice key_of(struct biller *b, const char *what, struct slice form, int64_t number,
			   struct arena *tick)
{
	struct slice text = arena_printf(tick, "%.*s %s %lld %.*s", SARG(b->o.installation), what,
					 (long long)number, SARG(form));
	unsigned char sum[SHA256_BYTES];
	char hex[2 * SHA256_BYTES];

	sha256(text, sum);
	hex_encode(sum, sizeof(sum), hex);
	return arena_printf(tick, "tocsin-%.*s", (int)sizeof(hex), hex);
}

static bool post(struct biller *b, struct stripe_call *call, struct buf *form, struct arena *tick,
		 struct stripe_answer *answer, const struct json **body, struct err *err)
{
	call->form = arena_dup(tick, buf_slice(form));
	return biller_call(b, call, tick, answer, body, err);
}

static void put_org(struct biller *b, const struct biller_ask *ask, struct buf *form,
		    struct arena *tick)
{
	stripe_put(form, "metadata[orgId]", biller_org_id(ask->org, tick));
	stripe_put(form, "metadata[installation]", b->o.installation);
}

static bool who(struct biller *b, const struct biller_ask *ask, struct org_row *org,
		struct user_row *user, struct arena *tick, struct err *err)
{
	enum found found = store_org_get(ask->org, b->db, tick, org, err);

	if (found == FOUND) {
		found = store_user_get(b->db, ask->user, tick, user, err);
	}
	return found == FOUND ||
	       (found == NOT_FOUND && err_set(err, ERR_NOT_FOUND, "who wants to pay is gone"));
}

/*
 * The form of a customer has no time in it: sent again within a day, Stripe answers with the
 * customer that it made.
 */
static bool make_customer(struct biller *b, const struct biller_ask *ask, int64_t now_us,
			  struct arena *tick, struct err *err)
{
	struct stripe_call call = { .path = S("/v1/customers") };
	const struct json *body;
	struct user_row user;
	struct org_row org;
	struct slice id;
	struct buf form;
	bool ok;

	if (!who(b, ask, &org, &user, tick, err)) {
		return false;
	}
	buf_init(&form, FORM_BYTES_MAX);
	stripe_put(&form, "name", org.name);
	stripe_put(&form, "email", user.mail);
	put_org(b, ask, &form, tick);
	call.key = key_of(b, "customer", buf_slice(&form), now_us / US_PER_S / DAY_S, tick);
	ok = post(b, &call, &form, tick, NULL, &body, err);
	buf_release(&form);
	if (!ok) {
		return false;
	}
	id = stripe_text(body, "id");
	if (id.n == 0 || id.n > BILLING_TEXT_BYTES_MAX) {
		return err_set(err, ERR_UPSTREAM, "Stripe sent no customer");
	}
	return store_billing_customer(ask->org, b->db, id, now_us, err);
}

static bool need_customer(struct biller *b, const struct biller_ask *ask, struct billing_row *row,
			  int64_t now_us, struct arena *tick, struct err *err)
{
	enum found found = store_billing_get(ask->org, b->db, tick, row, err);

	if (found == NOT_FOUND) {
		if (!make_customer(b, ask, now_us, tick, err)) {
			return false;
		}
		found = store_billing_get(ask->org, b->db, tick, row, err);
	}
	ensure(found != NOT_FOUND);
	return found == FOUND;
}

static bool take_url(const struct json *body, struct biller_ask *ask, struct err *err)
{
	struct slice url = stripe_text(body, "url");

	if (!slice_starts(url, S("https://")) || url.n > BILLER_PAGE_URL_BYTES_MAX) {
		return err_set(err, ERR_UPSTREAM, "Stripe sent no page");
	}
	ask->url = arena_dup(ask->req, url);
	return true;
}

/* Something is bought as long as it was not ended for good. */
static bool is_bought(const struct billing_row *row)
{
	return row->subscription.n > 0 &&
	       (stripe_is_live(row->status) || stripe_is_behind(row->status) ||
		slice_eq(row->status, S("paused")));
}

static bool refuse_second(const struct billing_row *row, struct err *err)
{
	return !is_bought(row) ||
	       err_set(err, ERR_CONFLICT,
		       "there is a subscription already: change it in the portal");
}

/* The page before: it is closed, or it was used, and then there is a subscription. */
static bool close_page(struct biller *b, struct billing_row *row, int64_t now_us,
		       struct arena *tick, struct err *err)
{
	struct stripe_call call = { .path = arena_printf(tick, "/v1/checkout/sessions/%.*s/expire",
							 SARG(row->checkout)) };
	struct stripe_answer answer;
	const struct json *body;

	if (row->checkout.n == 0) {
		return true;
	}
	if (!biller_call(b, &call, tick, &answer, &body, err) &&
	    (err->kind != ERR_INVALID || !biller_sync(b, row, now_us, tick, err) ||
	     !refuse_second(row, err))) {
		return false;
	}
	return store_billing_checkout(row->org, b->db, S(""), now_us, err);
}

static void fill_checkout(struct biller *b, const struct biller_ask *ask,
			  const struct billing_row *row, int64_t now_us, struct buf *form,
			  struct arena *tick)
{
	int64_t until_s = (now_us / US_PER_S / HOUR_S + 2) * HOUR_S;

	stripe_put(form, "mode", S("subscription"));
	stripe_put(form, "customer", row->customer);
	stripe_put(form, "line_items[0][price]", ask->plan.price_ref);
	stripe_put(form, "line_items[0][quantity]", S("1"));
	if (ask->plan.overage_price_ref.n > 0) {
		stripe_put(form, "line_items[1][price]", ask->plan.overage_price_ref);
	}
	stripe_put(form, "success_url",
		   arena_printf(tick, "%.*s/account?billing=success", SARG(b->o.public_url)));
	stripe_put(form, "cancel_url",
		   arena_printf(tick, "%.*s/account?billing=cancel", SARG(b->o.public_url)));
	stripe_put(form, "expires_at", arena_printf(tick, "%lld", (long long)until_s));
	put_org(b, ask, form, tick);
	stripe_put(form, "metadata[planId]", ask->plan.name);
}

static bool open_page(struct biller *b, struct biller_ask *ask, const struct billing_row *row,
		      int64_t now_us, struct arena *tick, struct err *err)
{
	struct stripe_call call = { .path = S("/v1/checkout/sessions") };
	const struct json *body;
	struct slice id;
	struct buf form;
	bool ok;

	buf_init(&form, FORM_BYTES_MAX);
	fill_checkout(b, ask, row, now_us, &form, tick);
	call.key = key_of(b, "checkout", buf_slice(&form), (int64_t)row->checkouts, tick);
	ok = post(b, &call, &form, tick, NULL, &body, err);
	buf_release(&form);
	if (!ok) {
		return false;
	}
	id = stripe_text(body, "id");
	if (id.n == 0 || id.n > BILLING_TEXT_BYTES_MAX) {
		return err_set(err, ERR_UPSTREAM, "Stripe sent no page");
	}
	/* Before anybody can see the page. */
	return store_billing_checkout(ask->org, b->db, id, now_us, err) && take_url(body, ask, err);
}

static bool checkout(struct biller *b, struct biller_ask *ask, int64_t now_us, struct arena *tick,
		     struct err *err)
{
	struct billing_row row;

	return need_customer(b, ask, &row, now_us, tick, err) &&
	       biller_sync(b, &row, now_us, tick, err) && refuse_second(&row, err) &&
	       close_page(b, &row, now_us, tick, err) && open_page(b, ask, &row, now_us, tick, err);
}

static bool portal(struct biller *b, struct biller_ask *ask, int64_t now_us, struct arena *tick,
		   struct err *err)
{
	struct stripe_call call = { .path = S("/v1/billing_portal/sessions") };
	struct billing_row row;
	const struct json *body;
	struct buf form;
	bool ok;

	if (!need_customer(b, ask, &row, now_us, tick, err)) {
		return false;
	}
	buf_init(&form, FORM_BYTES_MAX);
	stripe_put(&form, "customer", row.customer);
	stripe_put(&form, "return_url", arena_printf(tick, "%.*s/account", SARG(b->o.public_url)));
	ok = post(b, &call, &form, tick, NULL, &body, err) && take_url(body, ask, err);
	buf_release(&form);
	return ok;
}

void biller_answer(struct biller *b, struct biller_ask *ask, int64_t now_us)
{
	struct arena tick;
	bool ok = false;

	arena_init(&tick, 0);
	switch (ask->what) {
	case BILLER_CHECKOUT:
		ok = checkout(b, ask, now_us, &tick, &ask->err);
		break;
	case BILLER_PORTAL:
		ok = portal(b, ask, now_us, &tick, &ask->err);
		break;
	}
	arena_release(&tick);
	if (ok) {
		ask->err = (struct err) { 0 };
	}
	ask->done(ask);
}

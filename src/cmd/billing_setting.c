/* SPDX-License-Identifier: Apache-2.0 */
/* Settings of billing hang together; a part that is missing is found at the start. */
#include "cmd/billing_setting.h"

#include <stdlib.h>

#include "base/clock.h"
#include "base/hex.h"
#include "net/url.h"

#define CA_VARIABLE "TOCSIN_TEST_CA_FILE" /* a server of a test has a certificate of its own */

static struct slice without_slash(struct slice url)
{
	while (slice_ends(url, S("/"))) {
		url.n--;
	}
	return url;
}

/* The key of the account goes there with each call. */
static bool check_url(struct slice text, struct arena *boot, struct err *err)
{
	struct url url;

	if (!url_parse(boot, text, &url, err)) {
		return err_wrap(err, "\"stripe-api-url\"");
	}
	return url.tls || slice_eq(url.host, S("localhost")) ||
	       (url.is_ip && ip_class(url.ip) == IP_LOOPBACK) ||
	       err_set(err, ERR_INVALID, "\"stripe-api-url\" must be an https address");
}

bool billing_setting_read(const struct settings *s, struct arena *boot, struct biller_options *out,
			  bool *on, struct err *err)
{
	struct stripe_secrets secrets;

	*on = s->stripe_secret_key.n > 0;
	*out = (struct biller_options) { .url = without_slash(s->stripe_api_url),
					 .key = s->stripe_secret_key,
					 .ca_file = getenv(CA_VARIABLE),
					 .meter_event = s->stripe_meter_event,
					 .public_url = without_slash(s->public_url),
					 .every_us = s->billing_every * US_PER_S };
	if (!*on) {
		return s->stripe_webhook_secret.n == 0 ||
		       err_set(err, ERR_INVALID,
			       "\"stripe-webhook-secret\" needs \"stripe-secret-key\", too");
	}
	if (!stripe_secrets_read(s->stripe_webhook_secret, &secrets)) {
		return err_set(err, ERR_INVALID,
			       "\"stripe-secret-key\" needs \"stripe-webhook-secret\", too: one to "
			       "%d, with commas between them",
			       STRIPE_SECRETS_MAX);
	}
	if (s->public_url.n == 0) {
		return err_set(err, ERR_INVALID,
			       "\"stripe-secret-key\" needs \"public-url\", too: that is where "
			       "browsers come back to");
	}
	return check_url(s->stripe_api_url, boot, err);
}

bool billing_setting_open(const struct settings *s, struct store *store, struct arena *boot,
			  struct api *api, struct err *err)
{
	const struct journal_meta *meta = journal_meta(api->journal);
	char id[2 * sizeof(meta->id.v)];
	struct biller_options options;
	bool on;

	if (!billing_setting_read(s, boot, &options, &on, err)) {
		return false;
	}
	if (!on) {
		return true;
	}
	hex_encode(meta->id.v, sizeof(meta->id.v), id);
	options.store = store;
	options.meter = api->meter;
	options.metrics = api->metrics;
	options.admin = &api->admin;
	options.installation = arena_dup(boot, (struct slice) { id, sizeof(id) });
	options.now_us = clock_wall_us();
	api->stripe_secrets = s->stripe_webhook_secret;
	return biller_open(&api->biller, &options, err);
}

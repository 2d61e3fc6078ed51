/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CHANNEL_CHANNEL_H
#define CHANNEL_CHANNEL_H

#include "base/field.h"
#include "channel/notice.h"
#include "net/http_call.h"
#include "net/ip.h"

/*
 * A channel is a kind of way to tell people: webhook, in_app. It does no I/O: it turns a notice
 * into a request and judges the answer, and both are pure. The courier owns DNS, TLS, the guard of
 * addresses, timeouts, retries, rates, dead letters and metrics. One file and one word in
 * meson.build make a channel; channel_contract_test then says what is missing.
 */
enum channel_outcome {
	CHANNEL_DELIVERED,
	CHANNEL_RETRY,	  /* may go better later */
	CHANNEL_REJECTED, /* this message will never be taken */
	CHANNEL_GONE,	  /* nor will any other: the receiver wants no more */
	CHANNEL_OUTCOMES
};
/*
 * "delivered", "retry", "rejected", "gone": the outcome of an attempt in the store and in metrics.
 */
const char *channel_outcome_name(enum channel_outcome outcome);

#define CHANNEL_RETRY_AFTER_US_MAX \
	(INT64_C(3600) * 1000 * 1000) /* a receiver cannot park us longer */

struct channel_verdict {
	enum channel_outcome outcome;
	int64_t after_us; /* RETRY: no earlier than this from now; 0: the receiver did not say */
	char text[160];	  /* one line for people; empty when delivered */
};

enum channel_transport {
	CHANNEL_NONE, /* delivered by being recorded */
	CHANNEL_HTTP
};

struct channel_type {
	const char *name;  /* in rules and in the API */
	const char *label; /* in forms */
	const char *help;  /* one sentence */
	enum channel_transport transport;
	const struct field *fields; /* of the settings; NULL: any object, kept as it is */
	size_t fields_n;
	size_t conf_size;
	const char *sample; /* settings as an example, JSON: for docs and tests */

	/*
	 * Beyond the bounds of the fields; may be NULL. On failure err->field is the member's name
	 * and err->text what is wrong with it, without the name. policy may be NULL: not known
	 * here.
	 */
	bool (*check)(const void *conf, const struct ip_policy *policy, struct err *err);
	/* Where it goes, for display; no secrets. May be NULL. */
	struct slice (*destination)(const void *conf, struct arena *arena);
	/* CHANNEL_HTTP: the request but for what differs by attempt; out lives in tick. */
	bool (*render)(const void *conf, const struct notice *notice, struct arena *tick,
		       struct http_call *out, struct err *err);
	/* Add what differs by attempt, such as a signature over the time; may be NULL. */
	bool (*sign)(const void *conf, const struct notice *notice, int64_t now_us,
		     struct arena *tick, struct http_call *call, struct err *err);
	/* CHANNEL_HTTP: what an answer means. */
	struct channel_verdict (*judge)(const struct http_result *r, int64_t now_us);
};

/* All channels by name, ended by NULL. Generated from the list in meson.build. */
extern const struct channel_type *const channel_types[];
/* NULL when there is none of this name. */
const struct channel_type *channel_find(struct slice name);

/* Settings as somebody sent them. */
struct channel_conf_in {
	const struct json *config;
	const char *path;		/* of config, for errors; NULL: none */
	struct slice old;		/* the settings before a change, or empty */
	const struct ip_policy *policy; /* NULL: targets are not held against one */
	bool ignore_unknown;
};
/*
 * Check settings and give them as compact JSON, members in table order: what is stored. A masked
 * secret takes its value from old. ERR_INVALID names the path.
 */
NODISCARD bool channel_conf_check(const struct channel_type *type, const struct channel_conf_in *in,
				  struct arena *req, struct slice *out, struct err *err);
/* Stored settings as the private struct of the type, in tick. ERR_INVALID when they are not. */
NODISCARD bool channel_conf_read(const struct channel_type *type, struct slice config,
				 struct arena *tick, const void **conf, struct err *err);
/* Stored settings for people, secrets masked: one value into w. */
void channel_conf_show(const struct channel_type *type, struct slice config, struct arena *req,
		       struct json_w *w);

/*
 * What most HTTP receivers mean: 2xx delivered; 408, 425, 429, 5xx and faults of the network retry;
 * 410 gone; everything else rejected, redirects and blocked targets too. A peer that has said 2xx
 * has the message, even if the rest of its answer never came.
 */
struct channel_verdict channel_judge_http(const struct http_result *r, int64_t now_us);
/*
 * Retry-After, RFC 9110 section 10.2.3: seconds or a date in the preferred form, from now, at most
 * CHANNEL_RETRY_AFTER_US_MAX; 0 when it is absent, in the past or unreadable.
 */
int64_t channel_retry_after(struct slice value, int64_t now_us);

#endif

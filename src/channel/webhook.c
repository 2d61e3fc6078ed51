/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The generic webhook: one JSON object by POST, identified, timed and signed after Standard
 * Webhooks. This is the channel to copy when making a new one: settings, their table, the request,
 * the judgement, and at the foot the row that ties them together.
 */
#include "channel/channel.h"
#include "base/json_put.h"
#include "channel/sign.h"
#include "net/url.h"

#define WEBHOOK_HEADERS_MAX 20	      /* of a tenant; with ours far below what receivers take */
#define WEBHOOK_HEADER_CHARS_MAX 2048 /* the longest tokens in use */
#define OWN_HEADERS 5
#define CID_BYTES_MAX 128

struct webhook {
	struct slice url;
	struct field_map headers;
	struct slice secret;
};

static const struct field fields[] = {
	FIELD_URL(struct webhook, url, "url", .flags = FIELD_REQUIRED, .label = "URL",
		  .help = "Where to send the message by POST."),
	FIELD_MAP(struct webhook, headers, "headers", .flags = FIELD_SECRET, .label = "Headers",
		  .max = WEBHOOK_HEADERS_MAX, .item_max = WEBHOOK_HEADER_CHARS_MAX,
		  .help = "Further request headers, for example Authorization."),
	FIELD_STR(struct webhook, secret, "secret", .flags = FIELD_SECRET,
		  .label = "Signing secret", .max = 512,
		  .help = "whsec_ and base64 of 24 to 64 bytes; several with spaces between while "
			  "you change it."),
};

/* Headers that say what we say: a second one of the name would leave it to the receiver. */
static bool is_reserved(struct slice name)
{
	static const struct slice starts[] = { S("webhook-"), S("x-tocsin-") };

	for (size_t i = 0; i < ARRAY_LEN(starts); i++) {
		struct slice head = { .p = name.p, .n = starts[i].n };
		if (name.n >= head.n && slice_eq_nocase(head, starts[i])) {
			return true;
		}
	}
	return slice_eq_nocase(name, S("content-type"));
}

static bool check_headers(const struct field_map *headers, struct err *err)
{
	struct err why;

	for (size_t i = 0; i < headers->n; i++) {
		const struct field_pair *h = &headers->v[i];
		if (!http_call_header_check(h->key, h->value, &why)) {
			return err_field(err, ERR_INVALID, "headers", "is refused: %.200s",
					 why.text);
		}
		if (is_reserved(h->key)) {
			return err_field(err, ERR_INVALID, "headers",
					 "is refused: header \"%.*s\" is set by us", SARG(h->key));
		}
		for (size_t k = 0; k < i; k++) {
			if (slice_eq_nocase(h->key, headers->v[k].key)) {
				return err_field(err, ERR_INVALID, "headers", "has \"%.*s\" twice",
						 SARG(h->key));
			}
		}
	}
	return true;
}

static bool check_url(struct slice text, const struct ip_policy *policy, struct err *err)
{
	struct arena arena;
	struct url url;
	struct err why;
	bool ok;

	arena_init(&arena, 0);
	ok = url_parse(&arena, text, &url, &why) &&
	     (policy == NULL || url_allowed(&url, policy, &why));
	if (!ok) {
		err_field(err, ERR_INVALID, "url", "is refused: %.200s", why.text);
	}
	arena_release(&arena);
	return ok;
}

static bool check(const void *conf, const struct ip_policy *policy, struct err *err)
{
	const struct webhook *hook = conf;
	struct sign_keys keys;
	struct err why;

	if (!check_url(hook->url, policy, err) || !check_headers(&hook->headers, err)) {
		return false;
	}
	if (hook->secret.n > 0 && !sign_keys_parse(hook->secret, &keys, &why)) {
		return err_field(err, ERR_INVALID, "secret", "%s", why.text);
	}
	return true;
}

/* Without path and query, which often hold a token. */
static struct slice destination(const void *conf, struct arena *arena)
{
	const struct webhook *hook = conf;
	struct err err;
	struct url url;

	if (!url_parse(arena, hook->url, &url, &err)) {
		return (struct slice) { 0 };
	}
	return (struct slice) { .p = url.text.p, .n = url.text.n - url.target.n };
}

/* What the receiver may know of the settings: not the secrets that prove who we are. */
static void put_config(struct json_w *w, const struct webhook *hook)
{
	json_w_key(w, "actionConfig");
	json_w_object(w);
	json_put_str_or_null(w, "url", hook->url);
	json_w_end(w);
}

static void put_body(struct json_w *w, const struct webhook *hook, const struct notice *n)
{
	json_w_object(w);
	json_put_str_or_null(w, "type", notice_news_name(n->news));
	json_put_str_or_null(w, "deliveryId", n->delivery);
	json_put_str_or_null(w, "alertId", n->alert);
	json_put_str_or_null(w, "ruleId", n->rule);
	json_put_str_or_null(w, "ruleName", n->rule_name);
	json_put_str_or_null(w, "severity", severity_name(n->severity));
	json_put_raw(w, "group", n->key, "{}");
	json_put_str_or_null(w, "eventId", n->event);
	json_put_str_or_null(w, "eventType", n->event_type);
	json_put_raw(w, "eventMetadata", n->event_payload, "{}");
	json_put_int(w, "threshold", n->threshold);
	json_put_int(w, "windowSeconds", n->window_s);
	json_put_int(w, "count", n->count);
	json_put_bool(w, "countAtLeast", n->count_at_least);
	json_put_time(w, "occurredAt",
		      n->occurred_at_us != 0 ? n->occurred_at_us : n->received_at_us);
	json_put_time(w, "receivedAt", n->received_at_us);
	json_put_time(w, "triggeredAt", n->triggered_at_us);
	json_put_str_or_null(w, "orgId", n->org);
	json_put_str_or_null(w, "projectId", n->project);
	json_put_str_or_null(w, "instance", n->public_url);
	put_config(w, hook);
	json_w_end(w);
}

/* The correlation id may have come from a request header: only plain ones go on. */
static bool is_plain(struct slice cid)
{
	for (size_t i = 0; i < cid.n; i++) {
		if (cid.p[i] <= ' ' || cid.p[i] > '~') {
			return false;
		}
	}
	return cid.n > 0 && cid.n <= CID_BYTES_MAX;
}

static void put_headers(const struct webhook *hook, const struct notice *n, struct arena *tick,
			struct http_call *out)
{
	struct http_call_header *list = arena_array(tick, hook->headers.n + OWN_HEADERS,
						    sizeof(*list));
	size_t at = 0;

	list[at++] = (struct http_call_header) { S("content-type"), S("application/json") };
	if (is_plain(n->cid)) {
		list[at++] = (struct http_call_header) { S("x-tocsin-correlation-id"), n->cid };
	}
	for (size_t i = 0; i < hook->headers.n; i++) {
		list[at++] = (struct http_call_header) { hook->headers.v[i].key,
							 hook->headers.v[i].value };
	}
	out->headers = list;
	out->headers_n = at;
}

static bool render(const void *conf, const struct notice *notice, struct arena *tick,
		   struct http_call *out, struct err *err)
{
	const struct webhook *hook = conf;
	struct json_w w;
	struct buf body;
	bool fits;

	buf_init(&body, HTTP_CALL_BODY_BYTES_MAX);
	json_w_init(&w, &body);
	put_body(&w, hook, notice);
	fits = !body.overflow;
	*out = (struct http_call) {
		.method = "POST",
		.url = arena_dup(tick, hook->url),
		.body = arena_dup(tick, buf_slice(&body)),
	};
	buf_release(&body);
	put_headers(hook, notice, tick, out);
	return fits ||
	       err_set(err, ERR_TOO_LARGE, "message is over %zu bytes", HTTP_CALL_BODY_BYTES_MAX);
}

/* Each attempt has its own time: receivers refuse messages that look replayed. */
static bool sign(const void *conf, const struct notice *notice, int64_t now_us, struct arena *tick,
		 struct http_call *call, struct err *err)
{
	const struct webhook *hook = conf;
	struct http_call_header *list = arena_array(tick, call->headers_n + OWN_HEADERS,
						    sizeof(*list));
	int64_t now_s = now_us / 1000000;
	struct sign_keys keys;
	size_t at = call->headers_n;

	memcpy(list, call->headers, call->headers_n * sizeof(*list));
	list[at++] = (struct http_call_header) { S("webhook-id"), notice->delivery };
	list[at++] = (struct http_call_header) { S("webhook-timestamp"),
						 arena_printf(tick, "%lld", (long long)now_s) };
	if (hook->secret.n > 0) {
		if (!sign_keys_parse(hook->secret, &keys, err)) {
			return err_wrap(err, "\"secret\"");
		}
		list[at++] = (struct http_call_header) { S("webhook-signature"),
							 sign_message(&keys, notice->delivery,
								      now_s, call->body, tick) };
	}
	call->headers = list;
	call->headers_n = at;
	return true;
}

const struct channel_type channel_webhook = {
	.name = "webhook",
	.label = "Webhook",
	.help = "Sends a signed JSON message to a URL of yours.",
	.transport = CHANNEL_HTTP,
	.fields = fields,
	.fields_n = ARRAY_LEN(fields),
	.conf_size = sizeof(struct webhook),
	.sample = "{\"url\":\"https://example.com/hooks/alerts?team=7\","
		  "\"headers\":{\"Authorization\":\"Bearer canary-token\"},"
		  "\"secret\":\"whsec_Y2FuYXJ5LWNhbmFyeS1jYW5hcnktY2FuYXJ5\"}",
	.check = check,
	.destination = destination,
	.render = render,
	.sign = sign,
	.judge = channel_judge_http,
};

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The mixed profile. A type is one row: its words and the function that writes what is special
 * about it. What belongs to a project (services, users, hosts, the stacks of its bugs) follows from
 * a hash of its number, so that it comes back again and again without being kept.
 */
#include <stdio.h>

#include "base/json_put.h"
#include "load/profile_impl.h"

#define USERS 4000   /* of a project */
#define HOSTS 12     /* of a service */
#define SERVICES 6   /* of a project */
#define BUGS 14	     /* of a project: an error that comes back is the same bug */
#define FRAMES_MIN 6 /* of a stack */
#define FRAMES_MORE 24
#define ID_BYTES_MAX 48

struct scene {
	struct profile *p;
	struct json_w *w;
	uint64_t project; /* a hash that stands for it */
	const char *service;
};

struct mixed_type {
	const char *name;
	const char *kind;  /* NULL: an event like any other */
	unsigned alarming; /* in 100: severity medium and worse; the rest is info or not said */
	void (*body)(struct scene *s, const struct mixed_type *t);
	const char *words; /* of the type: what it is about */
};

static uint64_t draw(struct scene *s, uint64_t bound)
{
	return prng_below(&s->p->r, bound);
}

/* Few large values and many small ones. */
static uint64_t draw_skewed(struct scene *s, uint64_t bound)
{
	return draw(s, draw(s, bound) + 1);
}

static uint64_t of_project(const struct scene *s, uint64_t what)
{
	return prng_mix(s->project + what * UINT64_C(0x9e3779b97f4a7c15));
}

#define PICK(s, words) ((words)[draw((s), ARRAY_LEN(words))])

static void put_cstr(struct scene *s, const char *name, const char *value)
{
	json_put_str(s->w, name, slice_of(value));
}

static void put_text(struct scene *s, const char *name, const char *format, uint64_t a, uint64_t b)
{
	char text[160];
	int n = snprintf(text, sizeof(text), format, (unsigned long long)a, (unsigned long long)b);

	json_put_str(s->w, name, (struct slice) { text, (size_t)n });
}

/* An amount with two digits behind the point, as it is written. */
static void put_cents(struct scene *s, const char *name, uint64_t cents)
{
	char text[32];
	int n = snprintf(text, sizeof(text), "%llu.%02u", (unsigned long long)(cents / 100),
			 (unsigned)(cents % 100));

	json_w_key(s->w, name);
	json_w_raw(s->w, (struct slice) { text, (size_t)n });
}

static void put_int(struct scene *s, const char *name, uint64_t value)
{
	json_put_int(s->w, name, (int64_t)value);
}

static void put_id(struct scene *s, const char *name, const char *prefix, uint64_t v)
{
	static const char digits[] = "0123456789abcdefghijklmnopqrstuvwxyz";
	char text[ID_BYTES_MAX];
	size_t n = strlen(prefix);

	memcpy(text, prefix, n);
	for (size_t i = 0; i < 12; i++) {
		text[n++] = digits[v % 36];
		v /= 36;
	}
	json_put_str(s->w, name, (struct slice) { text, n });
}

static void put_user(struct scene *s)
{
	put_id(s, "userId", "usr_", of_project(s, 1000 + draw_skewed(s, USERS)));
}

/*
 * The order in which arguments are computed is the compiler's choice, so each draw is a statement.
 */
static void put_trace(struct scene *s)
{
	uint64_t high = prng_u64(&s->p->r);
	uint64_t low = prng_u64(&s->p->r);

	put_text(s, "traceId", "%016llx%016llx", high, low);
}

static const char *const regions[] = { "eu-west-1", "eu-central-1", "us-east-1", "ap-south-1" };
static const char *const agents[] = {
	("Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) "
	 "Chrome/141.0.0.0 Safari/537.36"),
	("Mozilla/5.0 (iPhone; CPU iPhone OS 18_1 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like "
	 "Gecko) Version/18.1 Mobile/15E148 Safari/604.1"),
	"Mozilla/5.0 (X11; Linux x86_64; rv:143.0) Gecko/20100101 Firefox/143.0",
	("Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) "
	 "Version/18.0 Safari/605.1.15"),
};
static const char *const routes[] = {
	"/api/cart",	     "/api/products/:id", "/api/search",	"/api/orders",
	"/api/orders/:id",   "/api/session",	  "/api/users/:id",	"/api/recommendations",
	"/api/checkout/pay", "/api/inventory",	  "/api/notifications", "/api/reports/daily",
};
static const char *const pages[] = {
	"/",
	"/pricing",
	"/products/espresso-machine",
	"/products/grinder",
	"/cart",
	"/docs",
	"/account/orders",
	"/blog/why-we-moved-to-postgres",
	"/checkout",
	"/search",
	"/account/settings",
	"/support/contact",
};
static const char *const modules[] = {
	"app/checkout/payment.ts",
	"app/checkout/cart.ts",
	"app/orders/repository.ts",
	"app/orders/handlers/create.ts",
	"app/search/ranking.ts",
	"app/users/session.ts",
	"app/lib/http/client.ts",
	"app/lib/db/pool.ts",
	"app/lib/queue/consumer.ts",
	"node_modules/fastify/lib/handleRequest.js",
	"node_modules/pg/lib/client.js",
	"node_modules/undici/lib/dispatcher/client-h1.js",
	"node:internal/process/task_queues",
	"app/billing/invoice/renderer.ts",
};
static const char *const functions[] = {
	"authorize", "loadCart",	"findById",    "handleCreate", "rank",
	"refresh",   "request",		"acquire",     "onMessage",    "preHandler",
	"_execute",  "onParserTimeout", "renderTotal", "applyRules",   "processTicksAndRejections",
};
static const char *const complaints[] = {
	"TypeError: Cannot read properties of undefined (reading 'total')",
	"TimeoutError: the pool gave no connection within 5000 ms",
	"PaymentDeclined: the issuer refused the card (do_not_honor)",
	"ValidationError: \"items\" must contain at least 1 item",
	"ECONNRESET: socket hang up while reading the answer of inventory",
	"RangeError: Invalid time value",
	"NotFoundError: order does not exist any more",
	"DeadlockDetected: deadlock detected while updating relation \"stock\"",
};
static const char *const products[] = {
	"Espresso machine", "Burr grinder",	"Paper filters (100)",
	"Milk jug, steel",  "House blend 1 kg", "Decaf 500 g",
	"Descaler",	    "Tamper 58 mm",
};
static const char *const statements[] = {
	("SELECT o.*, i.* FROM orders o JOIN order_items i ON i.order_id = o.id WHERE o.user_id = $1 "
	 "ORDER BY o.created_at DESC LIMIT $2"),
	"UPDATE stock SET reserved = reserved + $1 WHERE sku = $2 AND available - reserved >= $1",
	"SELECT id, rank FROM products WHERE search @@ plainto_tsquery($1) ORDER BY rank LIMIT 50",
	"INSERT INTO audit (actor, action, object, at) VALUES ($1, $2, $3, now())",
};
static const char *const words[] = {
	"cache",  "session", "order",	"customer", "retry",   "queue",	  "batch",
	"index",  "stale",   "late",	"refresh",  "partial", "worker",  "upload",
	"tenant", "limit",   "expired", "opened",   "closed",  "resumed", "skipped",
};

static void open_payload(struct scene *s)
{
	json_w_key(s->w, "payload");
	json_w_object(s->w);
}

static void write_request(struct scene *s, const struct mixed_type *t)
{
	static const char *const methods[] = { "GET", "GET", "GET", "POST", "PATCH" };
	static const int good[] = { 200, 200, 200, 200, 201, 204, 304, 404 };
	static const int bad[] = { 500, 502, 503, 504 };
	bool failed = t->alarming > 50;

	open_payload(s);
	put_cstr(s, "method", PICK(s, methods));
	put_cstr(s, "route", PICK(s, routes));
	put_int(s, "status", (uint64_t)(failed ? PICK(s, bad) : PICK(s, good)));
	put_int(s, "durationMs", 2 + draw_skewed(s, failed ? 30000 : 900));
	put_int(s, "bytes", 120 + draw_skewed(s, 48000));
	if (draw(s, 3) != 0) {
		put_user(s);
	}
	put_trace(s);
	json_w_end(s->w);
}

static void write_view(struct scene *s, const struct mixed_type *t)
{
	open_payload(s);
	put_cstr(s, "path", PICK(s, pages));
	put_user(s);
	put_id(s, "sessionId", "ses_", of_project(s, 90000 + s->p->made / 64 + draw(s, 40)));
	if (t->words[0] != '\0') {
		put_cstr(s, "element", t->words);
		put_int(s, "x", draw(s, 1440));
		put_int(s, "y", draw(s, 4000));
	} else {
		put_cstr(s, "referrer", draw(s, 3) == 0 ? "https://www.google.com/" : "");
		put_int(s, "loadMs", 80 + draw_skewed(s, 4000));
	}
	put_cstr(s, "userAgent", PICK(s, agents));
	json_w_end(s->w);
}

/* "unit top": values from 0 to top. */
static void write_metric(struct scene *s, const struct mixed_type *t)
{
	uint64_t top = 0;
	const char *space = strchr(t->words, ' ');

	ensure(space != NULL && slice_u64(slice_of(space + 1), &top));
	put_cents(s, "value", draw_skewed(s, top * 100));
	open_payload(s);
	json_put_str(s->w, "unit", (struct slice) { t->words, (size_t)(space - t->words) });
	put_int(s, "intervalSeconds", 10);
	put_int(s, "samples", 10 + draw(s, 20));
	json_w_end(s->w);
}

static void write_log(struct scene *s, const struct mixed_type *t UNUSED)
{
	const char *who = PICK(s, words);
	const char *what = PICK(s, words);
	const char *how = PICK(s, words);
	unsigned ms = (unsigned)draw_skewed(s, 5000);
	unsigned id = (unsigned)draw(s, 100000);
	char text[120];
	int n = snprintf(text, sizeof(text), "%s %s %s after %u ms, id %u", who, what, how, ms, id);

	json_put_str(s->w, "message", (struct slice) { text, (size_t)n });
	open_payload(s);
	put_cstr(s, "logger", PICK(s, modules));
	put_int(s, "line", 10 + draw(s, 400));
	put_trace(s);
	json_w_end(s->w);
}

static void write_job(struct scene *s, const struct mixed_type *t)
{
	static const char *const jobs[] = { "send-receipt",   "resize-image",  "sync-inventory",
					    "rebuild-search", "export-orders", "expire-sessions" };

	open_payload(s);
	put_cstr(s, "job", PICK(s, jobs));
	put_cstr(s, "queue", draw(s, 4) == 0 ? "slow" : "default");
	put_int(s, "attempt", 1 + draw_skewed(s, 5));
	put_int(s, "durationMs", 5 + draw_skewed(s, 60000));
	put_int(s, "waitedMs", draw_skewed(s, 8000));
	if (t->alarming > 50) {
		put_cstr(s, "error", PICK(s, complaints));
	}
	put_trace(s);
	json_w_end(s->w);
}

static void write_query(struct scene *s, const struct mixed_type *t UNUSED)
{
	open_payload(s);
	put_cstr(s, "statement", PICK(s, statements));
	put_int(s, "durationMs", 200 + draw_skewed(s, 9000));
	put_int(s, "rows", draw_skewed(s, 20000));
	put_trace(s);
	json_w_end(s->w);
}

static void write_access(struct scene *s, const struct mixed_type *t)
{
	static const char *const methods[] = { "password", "password", "passkey", "google" };

	open_payload(s);
	put_user(s);
	put_cstr(s, "method", PICK(s, methods));
	put_text(s, "ip", "203.0.113.%llu", draw(s, 256), 0);
	put_cstr(s, "userAgent", PICK(s, agents));
	if (t->words[0] != '\0') {
		put_cstr(s, "reason", t->words);
	}
	json_w_end(s->w);
}

static void write_item(struct scene *s)
{
	uint64_t i = draw_skewed(s, ARRAY_LEN(products));

	json_w_object(s->w);
	put_text(s, "sku", "SKU-%05llu", 10000 + i * 37, 0);
	put_cstr(s, "name", products[i]);
	put_int(s, "quantity", 1 + draw_skewed(s, 4));
	put_cents(s, "price", 490 + i * 1310);
	json_w_end(s->w);
}

/* An order is placed or paid once, so these senders give it a key. */
static void write_order(struct scene *s, const struct mixed_type *t)
{
	static const char *const countries[] = { "DE", "AT", "NL", "FR", "US" };
	uint64_t id = prng_u64(&s->p->r);

	put_id(s, "idempotencyKey", t->words, id);
	open_payload(s);
	put_id(s, "orderId", "ord_", id);
	put_user(s);
	json_w_key(s->w, "items");
	json_w_array(s->w);
	for (uint64_t n = 1 + draw_skewed(s, 6); n > 0; n--) {
		write_item(s);
	}
	json_w_end(s->w);
	put_cents(s, "total", 990 + draw_skewed(s, 60000));
	put_cstr(s, "currency", "EUR");
	put_cstr(s, "country", PICK(s, countries));
	json_w_end(s->w);
}

static void write_payment(struct scene *s, const struct mixed_type *t)
{
	static const char *const brands[] = { "visa", "mastercard", "amex", "sepa_debit" };
	uint64_t id = prng_u64(&s->p->r);

	put_id(s, "idempotencyKey", t->words, id);
	open_payload(s);
	put_id(s, "paymentId", "pay_", id);
	put_id(s, "orderId", "ord_", prng_u64(&s->p->r));
	put_user(s);
	put_cents(s, "amount", 990 + draw_skewed(s, 60000));
	put_cstr(s, "currency", "EUR");
	put_cstr(s, "method", PICK(s, brands));
	put_text(s, "last4", "%04llu", draw(s, 10000), 0);
	put_int(s, "durationMs", 180 + draw_skewed(s, 4000));
	if (t->alarming > 50) {
		put_cstr(s, "declineCode", "do_not_honor");
	}
	json_w_end(s->w);
}

static void write_mail(struct scene *s, const struct mixed_type *t UNUSED)
{
	static const char *const templates[] = { "receipt", "welcome", "reset-password",
						 "shipped" };

	open_payload(s);
	put_cstr(s, "template", PICK(s, templates));
	put_user(s);
	put_text(s, "messageId", "<%016llx.%llu@mail.example.com>", prng_u64(&s->p->r),
		 s->p->made % 100000);
	put_int(s, "attempt", 1);
	put_int(s, "durationMs", 40 + draw_skewed(s, 3000));
	json_w_end(s->w);
}

static void write_frames(struct scene *s, uint64_t bug)
{
	uint64_t n = FRAMES_MIN + bug % FRAMES_MORE;

	json_w_key(s->w, "frames");
	json_w_array(s->w);
	for (uint64_t i = 0; i < n; i++) {
		uint64_t frame = prng_mix(bug + i);

		json_w_object(s->w);
		put_cstr(s, "file", modules[frame % ARRAY_LEN(modules)]);
		put_cstr(s, "function", functions[(frame >> 8) % ARRAY_LEN(functions)]);
		put_int(s, "line", 1 + (frame >> 16) % 800);
		put_int(s, "column", 1 + (frame >> 32) % 80);
		json_put_bool(s->w, "inApp", (frame >> 40) % 3 != 0);
		json_w_end(s->w);
	}
	json_w_end(s->w);
}

static void write_error(struct scene *s, const struct mixed_type *t)
{
	uint64_t bug = of_project(s, 7000 + draw_skewed(s, BUGS));
	const char *what = complaints[bug % ARRAY_LEN(complaints)];

	put_cstr(s, "message", what);
	put_text(s, "fingerprint", "%016llx", bug, 0);
	open_payload(s);
	put_cstr(s, "mechanism", t->words);
	write_frames(s, bug);
	put_cstr(s, "route", PICK(s, routes));
	put_user(s);
	put_trace(s);
	put_text(s, "release", "2026.%llu.%llu", 40 + of_project(s, 2) % 8, of_project(s, 3) % 30);
	json_w_end(s->w);
}

static void write_check(struct scene *s, const struct mixed_type *t)
{
	open_payload(s);
	put_text(s, "target", "https://p%llu.example.com/health", of_project(s, 4) % 1000, 0);
	put_cstr(s, "from", PICK(s, regions));
	put_int(s, "status", t->alarming > 50 ? 503 : 200);
	put_int(s, "latencyMs", 12 + draw_skewed(s, 900));
	put_int(s, "certificateDays", 1 + of_project(s, 5) % 90);
	json_w_end(s->w);
}

static void write_deploy(struct scene *s, const struct mixed_type *t UNUSED)
{
	static const char *const people[] = { "ada", "grace", "linus", "margaret", "dennis" };
	uint64_t minor = 40 + draw(s, 8);
	uint64_t patch = draw(s, 30);
	uint64_t commit = prng_u64(&s->p->r);

	open_payload(s);
	put_cstr(s, "service", s->service);
	put_text(s, "version", "2026.%llu.%llu", minor, patch);
	put_text(s, "commit", "%016llx%08llx", commit, patch);
	put_cstr(s, "by", PICK(s, people));
	put_int(s, "durationSeconds", 30 + draw_skewed(s, 600));
	json_w_end(s->w);
}

static void write_audit(struct scene *s, const struct mixed_type *t UNUSED)
{
	static const char *const actions[] = { "role.grant", "role.revoke", "key.rotate",
					       "price.change", "export.start" };

	open_payload(s);
	put_user(s);
	put_cstr(s, "action", PICK(s, actions));
	put_id(s, "object", "obj_", of_project(s, 50000 + draw_skewed(s, 5000)));
	json_w_key(s->w, "before");
	json_w_object(s->w);
	put_cstr(s, "state", PICK(s, words));
	json_w_end(s->w);
	json_w_key(s->w, "after");
	json_w_object(s->w);
	put_cstr(s, "state", PICK(s, words));
	put_int(s, "revision", 1 + draw_skewed(s, 400));
	json_w_end(s->w);
	json_w_end(s->w);
}

/* By frequency: the first comes 28 times as often as the last. */
static const struct mixed_type types[MIXED_TYPES] = {
	{ "http.request", NULL, 1, write_request, "" },
	{ "page.view", NULL, 0, write_view, "" },
	{ "system.cpu", "metric", 2, write_metric, "percent 100" },
	{ "log.line", NULL, 8, write_log, "" },
	{ "http.latency", "metric", 1, write_metric, "ms 2500" },
	{ "job.completed", NULL, 0, write_job, "" },
	{ "ui.click", NULL, 0, write_view, "button.add-to-cart" },
	{ "system.memory", "metric", 2, write_metric, "MiB 32768" },
	{ "error.unhandled", "error", 95, write_error, "onunhandledrejection" },
	{ "user.login", NULL, 0, write_access, "" },
	{ "db.query.slow", NULL, 20, write_query, "" },
	{ "cart.updated", NULL, 0, write_order, "cart-" },
	{ "queue.depth", "metric", 5, write_metric, "jobs 20000" },
	{ "email.sent", NULL, 0, write_mail, "" },
	{ "payment.succeeded", NULL, 0, write_payment, "payment-" },
	{ "order.placed", NULL, 0, write_order, "order-" },
	{ "http.error", NULL, 90, write_request, "" },
	{ "uptime.check", NULL, 0, write_check, "" },
	{ "auth.failed", NULL, 40, write_access, "wrong_password" },
	{ "cache.hit_ratio", "metric", 1, write_metric, "percent 100" },
	{ "payment.failed", NULL, 80, write_payment, "payment-failed-" },
	{ "job.failed", "error", 85, write_job, "" },
	{ "user.signup", NULL, 0, write_access, "" },
	{ "disk.used", "metric", 10, write_metric, "percent 100" },
	{ "error.crash", "error", 100, write_error, "onuncaughtexception" },
	{ "deploy.finished", NULL, 0, write_deploy, "" },
	{ "audit.change", NULL, 5, write_audit, "" },
	{ "uptime.down", NULL, 100, write_check, "" },
};

static void put_severity(struct scene *s, const struct mixed_type *t)
{
	static const char *const alarms[] = {
		"medium", "medium", "high", "high", "high", "critical"
	};
	static const char *const calm[] = { "", "", "info", "info", "low", "debug" };
	const char *word = draw(s, 100) < t->alarming ? PICK(s, alarms) : PICK(s, calm);

	if (word[0] != '\0') {
		put_cstr(s, "severity", word);
	}
}

static void put_tags(struct scene *s)
{
	json_w_key(s->w, "tags");
	json_w_object(s->w);
	put_cstr(s, "region", regions[of_project(s, 6) % ARRAY_LEN(regions)]);
	put_text(s, "host", "node-%02llu.p%llu.internal", draw(s, HOSTS), of_project(s, 4) % 1000);
	if (draw(s, 2) == 0) {
		put_text(s, "version", "2026.%llu.%llu", 40 + of_project(s, 2) % 8,
			 of_project(s, 3) % 30);
	}
	json_w_end(s->w);
}

/* Each project runs a few of these. */
static const char *service_of(struct scene *s)
{
	static const char *const services[] = {
		"shop-api", "checkout",	  "billing",  "search",	  "inventory",
		"web",	    "mobile-bff", "identity", "mailer",	  "worker",
		"reports",  "gateway",	  "catalog",  "shipping", "analytics",
		"webhooks", "scheduler",  "media",    "support",  "pricing",
	};

	return services[of_project(s, 200 + draw_skewed(s, SERVICES)) % ARRAY_LEN(services)];
}

void mixed_write(struct profile *p, unsigned project, struct buf *out)
{
	static const char *const rare[] = { "staging", "staging", "staging", "development" };
	const struct mixed_type *t = &types[zipf_draw(&p->types, &p->r)];
	struct json_w w;
	struct scene s = { .p = p, .w = &w, .project = prng_mix(p->seed ^ (project + 1)) };

	s.service = service_of(&s);
	json_w_init(&w, out);
	json_w_object(&w);
	put_cstr(&s, "type", t->name);
	if (t->kind != NULL) {
		put_cstr(&s, "kind", t->kind);
	}
	put_severity(&s, t);
	put_cstr(&s, "source", s.service);
	put_cstr(&s, "environment", draw(&s, 100) < 88 ? "production" : PICK(&s, rare));
	t->body(&s, t);
	put_tags(&s);
	json_w_end(&w);
}

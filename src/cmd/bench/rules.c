/* SPDX-License-Identifier: Apache-2.0 */
/* Rules come and go by the same API that everybody uses. */
#include "cmd/bench/rules.h"

#include "base/clock.h"
#include "base/json_put.h"

#define REPLY_BYTES_MAX ((size_t)1 << 20)
#define RULE_BYTES_MAX ((size_t)16 << 10)
#define TIMEOUT_MS 20000

struct ask {
	struct far_call call;
	struct buf reply;
	int status;
	const char *problem;
	bool ended;
};

static void on_bytes(struct far_call *call, struct slice bytes)
{
	struct ask *a = call->owner;

	buf_puts(&a->reply, bytes);
}

static void on_done(struct far_call *call, int status, const char *problem)
{
	struct ask *a = call->owner;

	a->status = status;
	a->problem = problem;
	a->ended = true;
}

static bool read_reply(const struct ask *a, const char *what, struct arena *boot,
		       const struct json **body, struct err *err)
{
	const struct json *text;
	struct err ignored;

	*body = NULL;
	if (a->reply.n > 0 &&
	    !json_parse(boot, buf_slice(&a->reply), JSON_DEPTH_MAX, body, &ignored)) {
		*body = NULL;
	}
	if (a->status >= 200 && a->status < 300) {
		return true;
	}
	if (a->status == 0) {
		return err_set(err, ERR_UPSTREAM, "%s: %s", what, a->problem);
	}
	text = json_get(*body, "error");
	return err_set(err, ERR_UPSTREAM, "%s: the server answered %d: %.*s", what, a->status,
		       text == NULL ? 0 : (int)text->text.n, text == NULL ? "" : text->text.p);
}

/* One call, while everything else goes on. */
static bool ask(struct run *r, size_t key, const char *method, const char *url, struct slice body,
		const char *what, const struct json **out, struct err *err)
{
	const char *headers[] = { "Content-Type: application/json",
				  arena_cstr(&r->boot, r->o.authorization[key]) };
	struct ask a = { .call = { .method = method,
				   .url = url,
				   .headers = headers,
				   .headers_n = ARRAY_LEN(headers),
				   .body = body,
				   .timeout_ms = TIMEOUT_MS,
				   .bytes = on_bytes,
				   .done = on_done } };
	bool ok;

	a.call.owner = &a;
	buf_init(&a.reply, REPLY_BYTES_MAX);
	far_start(r->far, &a.call);
	while (!a.ended) {
		run_turn(r, clock_mono_us() + US_PER_S);
	}
	far_end(r->far, &a.call);
	ok = read_reply(&a, what, &r->boot, out, err);
	if (ok && *out != NULL) {
		/* Its texts are borrowed from the reply. */
		struct slice kept = arena_dup(&r->boot, buf_slice(&a.reply));

		ok = json_parse(&r->boot, kept, JSON_DEPTH_MAX, out, err);
	}
	buf_release(&a.reply);
	return ok;
}

static void write_action(const struct run *r, struct slice hook, struct json_w *w)
{
	json_w_object(w);
	json_put_str(w, "channel", r->o.mode == RUN_WEBHOOKS ? S("webhook") : S("in_app"));
	json_w_key(w, "config");
	json_w_object(w);
	if (r->o.mode == RUN_WEBHOOKS) {
		json_put_str(w, "url", hook);
	}
	json_w_end(w);
	json_w_end(w);
}

static void write_rule(struct run *r, struct buf *out)
{
	struct json_w w;

	json_w_init(&w, out);
	json_w_object(&w);
	json_put_str(&w, "name", run_event_type(r));
	json_put_str(&w, "eventType", run_event_type(r));
	json_put_str(&w, "condition", S("count_gte"));
	json_put_int(&w, "threshold", 1);
	json_put_int(&w, "windowSeconds", 1);
	json_put_int(&w, "cooldownSeconds", 0);
	json_w_key(&w, "actions");
	json_w_array(&w);
	write_action(r, r->o.mode == RUN_WEBHOOKS ? run_hook_url(r) : (struct slice) { 0 }, &w);
	json_w_end(&w);
	json_w_end(&w);
}

bool rules_add(struct rules *rules, struct run *r, struct err *err)
{
	const char *url = arena_printf(&r->boot, "%.*s/api/v1/rules", SARG(r->o.url)).p;
	const struct json *made, *id;
	struct buf body;
	bool ok = true;

	rules->ids = arena_array(&r->boot, r->o.keys, sizeof(*rules->ids));
	rules->n = r->o.keys;
	buf_init(&body, RULE_BYTES_MAX);
	write_rule(r, &body);
	for (size_t i = 0; ok && i < rules->n; i++) {
		ok = ask(r, i, "POST", url, buf_slice(&body), "make a rule", &made, err);
		id = ok ? json_get(made, "id") : NULL;
		if (ok && (id == NULL || id->type != JSON_STRING)) {
			ok = err_set(err, ERR_UPSTREAM, "make a rule: the answer has no id");
		} else if (ok) {
			rules->ids[i] = id->text;
		}
	}
	buf_release(&body);
	return ok;
}

bool rules_remove(struct rules *rules, struct run *r, struct err *err)
{
	const struct json *ignored;
	bool ok = true;

	for (size_t i = 0; i < rules->n; i++) {
		if (rules->ids[i].n > 0) {
			const char *url = arena_printf(&r->boot, "%.*s/api/v1/rules/%.*s",
						       SARG(r->o.url), SARG(rules->ids[i]))
						  .p;

			ok = ask(r, i, "DELETE", url, (struct slice) { 0 }, "remove a rule",
				 &ignored, err) &&
			     ok;
		}
	}
	return ok;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* From a worker to the loop, into the log, through the engine, and back to the worker. */
#include "api/change.h"

#include <stdlib.h>

#include "api/api.h"
#include "api/once.h"
#include "base/clock.h"

/* On its way through the loop. On the heap: the worker may give up before it is done. */
struct change {
	struct api *api;
	uint64_t ticket;
	struct journal_batch batch;
	struct journal_result result;
	struct record record;
	struct buf body;
	char once[sizeof(((struct once *)0)->key)]; /* empty: the request has no key */
};

static void change_free(struct change *ch)
{
	buf_release(&ch->body);
	free(ch);
}

static void flushed(struct journal_batch *batch, const struct err *failure)
{
	struct change *ch = batch->arg;

	if (failure != NULL) {
		waiters_refused(ch->api->waiters, ch->ticket, failure);
	}
	change_free(ch);
}

/* Before the worker hears of it: it may have given up, and then the key goes by this. */
static void tell_once(const struct change *ch, uint64_t seq)
{
	if (ch->once[0] != '\0') {
		onces_stored(ch->api->onces, slice_of(ch->once), seq);
	}
}

/* The number is told before the flush, so the engine cannot be faster than the waiter's list. */
static void append(void *arg)
{
	struct change *ch = arg;
	struct api *api = ch->api;
	struct err err;

	if (api->stopping) {
		err_set(&err, ERR_SHUTTING_DOWN, "the server is stopping");
	} else if (journal_append(api->journal, &ch->batch, clock_wall_us(), loop_now_us(api->loop),
				  &err)) {
		tell_once(ch, ch->result.seq);
		waiters_stored(api->waiters, ch->ticket, ch->result.seq);
		return;
	}
	tell_once(ch, 0);
	waiters_refused(api->waiters, ch->ticket, &err);
	change_free(ch);
}

/*
 * A new rule carries what the plan says now: the engine counts, and knows no plans. And under which
 * key its request came: the engine commits the reply with it.
 */
static struct control of_new_rule(struct call *c, const struct control *control)
{
	struct control out = *control;
	struct meter_state state;

	if (c->api->meter != NULL) {
		meter_look(c->api->meter, c->caller.org, c->now_us, c->req, &state);
		out.rules_max = (uint64_t)state.plan.rules;
	}
	if (c->once != NULL) {
		once_ask(c, &out);
	}
	return out;
}

static void note_once(struct change *ch, const struct call *c)
{
	if (c->once != NULL) {
		memcpy(ch->once, c->once->key, sizeof(ch->once));
	}
}

bool change_apply(struct call *c, const struct control *given, struct err *err)
{
	struct change *ch = mem_alloc(1, sizeof(*ch));
	bool new_rule = given->op == CONTROL_RULE_PUT && given->expect == 0;
	struct control control = new_rule ? of_new_rule(c, given) : *given;
	struct wait wait;

	ch->api = c->api;
	note_once(ch, c);
	buf_init(&ch->body, RECORD_BODY_BYTES_MAX);
	control_encode(&control, c->req, &ch->body);
	ensure(!ch->body.overflow);
	ch->record = (struct record) {
		.kind = RECORD_CONTROL,
		.org = c->caller.org,
		.project = c->caller.project,
		.key = c->caller.key,
		.hash = hash_sip128(&journal_meta(c->api->journal)->hash, buf_slice(&ch->body)),
		.type = control_type(control.op),
		.body = buf_slice(&ch->body),
	};
	ch->batch = (struct journal_batch) {
		.items = &ch->record, .n = 1, .results = &ch->result, .done = flushed, .arg = ch
	};
	ch->ticket = waiters_begin(c->api->waiters, &wait);
	api_post(c->api, append, ch);
	if (!waiters_wait(c->api->waiters, &wait, CHANGE_WAIT_US)) {
		once_unsure(c);
		return err_set(err, ERR_OVERLOADED,
			       "the change is stored; the rules are behind and will apply it soon");
	}
	*err = wait.verdict.err;
	if (wait.verdict.ok && new_rule) {
		once_kept(c);
	}
	return wait.verdict.ok;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Wiring. The order of opening is the order of need: lock, log, state, engine, courier, workers,
 * network; closing goes backwards, so that everything accepted finds its way to the disk.
 */
#include "cmd/app.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "api/forget.h"
#include "api/ingest.h"
#include "api/rules.h"
#include "base/clock.h"
#include "base/hex.h"
#include "base/notify.h"
#include "base/rand.h"
#include "base/time.h"
#include "cmd/billing_setting.h"
#include "cmd/client.h"
#include "cmd/data_dir.h"
#include "cmd/secret_key.h"
#include "cmd/sso_setting.h"
#include "cmd/start.h"
#include "engine/heartbeat.h"
#include "engine/keeper.h"
#include "engine/ticker.h"
#include "store/save.h"

#define POSTS_MAX 65536
#define WORK_QUEUE_MAX 1024 /* API requests that may wait for a worker */
#define SCRATCH_BYTES_MAX (EVENT_BYTES_MAX * 2)
#define KEYS_PER_READ 1000
#define FUTURE_US_MAX (3600 * US_PER_S) /* what a clock may be set back while nobody runs */
#define CRASH_VARIABLE "TOCSIN_TEST_CRASH_TYPE"

struct app {
	const struct settings *settings;
	struct reporter *reporter; /* borrowed; may be NULL */
	struct arena boot;
	int lock;
	struct loop *loop;
	struct metrics *metrics;
	struct ledger *ledger;
	struct journal *journal;
	struct store *store;
	struct waiters *waiters;
	struct engine *engine;
	struct ticker *ticker;
	struct heartbeat *heartbeat;
	struct courier *courier;
	struct workers *workers;
	struct scans *scans;
	struct keyring *keys;
	struct project_set *projects;
	struct live *live;
	struct keeper *keeper;
	struct http_server *http;
	struct tickets *tickets;
	struct limits *limits;
	struct guesses *guesses;
	struct share *share;
	struct retain *retain;
	struct seal *seal;
	struct meter *meter;
	struct watchman *watchman;
	struct people *people;
	struct signer *signer;
	struct password_gate gate;
	struct api api;
	struct loop_timer watchdog;
	bool stopping;
	int64_t deadline_us; /* monotonic; when stopping */
	int failed;	     /* atomic */
};

struct api *app_api(struct app *app)
{
	return &app->api;
}

static const char *path_in(struct app *app, const char *name)
{
	return data_dir_path(app->settings->data, name, &app->boot).p;
}

static bool lock_data(struct app *app, struct err *err)
{
	app->lock = data_dir_lock(app->settings->data, err);
	return app->lock >= 0;
}

/* Behind log and state: where those are refused nothing is made. */
static bool open_seal(struct app *app, struct err *err)
{
	bool made;

	if (!secret_key_open(app->settings, &app->boot, &app->seal, &made, err)) {
		return false;
	}
	app->signer = signer_new(app->seal);
	if (made) {
		log_info("secret_key_made", log_str("file", path_in(app, SECRET_KEY_NAME)));
	}
	return true;
}

static void complete_journal(void *arg)
{
	journal_complete(((struct app *)arg)->journal);
}

/* From the flusher thread. */
static void wake_journal(void *arg)
{
	struct app *app = arg;

	loop_post_wait(app->loop, complete_journal, app);
}

/*
 * The log's time never goes back. When a clock was wrong by much before, or is now, everything that
 * counts time would be wrong until the clock gets there: somebody has to look first.
 */
static bool is_past(struct app *app, struct err *err)
{
	int64_t last_us = journal_last_received_at(app->journal), now_us = clock_wall_us();
	char last[TIME_TEXT_MAX], now[TIME_TEXT_MAX];

	if (last_us - now_us <= FUTURE_US_MAX) {
		return true;
	}
	(void)time_format(last_us, TIME_SECONDS, last);
	(void)time_format(now_us, TIME_SECONDS, now);
	if (app->settings->accept_future_log) {
		log_warn("log_from_the_future", log_str("last", last), log_str("now", now));
		return true;
	}
	return err_set(err, ERR_CONFLICT,
		       "the log ends at %s, and the clock says %s: put the clock right, or start "
		       "with --accept-future-log true, and time goes on from the end of the log",
		       last, now);
}

static bool open_journal(struct app *app, struct err *err)
{
	struct journal_options options = {
		.dir = path_in(app, "journal"),
		.create = true,
		.segment_bytes = (size_t)app->settings->segment_size,
		.flush = app->settings->flush,
		.idempotency_window_us = app->settings->idempotency_window * US_PER_S,
		.floor = retain_floor,
		.floor_arg = app->retain,
		.idempotency_bytes_max = (size_t)app->settings->idempotency_memory,
		.idempotency_project_keys = (uint64_t)app->settings->idempotency_keys_per_project,
		.now_us = clock_wall_us(),
		.wake = wake_journal,
		.wake_arg = app,
	};

	return journal_open(&app->journal, &options, err) && is_past(app, err);
}

static struct slice state_url(struct app *app)
{
	struct slice url = app->settings->database_url;

	return url.n == 0 ? slice_of(path_in(app, "state.db")) : url;
}

static bool open_store(struct app *app, struct err *err)
{
	struct slice url = state_url(app);
	unsigned applied;

	if (!store_open(url, &app->store, err) ||
	    !store_migrate(app->store, store_schema_newest(), clock_wall_us(), &applied, err)) {
		return false;
	}
	if (applied > 0) {
		log_info("store_migrated", log_int("steps", applied));
	}
	return true;
}

static bool load_memory(struct app *app, struct err *err)
{
	struct db *db = NULL;
	bool ok = store_connect(app->store, STORE_KEEPER, &db, err) &&
		  retain_load(app->retain, db, err) &&
		  guesses_load(app->guesses, db, clock_wall_us(), err) &&
		  people_load(app->people, db, clock_wall_us(), err) &&
		  signer_load(app->signer, db, clock_wall_us(), err);

	db_close(&db);
	return ok;
}

/* Before the first record of this life. */
static bool load_meter(struct app *app, struct err *err)
{
	struct db *db = NULL;
	bool ok = store_connect(app->store, STORE_KEEPER, &db, err) &&
		  meter_load(app->meter, db, app->journal, err);

	db_close(&db);
	return ok;
}

static void on_news(void *arg, const struct engine_news *news)
{
	struct app *app = arg;

	courier_reach(app->courier, news->log_us);
	if (news->deliveries) {
		courier_wake(app->courier);
	}
	if (news->orgs_n > 0) {
		live_news(app->live, news->orgs, news->orgs_n);
	}
}

static void fail(struct app *app)
{
	__atomic_store_n(&app->failed, 1, __ATOMIC_RELEASE);
	loop_stop(app->loop);
}

static void on_due(void *arg)
{
	ticker_wake(((struct app *)arg)->ticker);
}

/* The ticker's last look may come when the engine is closed: nothing is due any more. */
static int64_t next_due(void *arg)
{
	const struct app *app = arg;

	return app->engine != NULL ? engine_due(app->engine) : INT64_MAX;
}

static void on_engine_failed(void *arg, const struct err *err)
{
	log_error("engine_failed", log_str("error", err->text));
	fail(arg);
}

/* For a scenario: end like a fault in the rules would, at events of one type. */
static void crash_if_asked(void *arg UNUSED, const struct record *record)
{
	if (record->kind == RECORD_EVENT &&
	    slice_eq(record->type, slice_of(getenv(CRASH_VARIABLE)))) {
		abort();
	}
}

static bool open_engine(struct app *app, struct err *err)
{
	struct engine_options options = {
		.journal = app->journal,
		.store = app->store,
		.metrics = app->metrics,
		.waiters = app->waiters,
		.retain = app->retain,
		.snapshot_dir = path_in(app, "snapshots"),
		.life_path = path_in(app, "engine.life"),
		.hold = getenv("TOCSIN_BENCH_HOLD_ENGINE") != NULL,
		.news = on_news,
		.reply = rules_reply,
		.due = on_due,
		.applying = getenv(CRASH_VARIABLE) != NULL ? crash_if_asked : NULL,
		.failed = on_engine_failed,
		.arg = app,
	};

	return engine_open(&app->engine, &options, err);
}

static void *open_connection(void *arg, struct err *err)
{
	struct app *app = arg;
	struct db *db = NULL;

	return store_connect(app->store, STORE_API, &db, err) ? db : NULL;
}

static void close_connection(void *local)
{
	struct db *db = local;

	db_close(&db);
}

static bool open_workers(struct app *app, struct err *err)
{
	struct worker_local local = { open_connection, close_connection, app };

	return workers_open(&app->workers, (size_t)app->settings->workers, WORK_QUEUE_MAX, &local,
			    err);
}

static bool put_key(struct app *app, const struct key_row *row, struct err *err)
{
	struct api_key key = { .id = row->id,
			       .org = row->org,
			       .project = row->project,
			       .expires_at_us = row->expires_us };

	if (!hex_decode(row->hash, key.hash, SHA256_BYTES) ||
	    !scopes_parse(row->scopes, &key.scopes)) {
		return err_set(err, ERR_CORRUPT, "the stored API key \"%.*s\" cannot be read",
			       SARG(row->prefix));
	}
	if (row->scopes.n == 0) {
		key.scopes = SCOPES_ALL;
	}
	keyring_put(app->keys, &key);
	return true;
}

static bool load_keys(struct app *app, struct err *err)
{
	struct key_id after = { 0 };
	struct key_list list = { 0 };
	struct db *db = NULL;
	struct arena tick;
	uint64_t count = 0;
	bool ok;

	arena_init(&tick, 0);
	ok = store_connect(app->store, STORE_KEEPER, &db, err) &&
	     store_key_count(db, &count, err) && project_set_load(app->projects, db, err);
	do {
		arena_clear(&tick);
		ok = ok && store_keys_all(db, after, KEYS_PER_READ, &tick, &list, err);
		for (size_t i = 0; ok && i < list.n; i++) {
			after = list.rows[i].id;
			ok = put_key(app, &list.rows[i], err);
		}
	} while (ok && list.n == KEYS_PER_READ);
	app->api.set_up = count > 0 || people_counts(app->people).users > 0;
	arena_release(&tick);
	db_close(&db);
	return ok;
}

/* The token is kept by its hash; it is shown once, when it is made. */
static void make_setup_token(struct app *app)
{
	struct slice token = app->settings->setup_token;
	unsigned char random[20];
	char hex[sizeof(random) * 2];

	if (token.n == 0) {
		rand_bytes(random, sizeof(random));
		hex_encode(random, sizeof(random), hex);
		token = (struct slice) { hex, sizeof(hex) };
	}
	sha256(token, app->api.setup_hash);
	if (!app->api.set_up && app->settings->setup_token.n == 0) {
		log_info(
			"setup_token", log_slice("token", token),
			log_str("use",
				"send it as X-Setup-Token with POST /api-keys to make the first key"));
	}
	explicit_bzero(hex, sizeof(hex));
}

static struct slice joined(struct field_list list, struct arena *boot)
{
	struct buf out;
	struct slice text;

	buf_init(&out, 1 << 20);
	for (size_t i = 0; i < list.n; i++) {
		buf_printf(&out, "%s%.*s", i == 0 ? "" : ",", SARG(list.v[i]));
	}
	text = arena_dup(boot, buf_slice(&out));
	buf_release(&out);
	return text;
}

static bool fill_api(struct app *app, struct err *err)
{
	const struct settings *s = app->settings;

	if (!ip_policy_parse(joined(s->allow_private_targets, &app->boot), &app->api.policy, err)) {
		return err_wrap(err, "\"allow-private-targets\"");
	}
	if (!ip_set_parse(joined(s->trusted_proxies, &app->boot), &app->api.trusted_proxies, err)) {
		return err_wrap(err, "\"trusted-proxies\"");
	}
	app->api = (struct api) {
		.loop = app->loop,
		.journal = app->journal,
		.engine = app->engine,
		.keys = app->keys,
		.projects = app->projects,
		.people = app->people,
		.signer = app->signer,
		.gate = &app->gate,
		.ledger = app->ledger,
		.retain = app->retain,
		.seal = app->seal,
		.meter = app->meter,
		.metrics = app->metrics,
		.waiters = app->waiters,
		.tickets = app->tickets,
		.limits = app->limits,
		.guesses = app->guesses,
		.rates = settings_rates(s),
		.policy = app->api.policy,
		.trusted_proxies = app->api.trusted_proxies,
		.cors_origins = joined(s->cors_origins, &app->boot),
		.public_url = s->public_url,
		.metrics_token = s->metrics_token,
		.signup = s->signup,
		.lag = { .records_max = (uint64_t)s->engine_lag_max },
		.noop = getenv("TOCSIN_BENCH_NOOP") != NULL,
	};
	buf_init(&app->api.raw, SCRATCH_BYTES_MAX + INGEST_BODY_BYTES_MAX);
	buf_init(&app->api.encoded, SCRATCH_BYTES_MAX + INGEST_BODY_BYTES_MAX);
	return sso_setting_open(s, &app->boot, &app->api.sso, err) &&
	       billing_setting_open(s, app->store, &app->boot, &app->api, err);
}

static bool open_courier(struct app *app, struct err *err)
{
	struct courier_options options = {
		.store = app->store,
		.metrics = app->metrics,
		.live = app->live,
		.cipher = journal_meta(app->journal)->cipher,
		.policy = &app->api.policy,
		.concurrency = (size_t)app->settings->courier_concurrency,
		.public_url = app->settings->public_url,
		.log_us = journal_last_received_at(app->journal),
	};

	return courier_open(&app->courier, &options, err);
}

static bool open_keeper(struct app *app, struct err *err)
{
	struct keeper_options options = {
		.loop = app->loop,
		.journal = app->journal,
		.store = app->store,
		.keys = app->keys,
		.people = app->people,
		.ledger = app->ledger,
		.guesses = app->guesses,
		.seal = app->settings->seal,
		.retain = app->retain,
		.metrics = app->metrics,
		.watchman = app->watchman,
		.forget = api_forget_org,
		.arg = &app->api,
		.scrub_us = app->settings->scrub * 24 * 3600 * US_PER_S,
	};

	return keeper_open(&app->keeper, &options, err);
}

/* The end of a loop turn: one flush for all of its events, then what streams get to see. */
static void end_turn(void *arg)
{
	struct app *app = arg;

	journal_turn(app->journal);
	if (journal_failed(app->journal)) {
		log_error("journal_failed");
		fail(app);
		return;
	}
	live_pump(app->live);
}

static void open_ticker(struct app *app)
{
	struct ticker_options options = { .loop = app->loop,
					  .journal = app->journal,
					  .metrics = app->metrics,
					  .due = next_due,
					  .arg = app };

	app->ticker = ticker_new(&options);
}

static uint64_t applied(void *arg)
{
	return engine_applied(((struct app *)arg)->engine);
}

static void beat(void *arg)
{
	reporter_beat(((struct app *)arg)->reporter);
}

static void open_heartbeat(struct app *app)
{
	struct heartbeat_options options = {
		.loop = app->loop,
		.journal = app->journal,
		.metrics = app->metrics,
		.every_us = app->settings->heartbeat_every * US_PER_S,
		.applied = applied,
		.beat = beat,
		.arg = app,
	};

	if (app->reporter != NULL && app->settings->heartbeat_url.n > 0) {
		app->heartbeat = heartbeat_new(&options);
	}
}

static void open_network(struct app *app)
{
	struct http_options options = { .exempt = app->api.trusted_proxies,
					.conns_per_ip =
						(uint32_t)app->settings->connections_per_address };
	struct http_handlers handlers = api_handlers(&app->api);
	struct live_options live = { .loop = app->loop,
				     .journal = app->journal,
				     .workers = app->workers,
				     .metrics = app->metrics };

	app->live = app->api.live = live_new(&live);
	app->http = app->api.http = http_server_new(app->loop, &options, &handlers);
	/* Before the flush of the turn, which then covers what was shared out. */
	app->share = app->api.share = share_new(app->loop);
	loop_turn_end(app->loop, end_turn, app);
}

static void heard(void *arg, struct org_id org, struct project_id project, int64_t minute_us)
{
	watchman_heard(((struct app *)arg)->watchman, org, project, minute_us, clock_mono_us());
}

/* Before the start is in the log: until when somebody was there is known then. */
static void open_watchman(struct app *app)
{
	struct watchman_options options = {
		.loop = app->loop,
		.journal = app->journal,
		.meter = app->meter,
		.down_us = journal_last_received_at(app->journal),
		.up_us = clock_wall_us(),
		.mono_us = clock_mono_us(),
	};

	app->watchman = watchman_new(&options);
	ledger_on_heard(app->ledger, heard, app);
}

static bool open_all(struct app *app, struct err *err)
{
	arena_init(&app->boot, 0);
	app->lock = -1;
	app->loop = loop_new(POSTS_MAX);
	app->metrics = metrics_new();
	app->ledger = ledger_new(app->metrics);
	app->waiters = waiters_new();
	app->keys = keyring_new();
	app->projects = project_set_new();
	app->people = people_new();
	app->tickets = tickets_new();
	app->limits = limits_new(0);
	app->guesses = guesses_new(0);
	app->retain = retain_new(app->settings->retention);
	app->meter = meter_new();
	metric_set(app->metrics, METRIC_START_TIME, clock_wall_us());
	reporter_count_in(app->reporter, app->metrics);
	/* The log writes when it is opened: what a newer program left has to be refused before. */
	if (!lock_data(app, err) || !store_not_newer(state_url(app), err) ||
	    !open_journal(app, err) || !open_store(app, err) || !open_seal(app, err) ||
	    !load_memory(app, err) || !open_engine(app, err) || !load_meter(app, err)) {
		return false;
	}
	open_watchman(app);
	if (!start_append(app->journal, &app->boot, err) || !open_workers(app, err) ||
	    !fill_api(app, err)) {
		return false;
	}
	app->api.workers = app->workers;
	app->scans = app->api.scans = scans_new(app->journal, app->metrics);
	open_ticker(app);
	open_heartbeat(app);
	open_network(app);
	if (!load_keys(app, err) || !open_courier(app, err) || !open_keeper(app, err)) {
		return false;
	}
	app->api.courier = app->courier;
	make_setup_token(app);
	return true;
}

bool app_open(struct app **ap, const struct settings *settings, struct reporter *reporter,
	      struct err *err)
{
	*ap = mem_alloc(1, sizeof(**ap));
	(*ap)->settings = settings;
	(*ap)->reporter = reporter;
	if (open_all(*ap, err)) {
		return true;
	}
	app_close(ap);
	return false;
}

bool app_listen(struct app *app, struct slice address, struct err *err)
{
	struct slice host = address, port_text;
	uint64_t port;
	size_t colon = address.n;

	while (colon > 0 && address.p[colon - 1] != ':') {
		colon--;
	}
	if (colon == 0) {
		return err_set(err, ERR_INVALID, "\"listen\" must be HOST:PORT, not \"%.*s\"",
			       SARG(address));
	}
	port_text = slice_from(address, colon);
	host.n = colon - 1;
	if (!slice_u64(port_text, &port) || port > 65535) {
		return err_set(err, ERR_INVALID, "\"listen\" has a bad port in \"%.*s\"",
			       SARG(address));
	}
	if (slice_eq(host, S("localhost"))) {
		host = S("127.0.0.1");
	}
	if (!http_server_listen(app->http, arena_cstr(&app->boot, host), (uint16_t)port, err)) {
		return err_wrap(err, "listen on \"%.*s\"", SARG(address));
	}
	log_info("server_listening", log_slice("host", host),
		 log_int("port", http_server_port(app->http)));
	return true;
}

bool app_listen_socket(struct app *app, struct err *err)
{
	return http_server_listen_unix(app->http, path_in(app, CLIENT_SOCKET_NAME), 0600, err);
}

static void drained(void *arg)
{
	loop_stop(((struct app *)arg)->loop);
}

static void stop_on_loop(void *arg)
{
	struct app *app = arg;

	if (app->stopping) {
		log_warn("server_leaving_at_once");
		_exit(1);
	}
	app->stopping = app->api.stopping = true;
	app->deadline_us = clock_mono_us() + app->settings->drain * US_PER_S;
	log_info("server_stopping");
	(void)notify_send("STOPPING=1");
	live_end_all(app->live);
	scans_stop(app->scans);
	http_server_drain(app->http, app->settings->drain * US_PER_S / 2, drained, app);
}

void app_stop(struct app *app)
{
	if (!loop_post(app->loop, stop_on_loop, app)) {
		loop_stop(app->loop);
	}
}

static void release_engine(void *arg)
{
	engine_release(((struct app *)arg)->engine);
}

/* The loop turns: that is what the service manager's watchdog wants to know. */
static void feed_watchdog(void *arg)
{
	struct app *app = arg;

	(void)notify_send("WATCHDOG=1");
	loop_timer_start(&app->watchdog, loop_now_us(app->loop) + notify_watchdog_us());
}

static void tell_manager(struct app *app)
{
	if (!notify_send("READY=1")) {
		log_warn("notify_failed");
	}
	if (notify_watchdog_us() > 0) {
		loop_timer_init(&app->watchdog, app->loop, feed_watchdog, app);
		feed_watchdog(app);
	}
}

bool app_run(struct app *app)
{
	signal(SIGPIPE, SIG_IGN);
	loop_on_signal(app->loop, SIGTERM, stop_on_loop, app);
	loop_on_signal(app->loop, SIGINT, stop_on_loop, app);
	loop_on_signal(app->loop, SIGUSR1, release_engine, app);
	engine_start(app->engine);
	courier_start(app->courier);
	biller_start(app->api.biller);
	log_info("server_ready");
	tell_manager(app);
	loop_run(app->loop);
	return __atomic_load_n(&app->failed, __ATOMIC_ACQUIRE) == 0;
}

/* What is left of the time to stop; never so little that a commit could not end. */
static int64_t time_left(const struct app *app)
{
	int64_t left_us = app->deadline_us - clock_mono_us();

	return left_us < US_PER_S / 2 ? US_PER_S / 2 : left_us;
}

void app_close(struct app **ap)
{
	struct app *app = *ap;

	if (app->live != NULL) {
		live_end_all(app->live);
	}
	api_end(&app->api);
	sso_close(&app->api.sso);
	workers_close(&app->workers);
	biller_close(&app->api.biller);
	scans_free(&app->scans);
	loop_run_posted(app->loop);
	/* Who waits for a flush gets an answer as long as there is somebody to give it to. */
	if (app->journal != NULL) {
		journal_drain(app->journal);
	}
	http_server_free(&app->http);
	engine_close(&app->engine, time_left(app) / 2);
	courier_close(&app->courier, time_left(app));
	loop_run_posted(app->loop);
	keeper_close(&app->keeper);
	live_free(&app->live);
	journal_close(&app->journal);
	ticker_free(&app->ticker);
	watchman_free(&app->watchman);
	heartbeat_free(&app->heartbeat);
	store_close(&app->store);
	keyring_free(&app->keys);
	project_set_free(&app->projects);
	people_free(&app->people);
	signer_free(&app->signer);
	retain_free(&app->retain);
	seal_free(&app->seal);
	meter_free(&app->meter);
	tickets_free(&app->tickets);
	limits_free(&app->limits);
	guesses_free(&app->guesses);
	share_free(&app->share);
	waiters_free(&app->waiters);
	reporter_count_in(app->reporter, NULL);
	ledger_free(&app->ledger);
	metrics_free(&app->metrics);
	if (app->watchdog.loop != NULL) {
		loop_timer_stop(&app->watchdog);
	}
	loop_free(&app->loop);
	api_release(&app->api);
	buf_release(&app->api.raw);
	buf_release(&app->api.encoded);
	if (app->lock >= 0) {
		close(app->lock);
	}
	arena_release(&app->boot);
	free(app);
	*ap = NULL;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Shared by the tests of the API; never part of the program. The wiring is that of cmd/app.c. */
#include "api/server_test.h"

#include <dirent.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "api/ingest.h"
#include "api/rules.h"
#include "api/setup.h"
#include "base/clock.h"
#include "base/hex.h"
#include "base/rand.h"
#include "engine/keeper.h"

#define KEYS_MAX 32
#define WAIT_US (10 * US_PER_S)

struct fixture {
	struct server_options options;
	char dir[64];
	struct api api;
	struct store *store;
	struct seal *seal; /* of its own, as long as the fixture lives */
	struct password_gate gate;
	struct keeper *keeper;
	struct arena boot;
	struct api_key keys[KEYS_MAX];
	char secrets[KEYS_MAX][64];
	size_t keys_n;
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t done;
	bool stopping;
	bool has_socket;
	uint64_t hidden_before; /* atomic */
};

uint16_t fixture_port(const struct fixture *f)
{
	return http_server_port(f->api.http);
}

struct api *server_api(struct fixture *f)
{
	return &f->api;
}

struct store *server_store(struct fixture *f)
{
	return f->store;
}

static const char *path_in(struct fixture *f, const char *name)
{
	return arena_printf(&f->boot, "%s/%s", f->dir, name).p;
}

static void on_news(void *arg, const struct engine_news *news)
{
	struct fixture *f = arg;

	if (news->deliveries) {
		courier_wake(f->api.courier);
	}
	if (news->orgs_n > 0) {
		live_news(f->api.live, news->orgs, news->orgs_n);
	}
}

static void on_failed(void *arg UNUSED, const struct err *err)
{
	print_error("the engine failed: %s\n", err->text);
	abort();
}

static void *open_connection(void *arg, struct err *err)
{
	struct fixture *f = arg;
	struct db *db = NULL;

	return store_connect(f->store, STORE_API, &db, err) ? db : NULL;
}

static void close_connection(void *local)
{
	struct db *db = local;

	db_close(&db);
}

static void end_turn(void *arg)
{
	struct fixture *f = arg;

	journal_turn(f->api.journal);
	ensure(!journal_failed(f->api.journal));
	live_pump(f->api.live);
}

static void floor_of(void *arg, struct org_id org UNUSED, struct project_id project UNUSED,
		     struct journal_floor *floor)
{
	struct fixture *f = arg;

	floor->seq = __atomic_load_n(&f->hidden_before, __ATOMIC_ACQUIRE);
}

void server_hide_all(struct fixture *f)
{
	__atomic_store_n(&f->hidden_before, journal_flushed(f->api.journal) + 1, __ATOMIC_RELEASE);
}

static void load_memory(struct fixture *f)
{
	struct db *db = NULL;
	struct err err;

	T_OK(store_connect(f->store, STORE_KEEPER, &db, &err));
	T_OK(guesses_load(f->api.guesses, db, clock_wall_us(), &err));
	T_OK(people_load(f->api.people, db, clock_wall_us(), &err));
	T_OK(signer_load(f->api.signer, db, clock_wall_us(), &err));
	db_close(&db);
}

static void open_state(struct fixture *f)
{
	struct journal_options journal = { .dir = path_in(f, "journal"),
					   .create = true,
					   .segment_bytes = (size_t)16 << 20,
					   .flush = JOURNAL_FLUSH_INLINE,
					   .now_us = clock_wall_us(),
					   .floor = floor_of,
					   .floor_arg = f,
					   .idempotency_bytes_max =
						   f->options.idempotency_bytes_max };
	struct engine_options engine = { .snapshot_dir = path_in(f, "snapshots"),
					 .news = on_news,
					 .reply = rules_reply,
					 .failed = on_failed,
					 .arg = f };
	struct err err;

	T_OK(journal_open(&f->api.journal, &journal, &err));
	T_OK(store_open(slice_of(path_in(f, "state.db")), &f->store, &err));
	T_OK(store_migrate(f->store, store_schema_newest(), clock_wall_us(), NULL, &err));
	load_memory(f);
	engine.journal = f->api.journal;
	engine.store = f->store;
	engine.metrics = f->api.metrics;
	engine.waiters = f->api.waiters;
	T_OK(engine_open(&f->api.engine, &engine, &err));
}

static void open_network(struct fixture *f)
{
	struct worker_local local = { open_connection, close_connection, f };
	struct http_handlers handlers = api_handlers(&f->api);
	struct live_options live = { .loop = f->api.loop,
				     .journal = f->api.journal,
				     .metrics = f->api.metrics,
				     .clients_max = f->options.live_clients_max };
	struct err err;

	T_OK(workers_open(&f->api.workers, 3, 256, &local, &err));
	f->api.scans = scans_new(f->api.journal, f->api.metrics);
	live.workers = f->api.workers;
	f->api.live = live_new(&live);
	f->api.http = http_server_new(f->api.loop, &f->options.http, &handlers);
	f->api.share = share_new(f->api.loop);
	loop_turn_end(f->api.loop, end_turn, f);
	T_OK(http_server_listen(f->api.http, "127.0.0.1", 0, &err));
}

static void open_helpers(struct fixture *f)
{
	struct courier_options courier = { .store = f->store,
					   .metrics = f->api.metrics,
					   .live = f->api.live,
					   .cipher = journal_meta(f->api.journal)->cipher,
					   .policy = &f->api.policy,
					   .concurrency = 16 };
	struct keeper_options keeper = { .loop = f->api.loop,
					 .journal = f->api.journal,
					 .store = f->store,
					 .keys = f->api.keys,
					 .people = f->api.people,
					 .ledger = f->api.ledger,
					 .guesses = f->api.guesses };
	struct err err;

	T_OK(courier_open(&f->api.courier, &courier, &err));
	T_OK(keeper_open(&f->keeper, &keeper, &err));
}

static void load_meter(struct fixture *f)
{
	struct db *db = NULL;
	struct err err;

	T_OK(store_connect(f->store, STORE_KEEPER, &db, &err));
	T_OK(meter_load(f->api.meter, db, f->api.journal, &err));
	db_close(&db);
}

static void *run(void *arg)
{
	loop_run(((struct fixture *)arg)->api.loop);
	return NULL;
}

static void start(struct fixture *f)
{
	const struct server_options *o = &f->options;
	struct err err;

	arena_init(&f->boot, 0);
	f->api = (struct api) {
		.loop = loop_new(65536),
		.metrics = metrics_new(),
		.waiters = waiters_new(),
		.keys = keyring_new(),
		.projects = project_set_new(),
		.people = people_new(),
		.signer = signer_new(f->seal),
		.seal = f->seal,
		.gate = &f->gate,
		.tickets = tickets_new(),
		.limits = limits_new(0),
		.guesses = guesses_new(0),
		.rates = o->rates,
		.meter = meter_new(),
		.retain = retain_new(0),
		.cors_origins = slice_of(o->cors_origins == NULL ? "" : o->cors_origins),
		.metrics_token = slice_of(o->metrics_token == NULL ? "" : o->metrics_token),
	};
	f->api.ledger = ledger_new(f->api.metrics);
	T_OK(ip_policy_parse(S("127.0.0.0/8"), &f->api.policy, &err));
	T_OK(ip_set_parse(slice_of(o->trusted_proxies == NULL ? "" : o->trusted_proxies),
			  &f->api.trusted_proxies, &err));
	sha256(S("the setup token"), f->api.setup_hash);
	buf_init(&f->api.raw, EVENT_BYTES_MAX * 2 + INGEST_BODY_BYTES_MAX);
	buf_init(&f->api.encoded, EVENT_BYTES_MAX * 2 + INGEST_BODY_BYTES_MAX);
	open_state(f);
	load_meter(f);
	open_network(f);
	open_helpers(f);
	for (size_t i = 0; i < f->keys_n; i++) {
		keyring_put(f->api.keys, &f->keys[i]);
		project_set_add(f->api.projects, f->keys[i].org, f->keys[i].project);
	}
	f->stopping = false;
	engine_start(f->api.engine);
	courier_start(f->api.courier);
	ensure(pthread_create(&f->thread, NULL, run, f) == 0);
}

static void drained(void *arg)
{
	loop_stop(((struct fixture *)arg)->api.loop);
}

static void stop_on_loop(void *arg)
{
	struct fixture *f = arg;

	f->api.stopping = true;
	scans_stop(f->api.scans);
	live_end_all(f->api.live);
	http_server_drain(f->api.http, 5 * US_PER_S, drained, f);
}

static void stop(struct fixture *f)
{
	T_TRUE(loop_post(f->api.loop, stop_on_loop, f));
	pthread_join(f->thread, NULL);
	api_end(&f->api);
	workers_close(&f->api.workers);
	scans_free(&f->api.scans);
	loop_run_posted(f->api.loop);
	http_server_free(&f->api.http);
	engine_close(&f->api.engine, WAIT_US);
	courier_close(&f->api.courier, 0);
	keeper_close(&f->keeper);
	live_free(&f->api.live);
	journal_close(&f->api.journal);
	store_close(&f->store);
	keyring_free(&f->api.keys);
	project_set_free(&f->api.projects);
	people_free(&f->api.people);
	signer_free(&f->api.signer);
	tickets_free(&f->api.tickets);
	limits_free(&f->api.limits);
	guesses_free(&f->api.guesses);
	share_free(&f->api.share);
	waiters_free(&f->api.waiters);
	ledger_free(&f->api.ledger);
	meter_free(&f->api.meter);
	retain_free(&f->api.retain);
	metrics_free(&f->api.metrics);
	loop_free(&f->api.loop);
	api_release(&f->api);
	buf_release(&f->api.raw);
	buf_release(&f->api.encoded);
	arena_release(&f->boot);
}

struct fixture *server_new(const struct server_options *options)
{
	const char *tmp = getenv("TMPDIR");
	struct fixture *f = mem_alloc(1, sizeof(*f));
	unsigned char key[SEAL_KEY_BYTES];

	signal(SIGPIPE, SIG_IGN);
	if (options != NULL) {
		f->options = *options;
	}
	pthread_mutex_init(&f->lock, NULL);
	pthread_cond_init(&f->done, NULL);
	snprintf(f->dir, sizeof(f->dir), "%s/server-XXXXXX", tmp == NULL ? "/tmp" : tmp);
	assert_non_null(mkdtemp(f->dir));
	f->seal = seal_new();
	rand_bytes(key, sizeof(key));
	T_TRUE(seal_add(f->seal, key));
	start(f);
	return f;
}

static void remove_all(const char *dir)
{
	DIR *d = opendir(dir);
	const struct dirent *entry;
	char path[512];

	while (d != NULL && (entry = readdir(d)) != NULL) {
		if (entry->d_name[0] == '.') {
			continue;
		}
		snprintf(path, sizeof(path), "%s/%s", dir, entry->d_name);
		if (unlink(path) != 0) {
			remove_all(path);
		}
	}
	if (d != NULL) {
		closedir(d);
	}
	rmdir(dir);
}

void server_free(struct fixture **fp)
{
	struct fixture *f = *fp;

	stop(f);
	seal_free(&f->seal);
	remove_all(f->dir);
	pthread_cond_destroy(&f->done);
	pthread_mutex_destroy(&f->lock);
	free(f);
	*fp = NULL;
}

void server_restart(struct fixture *f)
{
	stop(f);
	start(f);
}

struct errand {
	struct fixture *f;
	void (*fn)(void *arg);
	void *arg;
	bool done;
};

static void do_errand(void *arg)
{
	struct errand *e = arg;

	e->fn(e->arg);
	pthread_mutex_lock(&e->f->lock);
	e->done = true;
	pthread_cond_signal(&e->f->done);
	pthread_mutex_unlock(&e->f->lock);
}

void server_on_loop(struct fixture *f, void (*fn)(void *arg), void *arg)
{
	struct errand e = { f, fn, arg, false };

	T_TRUE(loop_post(f->api.loop, do_errand, &e));
	pthread_mutex_lock(&f->lock);
	while (!e.done) {
		pthread_cond_wait(&f->done, &f->lock);
	}
	pthread_mutex_unlock(&f->lock);
}

static void listen_unix(void *arg)
{
	struct fixture *f = arg;
	struct err err;

	T_OK(http_server_listen_unix(f->api.http, path_in(f, "socket"), 0600, &err));
	f->has_socket = true;
}

struct client server_socket(struct fixture *f)
{
	if (!f->has_socket) {
		server_on_loop(f, listen_unix, f);
	}
	return client_open_unix(path_in(f, "socket"));
}

static void put_key(void *arg)
{
	struct fixture *f = arg;
	const struct api_key *key = &f->keys[f->keys_n - 1];

	keyring_put(f->api.keys, key);
	project_set_add(f->api.projects, key->org, key->project);
}

const char *server_key(struct fixture *f, const char *slug, uint32_t scopes)
{
	struct api_key *key = &f->keys[f->keys_n];
	char *secret = f->secrets[f->keys_n];
	unsigned char random[24];
	char hex[2 * SHA256_BYTES];
	struct key_row row = { .id = { id_random() }, .name = S("a key"), .created_us = 1 };
	struct db *db = NULL;
	struct arena arena;
	struct err err;

	ensure(f->keys_n < KEYS_MAX);
	arena_init(&arena, 0);
	T_OK(store_connect(f->store, STORE_API, &db, &err));
	T_OK(db_begin(db, &err));
	T_OK(setup_org(db, slice_of(slug), slice_of(slug), 1, &arena, &row.org, &row.project,
		       &err));
	rand_bytes(random, sizeof(random));
	memcpy(secret, "sk_", 3);
	hex_encode(random, sizeof(random), secret + 3);
	*key = (struct api_key) {
		.id = row.id, .org = row.org, .project = row.project, .scopes = scopes
	};
	sha256(slice_of(secret), key->hash);
	hex_encode(key->hash, SHA256_BYTES, hex);
	row.hash = (struct slice) { hex, sizeof(hex) };
	row.prefix = S("sk_...");
	row.scopes = S("events:read");
	T_OK(store_key_insert(row.org, db, &row, &err));
	T_OK(db_commit(db, &err));
	db_close(&db);
	arena_release(&arena);
	f->keys_n++;
	server_on_loop(f, put_key, f);
	return secret;
}

/* In one piece, or the kernel holds back the body until the head is acknowledged. */
void server_say(struct client *c, const char *method, const char *path, const char *key,
		const char *more, const char *body)
{
	size_t n = strlen(body);
	struct buf out;

	buf_init(&out, n + 4096);
	buf_printf(&out, "%s %s HTTP/1.1\r\nHost: 127.0.0.1\r\n%s", method, path, more);
	if (key != NULL) {
		buf_printf(&out, "Authorization: Bearer %s\r\n", key);
	}
	if (n > 0 && strstr(more, "Content-Type") == NULL) {
		buf_puts(&out, S("Content-Type: application/json\r\n"));
	}
	if (n > 0) {
		buf_printf(&out, "Content-Length: %zu\r\n", n);
	}
	buf_puts(&out, S("\r\n"));
	buf_put(&out, body, n);
	assert_false(out.overflow);
	client_send(c, buf_slice(&out));
	buf_release(&out);
}

const char *server_ask(struct client *c, const char *method, const char *path, const char *key,
		       const char *body)
{
	server_say(c, method, path, key, "", body);
	return client_reply(c);
}

const char *server_member(const char *reply, const char *name)
{
	static char values[4][1024];
	static unsigned turn;
	char want[64];
	char *out = values[turn++ % 4];
	const char *at;
	size_t n;

	snprintf(want, sizeof(want), "\"%s\":", name);
	at = strstr(reply, want);
	out[0] = '\0';
	if (at == NULL) {
		return out;
	}
	at += strlen(want);
	n = at[0] == '"' ? strcspn(++at, "\"") : strcspn(at, ",}]");
	assert_true(n < sizeof(values[0]));
	memcpy(out, at, n);
	out[n] = '\0';
	return out;
}

void visitor_init(struct visitor *s, const struct server_options *options)
{
	s->f = server_new(options);
	s->c = client_open(s->f);
	s->key = server_key(s->f, "acme", ~0u);
}

void visitor_release(struct visitor *s)
{
	client_close(&s->c);
	server_free(&s->f);
}

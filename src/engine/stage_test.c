/* SPDX-License-Identifier: Apache-2.0 */
/* Shared by the tests of the engine; never part of the program. */
#include "engine/stage_test.h"

#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <sqlite3.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "engine/control.h"
#include "model/rule_json.h"

int64_t *stage_clock(void)
{
	char path[] = "/tmp/shift-XXXXXX";
	int fd = mkstemp(path);
	int64_t *shift;

	assert_true(fd >= 0 && ftruncate(fd, sizeof(*shift)) == 0);
	shift = mmap(NULL, sizeof(*shift), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	assert_true(shift != MAP_FAILED && clock_shift_from(path));
	unlink(path);
	close(fd);
	return shift;
}

void stage_move_clock(int64_t us)
{
	static int64_t *shift;

	if (shift == NULL) {
		shift = stage_clock();
	}
	*shift += us;
}

void stage_init(struct stage *stage)
{
	bed_init(&stage->bed, JOURNAL_FLUSH_INLINE);
	stage->bed.options.turn_bytes_max = (size_t)1 << 20;
	stage->bed.options.segment_bytes = (size_t)1 << 20;
	bed_open(&stage->bed);
	stage->metrics = metrics_new();
	stage->waiters = waiters_new();
	arena_init(&stage->arena, 0);
	stage->rules_max = 0;
	stage->once = NULL;
	stage->audit = NULL;
}

void stage_release(struct stage *stage)
{
	bed_release(&stage->bed);
	metrics_free(&stage->metrics);
	waiters_free(&stage->waiters);
	arena_release(&stage->arena);
}

static struct request request;

static uint64_t flush(struct stage *stage)
{
	struct err err;

	T_OK(bed_append(&stage->bed, &request, &err));
	bed_turn(&stage->bed, &request);
	T_TRUE(request.ok);
	return request.results[request.batch.n - 1].seq;
}

static void add_event(struct stage *stage, const char *type, const char *payload)
{
	struct event event = { .type = slice_of(type), .payload = slice_of(payload) };
	struct record *item;
	struct buf out;

	buf_init(&out, EVENT_BYTES_MAX * 2);
	event_encode(&event, &out);
	item = request_add(&request, STAGE_ORG.v, NULL, arena_dup(&stage->arena, buf_slice(&out)));
	item->type = slice_of(type);
	buf_release(&out);
}

uint64_t stage_event(struct stage *stage, const char *type, const char *payload)
{
	uint64_t seq;

	request_clear(&request);
	add_event(stage, type, payload);
	seq = flush(stage);
	arena_clear(&stage->arena);
	return seq;
}

uint64_t stage_events(struct stage *stage, const char *type, size_t n, size_t users)
{
	uint64_t seq = 0;

	for (size_t i = 0; i < n;) {
		request_clear(&request);
		for (size_t k = 0; k < 500 && i < n; k++, i++) {
			add_event(stage, type,
				  arena_printf(&stage->arena, "{\"user\":\"u%zu\"}", i % users).p);
		}
		seq = flush(stage);
		arena_clear(&stage->arena);
	}
	return seq;
}

static uint64_t control(struct stage *stage, struct org_id org, struct control *control)
{
	struct record *item;
	struct buf out;
	uint64_t seq;

	if (stage->audit != NULL) {
		control->audit = (struct audit_entry) { .actor = S("operator"),
							.action = slice_of(stage->audit),
							.after = S("{\"a\":1}") };
	}
	buf_init(&out, RECORD_BODY_BYTES_MAX);
	control_encode(control, &stage->arena, &out);
	request_clear(&request);
	item = request_add(&request, org.v, NULL, buf_slice(&out));
	item->kind = RECORD_CONTROL;
	item->type = control_type(control->op);
	seq = flush(stage);
	buf_release(&out);
	arena_clear(&stage->arena);
	return seq;
}

uint64_t stage_rule_of(struct stage *stage, struct org_id org, uint64_t id, uint64_t expect,
		       const char *json)
{
	struct control c = { .op = CONTROL_RULE_PUT,
			     .expect = expect,
			     .rule_id = { id },
			     .rules_max = stage->rules_max };
	struct rule_json_in in = { 0 };
	const struct json *body;
	struct err err;

	if (stage->once != NULL) {
		c.once_key = slice_of(stage->once);
		c.once_request = c.once_key;
	}
	T_OK(json_parse(&stage->arena, slice_of(json), JSON_DEPTH_MAX, &body, &err));
	T_OK(rule_def_parse(body, &in, &stage->arena, &c.rule, &err));
	return control(stage, org, &c);
}

uint64_t stage_rule(struct stage *stage, uint64_t id, uint64_t expect, const char *json)
{
	return stage_rule_of(stage, STAGE_ORG, id, expect, json);
}

uint64_t stage_rule_delete(struct stage *stage, struct org_id org, uint64_t id, uint64_t expect)
{
	struct control c = { .op = CONTROL_RULE_DELETE, .expect = expect, .rule_id = { id } };

	return control(stage, org, &c);
}

uint64_t stage_delete_events(struct stage *stage, struct org_id org)
{
	struct control c = { .op = CONTROL_EVENTS_DELETE };

	return control(stage, org, &c);
}

uint64_t stage_purge_org(struct stage *stage, struct org_id org)
{
	struct control c = { .op = CONTROL_ORG_PURGE };

	return control(stage, org, &c);
}

uint64_t stage_mark(struct stage *stage, enum record_kind kind)
{
	struct record *item;

	request_clear(&request);
	item = request_add(&request, 0, NULL, S("{\"type\":\"mark\"}"));
	item->kind = kind;
	item->project.v = item->key.v = 0;
	item->type = S("mark");
	return flush(stage);
}

uint64_t stage_start(struct stage *stage, uint64_t table)
{
	struct record *item;
	uint64_t seq;

	request_clear(&request);
	item = request_add(&request, 0, NULL,
			   arena_printf(&stage->arena,
					"{\"type\":\"start\",\"outageUs\":0,\"builtins\":%llu}",
					(unsigned long long)table));
	item->kind = RECORD_START;
	item->project.v = item->key.v = 0;
	item->type = S("start");
	seq = flush(stage);
	arena_clear(&stage->arena);
	return seq;
}

uint64_t stage_system(struct stage *stage, struct org_id org, const char *type, const char *name,
		      const char *payload)
{
	struct event event = { .type = slice_of(type),
			       .source = S("tocsin"),
			       .fingerprint = slice_of(name),
			       .payload = slice_of(payload) };
	struct record *item;
	struct buf out;
	uint64_t seq;

	buf_init(&out, EVENT_BYTES_MAX);
	event_encode(&event, &out);
	request_clear(&request);
	item = request_add(&request, org.v, NULL, buf_slice(&out));
	item->type = event.type;
	item->key.v = 0;
	seq = flush(stage);
	buf_release(&out);
	return seq;
}

uint64_t stage_builtin(struct stage *stage, enum builtin which, uint64_t expect, const char *json)
{
	struct control c = { .op = CONTROL_BUILTIN_PUT, .expect = expect, .builtin = which };
	struct err err;

	T_OK(rule_def_read(slice_of(json), &stage->arena, &c.rule, &err));
	return control(stage, STAGE_ORG, &c);
}

void stage_pass(struct stage *stage, int64_t us)
{
	stage->bed.wall_us += us;
	stage->bed.mono_us += us;
}

const char *home_path(const struct home *home, const char *name)
{
	static char path[256];

	snprintf(path, sizeof(path), "%s/%s", home->dir, name);
	return path;
}

static void on_news(void *arg, const struct engine_news *news UNUSED)
{
	struct home *home = arg;

	if (home->on_news != NULL) {
		home->on_news(home);
	}
}

static void on_failed(void *arg, const struct err *err)
{
	struct home *home = arg;

	__atomic_store_n(&home->failed, (int)err->kind, __ATOMIC_RELEASE);
}

static void on_reply(const struct rule_row *rule, struct arena *tick, struct reply_row *out)
{
	out->status = 201;
	out->whole = true;
	out->body = arena_dup(tick, rule->definition);
}

void home_init(struct home *home, struct stage *stage)
{
	const char *tmp = getenv("TMPDIR");

	*home = (struct home) { .stage = stage };
	snprintf(home->dir, sizeof(home->dir), "%s/home-XXXXXX", tmp == NULL ? "/tmp" : tmp);
	assert_non_null(mkdtemp(home->dir));
	snprintf(home->snapshots, sizeof(home->snapshots), "%s/snapshots", home->dir);
	assert_int_equal(mkdir(home->snapshots, 0700), 0);
	home->options =
		(struct engine_options) { .news = on_news, .reply = on_reply, .failed = on_failed };
}

static void copy_file(const char *from, const char *to)
{
	int in = open(from, O_RDONLY | O_CLOEXEC);
	int out = open(to, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	char bytes[65536];
	ssize_t n;

	assert_true(in >= 0 && out >= 0);
	while ((n = read(in, bytes, sizeof(bytes))) > 0) {
		assert_int_equal(write(out, bytes, (size_t)n), n);
	}
	assert_int_equal(n, 0);
	close(in);
	close(out);
}

/* Calls fn with the path of each file in a folder of the home. */
static void each_file(const char *dir, void (*fn)(const char *path, const char *name, void *arg),
		      void *arg)
{
	DIR *d = opendir(dir);
	const struct dirent *entry;
	char path[512];

	while (d != NULL && (entry = readdir(d)) != NULL) {
		struct stat st;

		snprintf(path, sizeof(path), "%s/%s", dir, entry->d_name);
		if (stat(path, &st) == 0 && S_ISREG(st.st_mode)) {
			fn(path, entry->d_name, arg);
		}
	}
	if (d != NULL) {
		closedir(d);
	}
}

static void copy_into(const char *path, const char *name, void *arg)
{
	char to[600];

	/* The index of the write-ahead log is made anew, as after a crash of the machine. */
	if (strstr(name, "-shm") == NULL) {
		snprintf(to, sizeof(to), "%s/%s", (const char *)arg, name);
		copy_file(path, to);
	}
}

void home_copy(struct home *home, const struct home *from)
{
	home_init(home, from->stage);
	home->options.snapshot_records = from->options.snapshot_records;
	each_file(from->dir, copy_into, home->dir);
	each_file(from->snapshots, copy_into, home->snapshots);
}

static void remove_one(const char *path, const char *name UNUSED, void *arg UNUSED)
{
	unlink(path);
}

void home_release(struct home *home)
{
	home_close(home);
	each_file(home->snapshots, remove_one, NULL);
	rmdir(home->snapshots);
	each_file(home->dir, remove_one, NULL);
	rmdir(home->dir);
}

bool home_open(struct home *home, struct err *err)
{
	home->failed = ERR_NONE;
	if (!store_open(slice_of(home_path(home, "state.db")), &home->store, err) ||
	    !store_migrate(home->store, store_schema_newest(), INT64_C(1700000000000000), NULL,
			   err)) {
		store_close(&home->store);
		return false;
	}
	home->options.journal = home->stage->bed.journal;
	home->options.store = home->store;
	home->options.metrics = home->stage->metrics;
	home->options.waiters = home->stage->waiters;
	home->options.snapshot_dir = home->snapshots;
	home->options.arg = home;
	if (!engine_open(&home->engine, &home->options, err)) {
		store_close(&home->store);
		return false;
	}
	return true;
}

bool home_drain(struct home *home)
{
	for (int i = 0; i < 20000; i++) {
		if (engine_applied(home->engine) >= journal_flushed(home->stage->bed.journal)) {
			return true;
		}
		if (__atomic_load_n(&home->failed, __ATOMIC_ACQUIRE) != ERR_NONE) {
			return false;
		}
		poll(NULL, 0, 1);
	}
	fail_msg("the engine has not come to the end of the log");
	return false;
}

void home_close(struct home *home)
{
	engine_close(&home->engine, INT64_C(10000000));
	store_close(&home->store);
}

void home_run(struct home *home)
{
	struct err err;

	T_OK(home_open(home, &err));
	engine_start(home->engine);
	T_TRUE(home_drain(home));
	home_close(home);
}

static sqlite3 *look_at(struct home *home)
{
	sqlite3 *db = NULL;

	assert_int_equal(
		sqlite3_open_v2(home_path(home, "state.db"), &db, SQLITE_OPEN_READWRITE, NULL),
		SQLITE_OK);
	sqlite3_busy_timeout(db, 10000);
	return db;
}

static void dump_query(sqlite3 *db, const char *sql, struct buf *out)
{
	sqlite3_stmt *st = NULL;

	assert_int_equal(sqlite3_prepare_v2(db, sql, -1, &st, NULL), SQLITE_OK);
	buf_printf(out, "-- %s\n", sql);
	while (sqlite3_step(st) == SQLITE_ROW) {
		for (int i = 0; i < sqlite3_column_count(st); i++) {
			const unsigned char *text = sqlite3_column_text(st, i);

			buf_printf(out, "%s|", text == NULL ? "null" : (const char *)text);
		}
		buf_putc(out, '\n');
	}
	sqlite3_finalize(st);
}

void home_dump(struct home *home, struct buf *out)
{
	static const char *const queries[] = {
		"select * from rules order by id",
		"select * from alerts order by number",
		"select * from deliveries order by number",
		"select * from changes order by org_id, number",
		"select journal, seq, alerts, deliveries, rollup_seq, usage_seq from engine_cursors",
		"select * from retention order by org_id, project_id",
		"select * from replies order by org_id, key_hash",
		"select * from builtin_rules order by org_id, name",
		"select org_id, number, created_at, actor, action, target_id from audit_entries"
		" order by org_id, number",
		"select * from usage_events order by org_id, day, project_id, key_id, type",
		"select * from usage_sent order by org_id, day, project_id",
		/* What a deletion hides is there until the purger comes. */
		"select * from rollups as r where start_at >= coalesce((select deleted_at"
		" - deleted_at % r.step from retention as t where t.org_id = r.org_id"
		" and t.project_id = r.project_id), 0)"
		" order by org_id, project_id, step, start_at, type, severity",
	};
	sqlite3 *db = look_at(home);

	for (size_t i = 0; i < ARRAY_LEN(queries); i++) {
		dump_query(db, queries[i], out);
	}
	assert_int_equal(sqlite3_close(db), SQLITE_OK);
	assert_false(out->overflow);
}

void home_same(struct home *a, struct home *b)
{
	struct buf x, y;
	size_t i = 0;

	buf_init(&x, (size_t)256 << 20);
	buf_init(&y, (size_t)256 << 20);
	home_dump(a, &x);
	home_dump(b, &y);
	while (i < x.n && i < y.n && x.p[i] == y.p[i]) {
		i++;
	}
	if (i < x.n || i < y.n) {
		size_t from = i > 200 ? i - 200 : 0;

		fail_msg("what was decided differs:\n%.*s\n--- and ---\n%.*s",
			 (int)(x.n - from < 400 ? x.n - from : 400), x.p + from,
			 (int)(y.n - from < 400 ? y.n - from : 400), y.p + from);
	}
	buf_release(&x);
	buf_release(&y);
}

void scene_begin(struct stage *stage, struct home *home)
{
	stage_init(stage);
	home_init(home, stage);
}

void scene_end(struct stage *stage, struct home *home)
{
	home_release(home);
	stage_release(stage);
}

/* On the engine's thread, right after a commit. */
static void take_image(struct home *home)
{
	struct images *images = home->arg;

	if (images->n < images->max) {
		home_copy(&images->homes[images->n++], home);
	}
}

void images_begin(struct images *images, size_t max, struct home *home)
{
	struct err err;

	ensure(max <= IMAGES_MAX);
	images->n = 0;
	images->max = max;
	home->on_news = take_image;
	home->arg = images;
	T_OK(home_open(home, &err));
	engine_start(home->engine);
}

void images_same(struct images *images, struct home *whole)
{
	for (size_t i = 0; i < images->n; i++) {
		home_run(&images->homes[i]);
		home_same(whole, &images->homes[i]);
		home_release(&images->homes[i]);
	}
}

int64_t home_number(struct home *home, const char *sql)
{
	sqlite3 *db = look_at(home);
	sqlite3_stmt *st = NULL;
	int64_t n;

	assert_int_equal(sqlite3_prepare_v2(db, sql, -1, &st, NULL), SQLITE_OK);
	assert_int_equal(sqlite3_step(st), SQLITE_ROW);
	n = sqlite3_column_int64(st, 0);
	sqlite3_finalize(st);
	assert_int_equal(sqlite3_close(db), SQLITE_OK);
	return n;
}

void home_sql(struct home *home, const char *sql)
{
	sqlite3 *db = look_at(home);

	/* An engine that tries again and again has it most of the time. */
	assert_int_equal(sqlite3_busy_timeout(db, 60000), SQLITE_OK);
	assert_int_equal(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
	assert_int_equal(sqlite3_close(db), SQLITE_OK);
}

struct names {
	char (*list)[32];
	size_t n, max;
};

static void add_name(const char *path UNUSED, const char *name, void *arg)
{
	struct names *names = arg;

	if (names->n < names->max && strlen(name) < 32) {
		memcpy(names->list[names->n++], name, strlen(name) + 1);
	}
}

static int newest_first(const void *a, const void *b)
{
	return strcmp(b, a);
}

size_t home_snapshots(const struct home *home, char names[][32], size_t max)
{
	struct names all = { .list = names, .max = max };

	each_file(home->snapshots, add_name, &all);
	qsort(names, all.n, 32, newest_first);
	return all.n;
}

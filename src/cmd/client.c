/* SPDX-License-Identifier: Apache-2.0 */
/*
 * libcurl's easy interface behind a small face. One handle per client, so that calls in a row share
 * a connection.
 */
#include "cmd/client.h"

#include <curl/curl.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/secret.h"
#include "net/unix_path.h"

#define CONNECT_MS 5000L
#define CALL_MS 60000L	  /* a call may wait for a slow disk, but not for ever */
#define QUIET_S 60L	  /* the server pings every 25 s */
#define KEY_FILE_MAX 1024 /* bytes: a key is at most 200 characters */
#define URL_DEFAULT "http://127.0.0.1:3000"

struct client {
	CURL *curl;
	struct arena boot;
	struct slice base; /* "http://127.0.0.1:3000", without a slash at the end */
	struct unix_path socket;
	bool over_socket;
	struct secret authorization; /* a whole header line, terminated */
};

struct transfer {
	struct client *client;
	struct client_reply *reply;
	client_bytes_fn fn;
	void *arg;
	bool ended; /* by fn */
};

static bool read_key_file(const char *path, struct arena *boot, struct slice *key, struct err *err)
{
	char text[KEY_FILE_MAX];
	FILE *f = fopen(path, "re");
	size_t n;

	if (f == NULL) {
		return err_errno(err, errno, "open \"%s\"", path) ||
		       err_wrap(err, "TOCSIN_KEY_FILE");
	}
	n = fread(text, 1, sizeof(text), f);
	fclose(f);
	while (n > 0 && (text[n - 1] == '\n' || text[n - 1] == '\r')) {
		n--;
	}
	*key = arena_dup(boot, slice_trim((struct slice) { text, n }));
	secret_wipe(text, sizeof(text));
	return true;
}

static bool find_key(struct slice flag, struct arena *boot, struct slice *key, struct err *err)
{
	const char *value = getenv("TOCSIN_KEY"), *file = getenv("TOCSIN_KEY_FILE");

	*key = flag;
	if (flag.n > 0) {
		return true;
	}
	if (value != NULL && file != NULL) {
		return err_set(err, ERR_INVALID, "TOCSIN_KEY and TOCSIN_KEY_FILE are both set");
	}
	if (file != NULL) {
		return read_key_file(file, boot, key, err);
	}
	*key = slice_of(value);
	return true;
}

/* What a header can carry. */
static bool check_key(struct slice key, struct err *err)
{
	for (size_t i = 0; i < key.n; i++) {
		if (key.p[i] <= ' ' || key.p[i] > '~') {
			return err_set(err, ERR_INVALID,
				       "the API key has characters that no key has");
		}
	}
	return true;
}

bool client_find_key(struct slice flag, struct arena *boot, struct slice *key, struct err *err)
{
	return find_key(flag, boot, key, err) && check_key(*key, err);
}

struct slice client_find_url(struct slice flag)
{
	struct slice url = flag.n > 0 ? flag : slice_of(getenv("TOCSIN_URL"));

	url = url.n > 0 ? url : S(URL_DEFAULT);
	while (url.n > 0 && url.p[url.n - 1] == '/') {
		url.n--;
	}
	return url;
}

static void set_key(struct client *c, struct slice key)
{
	struct slice line = arena_printf(&c->boot, "Authorization: Bearer %.*s", SARG(key));

	secret_init(&c->authorization, (struct slice) { line.p, line.n + 1 });
	secret_wipe((char *)line.p, line.n);
}

static bool set_base(struct client *c, const struct client_flags *flags, struct err *err)
{
	const char *path;

	if (flags->url.n > 0 && flags->data.n > 0) {
		return err_set(err, ERR_INVALID, "--url and --data are both given");
	}
	if (flags->data.n == 0) {
		c->base = arena_dup(&c->boot, client_find_url(flags->url));
		return true;
	}
	c->base = S("http://localhost");
	c->over_socket = true;
	path = arena_printf(&c->boot, "%.*s/" CLIENT_SOCKET_NAME, SARG(flags->data)).p;
	return unix_path_open(&c->socket, path, err);
}

static bool set_up(struct client *c, const struct client_flags *flags, bool need_key,
		   struct err *err)
{
	struct slice key;

	if (!set_base(c, flags, err) || !client_find_key(flags->key, &c->boot, &key, err)) {
		return false;
	}
	if (need_key && key.n == 0) {
		return err_set(err, ERR_INVALID,
			       "an API key is needed: set TOCSIN_KEY, or TOCSIN_KEY_FILE to the "
			       "name of a file");
	}
	if (key.n > 0) {
		set_key(c, key);
	}
	c->curl = curl_easy_init();
	ensure(c->curl != NULL);
	return true;
}

bool client_open(struct client **out, const struct client_flags *flags, bool need_key,
		 struct err *err)
{
	struct client *c = mem_alloc(1, sizeof(*c));

	ensure(curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK);
	arena_init(&c->boot, 0);
	c->socket.dir_fd = -1;
	*out = c;
	if (set_up(c, flags, need_key, err)) {
		return true;
	}
	client_close(out);
	return false;
}

void client_close(struct client **client)
{
	struct client *c = *client;

	if (c == NULL) {
		return;
	}
	curl_easy_cleanup(c->curl);
	unix_path_close(&c->socket);
	secret_release(&c->authorization);
	arena_release(&c->boot);
	free(c);
	*client = NULL;
}

void client_reply_release(struct client_reply *reply)
{
	buf_release(&reply->body);
	*reply = (struct client_reply) { 0 };
}

static size_t on_body(char *bytes, size_t size UNUSED, size_t n, void *arg)
{
	struct transfer *t = arg;
	long status = 0;

	curl_easy_getinfo(t->client->curl, CURLINFO_RESPONSE_CODE, &status);
	if (t->fn != NULL && status == 200) {
		t->ended = !t->fn(t->arg, (struct slice) { bytes, n });
		return t->ended ? 0 : n;
	}
	buf_put(&t->reply->body, bytes, n);
	return t->reply->body.overflow ? 0 : n;
}

/* "Name: value" */
static bool header_is(struct slice line, struct slice name, struct slice *value)
{
	size_t colon = slice_find(line, ':');

	*value = slice_trim(slice_from(line, colon + 1));
	while (value->n > 0 && (value->p[value->n - 1] == '\r' || value->p[value->n - 1] == '\n')) {
		value->n--;
	}
	return slice_eq_nocase((struct slice) { line.p, colon }, name);
}

static size_t on_header(char *bytes, size_t size UNUSED, size_t n, void *arg)
{
	struct slice line = { bytes, n }, value;
	struct transfer *t = arg;
	uint64_t seconds;

	if (header_is(line, S("retry-after"), &value) && slice_u64(value, &seconds) &&
	    seconds < 86400) {
		t->reply->retry_after_ms = (int64_t)seconds * 1000;
	} else if (header_is(line, S("idempotent-replayed"), &value)) {
		t->reply->replayed = slice_eq(value, S("true"));
	}
	return n;
}

static struct curl_slist *add(struct curl_slist *list, const char *line)
{
	struct curl_slist *longer = curl_slist_append(list, line);

	ensure(longer != NULL);
	return longer;
}

static struct curl_slist *headers_of(struct client *c, const struct client_call *call,
				     struct arena *req)
{
	struct curl_slist *list = add(NULL, "Expect:");

	if (c->authorization.n > 0) {
		list = add(list, secret_reveal(&c->authorization).p);
	}
	if (call->type != NULL) {
		list = add(list, arena_printf(req, "Content-Type: %s", call->type).p);
	}
	if (call->idempotency_key.n > 0) {
		list = add(
			list,
			arena_printf(req, "Idempotency-Key: %.*s", SARG(call->idempotency_key)).p);
	}
	if (call->last_event_id.n > 0) {
		list = add(list,
			   arena_printf(req, "Last-Event-ID: %.*s", SARG(call->last_event_id)).p);
	}
	return list;
}

/* curl keeps a copy of each header; ours of the key is wiped, so is that one. */
static void forget_headers(struct curl_slist *list)
{
	for (struct curl_slist *l = list; l != NULL; l = l->next) {
		secret_wipe(l->data, strlen(l->data));
	}
	curl_slist_free_all(list);
}

static void set_transfer(struct client *c, const struct client_call *call, struct transfer *t,
			 struct arena *req)
{
	CURL *h = c->curl;

	curl_easy_reset(h);
	curl_easy_setopt(h, CURLOPT_URL,
			 arena_printf(req, "%.*s%.*s", SARG(c->base), SARG(call->path)).p);
	curl_easy_setopt(h, CURLOPT_PROTOCOLS_STR, "http,https");
	curl_easy_setopt(h, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(h, CURLOPT_USERAGENT, "tocsin/" TOCSIN_VERSION);
	curl_easy_setopt(h, CURLOPT_CONNECTTIMEOUT_MS, CONNECT_MS);
	if (c->over_socket) {
		curl_easy_setopt(h, CURLOPT_UNIX_SOCKET_PATH, c->socket.text);
		curl_easy_setopt(h, CURLOPT_PROXY, "");
	}
	if (strcmp(call->method, "GET") != 0) {
		curl_easy_setopt(h, CURLOPT_POSTFIELDS, call->body.n == 0 ? "" : call->body.p);
		curl_easy_setopt(h, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)call->body.n);
		curl_easy_setopt(h, CURLOPT_CUSTOMREQUEST, call->method);
	}
	if (t->fn == NULL) {
		curl_easy_setopt(h, CURLOPT_TIMEOUT_MS, CALL_MS);
	} else {
		curl_easy_setopt(h, CURLOPT_LOW_SPEED_LIMIT, 1L);
		curl_easy_setopt(h, CURLOPT_LOW_SPEED_TIME, QUIET_S);
	}
	curl_easy_setopt(h, CURLOPT_WRITEFUNCTION, on_body);
	curl_easy_setopt(h, CURLOPT_WRITEDATA, t);
	curl_easy_setopt(h, CURLOPT_HEADERFUNCTION, on_header);
	curl_easy_setopt(h, CURLOPT_HEADERDATA, t);
}

static bool no_answer(const struct client *c, CURLcode code, struct err *err)
{
	enum err_kind kind = code == CURLE_OPERATION_TIMEDOUT ? ERR_UPSTREAM_TIMEOUT : ERR_UPSTREAM;

	return err_set(err, kind, "%s %.*s: %s", c->over_socket ? "the socket of" : "the server at",
		       SARG(c->base), curl_easy_strerror(code));
}

static bool run(struct transfer *t, const struct client_call *call, struct err *err)
{
	struct client *c = t->client;
	struct client_reply *reply = t->reply;
	struct curl_slist *headers;
	struct arena req;
	long status = 0;
	CURLcode code;

	arena_init(&req, 0);
	buf_clear(&reply->body);
	*reply = (struct client_reply) { .retry_after_ms = -1 };
	buf_init(&reply->body, CLIENT_REPLY_BYTES_MAX);
	set_transfer(c, call, t, &req);
	headers = headers_of(c, call, &req);
	curl_easy_setopt(c->curl, CURLOPT_HTTPHEADER, headers);
	code = curl_easy_perform(c->curl);
	curl_easy_getinfo(c->curl, CURLINFO_RESPONSE_CODE, &status);
	reply->status = (int)status;
	curl_easy_setopt(c->curl, CURLOPT_HTTPHEADER, NULL);
	forget_headers(headers);
	arena_release(&req);
	return code == CURLE_OK || t->ended || no_answer(c, code, err);
}

bool client_call(struct client *client, const struct client_call *call, struct client_reply *reply,
		 struct err *err)
{
	struct transfer t = { .client = client, .reply = reply };

	return run(&t, call, err);
}

bool client_stream(struct client *client, const struct client_call *call, client_bytes_fn fn,
		   void *arg, struct client_reply *reply, struct err *err)
{
	struct transfer t = { .client = client, .reply = reply, .fn = fn, .arg = arg };

	return run(&t, call, err);
}

static enum err_kind kind_of(int status)
{
	for (enum err_kind kind = ERR_NONE + 1; kind < ERR_KINDS; kind++) {
		if (err_info(kind)->http_status == status) {
			return kind;
		}
	}
	return ERR_UPSTREAM;
}

bool client_ok(const struct client_reply *reply, struct err *err)
{
	const struct json *body, *text = NULL;
	struct arena req;

	if (reply->status >= 200 && reply->status < 300) {
		return true;
	}
	arena_init(&req, 0);
	if (json_parse(&req, buf_slice(&reply->body), JSON_DEPTH_MAX, &body, err)) {
		text = json_get(body, "error");
	}
	if (text != NULL && text->type == JSON_STRING) {
		err_set(err, kind_of(reply->status), "the server answered %d: %.*s", reply->status,
			SARG(text->text));
	} else {
		err_set(err, kind_of(reply->status), "the server answered %d", reply->status);
	}
	arena_release(&req);
	return false;
}

bool client_retryable(const struct client_reply *reply)
{
	return reply->status == 0 || reply->status == 408 || reply->status == 429 ||
	       reply->status == 502 || reply->status == 503 || reply->status == 504;
}

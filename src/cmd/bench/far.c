/* SPDX-License-Identifier: Apache-2.0 */
/* libcurl says which sockets and when; the poller waits, so that all of it is one wait. */
#include "cmd/bench/far.h"

#include <curl/curl.h>
#include <stdlib.h>
#include <sys/epoll.h>

#include "base/clock.h"

#define CONNECT_MS 5000L

struct far {
	struct poller *poller;
	CURLM *multi;
	const char *ca_file;
	int64_t due_us; /* -1: nothing to do */
	bool touched;	/* a call may have ended */
};

struct socket_watch {
	struct watch watch; /* first: the poller hands it back */
	struct far *far;
};

static void action(struct far *f, curl_socket_t fd, int what)
{
	int running;

	ensure(curl_multi_socket_action(f->multi, fd, what, &running) == CURLM_OK);
	f->touched = true;
}

static void socket_ready(struct watch *w, uint32_t events)
{
	struct far *f = ((struct socket_watch *)w)->far;
	int what = (events & EPOLLIN) != 0 ? CURL_CSELECT_IN : 0;

	what |= (events & EPOLLOUT) != 0 ? CURL_CSELECT_OUT : 0;
	what |= (events & (EPOLLERR | EPOLLHUP)) != 0 ? CURL_CSELECT_ERR : 0;
	action(f, w->fd, what);
}

static int on_socket(CURL *easy UNUSED, curl_socket_t fd, int what, void *arg, void *known)
{
	uint32_t events = (what & CURL_POLL_IN) != 0 ? EPOLLIN : 0;
	struct socket_watch *w = known;
	struct far *f = arg;

	events |= (what & CURL_POLL_OUT) != 0 ? EPOLLOUT : 0;
	if (what == CURL_POLL_REMOVE) {
		if (w != NULL) {
			poller_drop(f->poller, &w->watch);
			free(w);
		}
		curl_multi_assign(f->multi, fd, NULL);
		return 0;
	}
	if (w != NULL) {
		poller_change(f->poller, &w->watch, events);
		return 0;
	}
	w = mem_alloc(1, sizeof(*w));
	*w = (struct socket_watch) { .watch = { .fd = fd, .ready = socket_ready }, .far = f };
	poller_add(f->poller, &w->watch, events);
	curl_multi_assign(f->multi, fd, w);
	return 0;
}

static int on_timer(CURLM *multi UNUSED, long wait_ms, void *arg)
{
	struct far *f = arg;

	f->due_us = wait_ms < 0 ? -1 : clock_mono_us() + wait_ms * US_PER_MS;
	return 0;
}

struct far *far_new(struct poller *poller, const char *ca_file)
{
	struct far *f = mem_alloc(1, sizeof(*f));

	ensure(curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK);
	*f = (struct far) {
		.poller = poller, .multi = curl_multi_init(), .ca_file = ca_file, .due_us = -1
	};
	ensure(f->multi != NULL);
	curl_multi_setopt(f->multi, CURLMOPT_SOCKETFUNCTION, on_socket);
	curl_multi_setopt(f->multi, CURLMOPT_SOCKETDATA, f);
	curl_multi_setopt(f->multi, CURLMOPT_TIMERFUNCTION, on_timer);
	curl_multi_setopt(f->multi, CURLMOPT_TIMERDATA, f);
	return f;
}

void far_free(struct far **fp)
{
	if (*fp == NULL) {
		return;
	}
	curl_multi_cleanup((*fp)->multi);
	free(*fp);
	*fp = NULL;
}

static size_t on_bytes(char *bytes, size_t size UNUSED, size_t n, void *arg)
{
	struct far_call *c = arg;

	if (c->bytes != NULL) {
		c->bytes(c, (struct slice) { bytes, n });
	}
	return n;
}

static void set_body(CURL *easy, const struct far_call *c)
{
	if (strcmp(c->method, "GET") == 0) {
		curl_easy_setopt(easy, CURLOPT_HTTPGET, 1L);
		return;
	}
	curl_easy_setopt(easy, CURLOPT_POSTFIELDS, c->body.n == 0 ? "" : c->body.p);
	curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)c->body.n);
	curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, c->method);
}

static void set_up(struct far *f, struct far_call *c)
{
	struct curl_slist *lines = curl_slist_append(NULL, "Expect:");
	CURL *easy = c->easy;

	for (size_t i = 0; i < c->headers_n; i++) {
		lines = curl_slist_append(lines, c->headers[i]);
	}
	ensure(lines != NULL);
	curl_slist_free_all(c->lines);
	c->lines = lines;
	curl_easy_setopt(easy, CURLOPT_URL, c->url);
	curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
	curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
	curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(easy, CURLOPT_USERAGENT, "tocsin/" TOCSIN_VERSION);
	curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, CONNECT_MS);
	curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, (long)c->timeout_ms);
	if (f->ca_file != NULL) {
		curl_easy_setopt(easy, CURLOPT_CAINFO, f->ca_file);
	}
	set_body(easy, c);
	curl_easy_setopt(easy, CURLOPT_HTTPHEADER, lines);
	curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_bytes);
	curl_easy_setopt(easy, CURLOPT_WRITEDATA, c);
	curl_easy_setopt(easy, CURLOPT_PRIVATE, c);
}

void far_start(struct far *f, struct far_call *c)
{
	ensure(!c->busy);
	if (c->easy == NULL) {
		c->easy = curl_easy_init();
		ensure(c->easy != NULL);
	}
	set_up(f, c);
	c->busy = true;
	ensure(curl_multi_add_handle(f->multi, c->easy) == CURLM_OK);
}

void far_end(struct far *f, struct far_call *c)
{
	if (c->busy) {
		curl_multi_remove_handle(f->multi, c->easy);
		c->busy = false;
	}
	curl_easy_cleanup(c->easy);
	curl_slist_free_all(c->lines);
	c->easy = NULL;
	c->lines = NULL;
}

int far_status(const struct far_call *c)
{
	long status = 0;

	if (c->easy != NULL) {
		curl_easy_getinfo(c->easy, CURLINFO_RESPONSE_CODE, &status);
	}
	return (int)status;
}

bool far_has_header(const struct far_call *c, const char *name, struct slice value)
{
	struct curl_header *h;

	return c->easy != NULL &&
	       curl_easy_header(c->easy, name, 0, CURLH_HEADER, -1, &h) == CURLHE_OK &&
	       slice_eq_nocase(slice_of(h->value), value);
}

static void tell_ended(struct far *f)
{
	CURLMsg *m;
	int left;

	while ((m = curl_multi_info_read(f->multi, &left)) != NULL) {
		struct far_call *c;
		CURLcode code;
		char *own = NULL;

		if (m->msg != CURLMSG_DONE) {
			continue;
		}
		code = m->data.result;
		curl_easy_getinfo(m->easy_handle, CURLINFO_PRIVATE, &own);
		c = (struct far_call *)(void *)own;
		curl_multi_remove_handle(f->multi, c->easy);
		c->busy = false;
		if (code == CURLE_OK) {
			c->done(c, far_status(c), "");
		} else {
			c->done(c, 0, curl_easy_strerror(code));
		}
	}
}

int64_t far_wait_us(const struct far *f, int64_t now_us)
{
	if (f->touched) {
		return 0;
	}
	if (f->due_us < 0) {
		return INT64_MAX;
	}
	return f->due_us > now_us ? f->due_us - now_us : 0;
}

void far_turn(struct far *f, int64_t now_us)
{
	if (f->due_us >= 0 && f->due_us <= now_us) {
		f->due_us = -1;
		action(f, CURL_SOCKET_TIMEOUT, 0);
	}
	if (f->touched) {
		f->touched = false;
		tell_ended(f);
	}
}

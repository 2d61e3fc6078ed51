/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CMD_BENCH_FAR_H
#define CMD_BENCH_FAR_H

#include "base/slice.h"
#include "load/poller.h"

/*
 * HTTP calls through libcurl in a poller: whatever is not the plain load, that is TLS, streams and
 * metrics. One thread.
 */
struct far;

/*
 * A call, embedded by its owner; zeroed at first, and free for the next call when done was called.
 */
struct far_call {
	const char *method; /* "GET", "POST" */
	const char *url;
	const char *const *headers; /* lines; borrowed for far_start */
	size_t headers_n;
	struct slice body;  /* borrowed until done */
	int64_t timeout_ms; /* 0: none, for streams */
	/* Bytes of the answer's body as they come. May be NULL. */
	void (*bytes)(struct far_call *call, struct slice bytes);
	/* status 0: there was no answer, and problem says why. May start the next call. */
	void (*done)(struct far_call *call, int status, const char *problem);
	void *owner;
	bool busy; /* out */
	/* private */
	void *easy;
	void *lines;
};

/* ca_file may be NULL: the system's certificates; the string is borrowed. */
struct far *far_new(struct poller *poller, const char *ca_file);
/* All calls were ended before. */
void far_free(struct far **far);

/* Not from bytes. The call is not busy. */
void far_start(struct far *far, struct far_call *call);
/* End it without done; nothing happens when it is not busy. Also gives its memory back. */
void far_end(struct far *far, struct far_call *call);
/* Whether the answer that done tells of has this header with this value, letters of any case. */
bool far_has_header(const struct far_call *call, const char *name, struct slice value);
/* Whether libcurl has heard the status of an answer yet: 0 before. For streams. */
int far_status(const struct far_call *call);

/* How long the poller may wait at most before far_turn is due; never below 0. */
int64_t far_wait_us(const struct far *far, int64_t now_us);
/* After each turn of the poller. */
void far_turn(struct far *far, int64_t now_us);

#endif

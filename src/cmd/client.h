/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CMD_CLIENT_H
#define CMD_CLIENT_H

#include "base/field.h"

/*
 * How commands talk to a server: one request at a time, blocking, over TCP or over the Unix socket
 * of a data directory. The API key goes into a header and nowhere else. Main thread, or one thread
 * per client.
 */
struct client;

/* Where the server is and who asks: rows for the flag table of a command. */
struct client_flags {
	struct slice url;
	struct slice data;
	struct slice key;
};
#define CLIENT_FLAGS(S, m) \
	FIELD_URL( \
		S, m.url, "url", \
		.help = "Where the server is. Default: TOCSIN_URL, else http://127.0.0.1:3000."), \
		FIELD_STR(S, m.data, "data", .max = 4000, \
			  .help = "Use the Unix socket in this data directory instead."), \
		FIELD_STR(S, m.key, "key", .max = 200, .flags = FIELD_SECRET, \
			  .help = "The API key. Better: TOCSIN_KEY, or TOCSIN_KEY_FILE with the " \
				  "name of a file.")

#define CLIENT_SOCKET_NAME "tocsin.sock" /* in the data directory, mode 0600 */

/*
 * For commands that talk to a server in their own way: the key of the flag, else of TOCSIN_KEY or
 * TOCSIN_KEY_FILE, empty when there is none; the URL of the flag, else of TOCSIN_URL, else the
 * default, without a slash at its end and borrowed from where it stands.
 */
NODISCARD bool client_find_key(struct slice flag, struct arena *boot, struct slice *key,
			       struct err *err);
struct slice client_find_url(struct slice flag);

/*
 * Flags beat variables. Touches no network. ERR_INVALID when they contradict each other or, with
 * need_key, when there is no key.
 */
NODISCARD bool client_open(struct client **out, const struct client_flags *flags, bool need_key,
			   struct err *err);
void client_close(struct client **client);

struct client_call {
	const char *method; /* "GET", "POST" */
	struct slice path;  /* with query */
	struct slice body;
	const char *type;	      /* of the body */
	struct slice idempotency_key; /* may be empty */
	struct slice last_event_id;   /* may be empty */
};

#define CLIENT_REPLY_BYTES_MAX ((size_t)64 << 20) /* what the server sends at most */

/* Owned by the caller; zeroed at first, reused by the next call. */
struct client_reply {
	int status;
	int64_t retry_after_ms; /* -1: not said */
	bool replayed;		/* Idempotent-Replayed */
	struct buf body;
};
void client_reply_release(struct client_reply *reply);

/*
 * True when there was an answer, whatever its status. ERR_UPSTREAM when there was none,
 * ERR_UPSTREAM_TIMEOUT when it took too long: it may have been carried out all the same.
 */
NODISCARD bool client_call(struct client *client, const struct client_call *call,
			   struct client_reply *reply, struct err *err);

/* Bytes of a stream as they arrive; false ends it. */
typedef bool (*client_bytes_fn)(void *arg, struct slice bytes);
/*
 * Follow an answer with status 200 without end; any other is in reply as with client_call. Returns
 * when the connection ends: true when the server ended it in good order or fn said so. A minute
 * without a byte counts as broken.
 */
NODISCARD bool client_stream(struct client *client, const struct client_call *call,
			     client_bytes_fn fn, void *arg, struct client_reply *reply,
			     struct err *err);

/* False unless the status is 2xx; err then says what the server said. */
NODISCARD bool client_ok(const struct client_reply *reply, struct err *err);
/* Whether it may help to try again: no answer, or one of those that say so. */
bool client_retryable(const struct client_reply *reply);

#endif

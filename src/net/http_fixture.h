/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NET_HTTP_FIXTURE_H
#define NET_HTTP_FIXTURE_H

#include "base/buf.h"
#include "net/http_server.h"

/*
 * For tests: a server on a loop thread of its own, and a client that speaks in raw bytes over a
 * real socket. The client's calls wait for the condition they name, 10 s at most, and then fail.
 *
 * Paths: /echo answers the body; /small takes 100 bytes of it, /none no bytes; /early answers 401
 * at the head; /hold waits for fixture_release; /hook answers in a turn end hook; /post by way of
 * another thread; /big/N answers N bytes; /stream sends what fixture_feed says; /ws echoes raw
 * bytes; /peer says where the request came from.
 */
struct fixture;
struct client {
	int fd;
	struct buf in; /* received and not yet looked at */
	bool eof;
	bool reset;
};

/* options may be NULL. */
struct fixture *fixture_new(const struct http_options *options);
/* Fails the test when an exchange was not answered. */
void fixture_free(struct fixture **f);
uint16_t fixture_port(const struct fixture *f);
/* Listen on a Unix socket as well. */
NODISCARD bool fixture_listen_unix(struct fixture *f, const char *path, unsigned mode,
				   struct err *err);
struct http_server_stats fixture_stats(struct fixture *f);
/* Wait until n connections are open. */
void fixture_wait_open(struct fixture *f, size_t n);
/* Wait until n exchanges are held by /hold. */
void fixture_wait_held(struct fixture *f, size_t n);
/* Answer the held exchange of that order of arrival (0 is the first). */
void fixture_release(struct fixture *f, size_t which);
/* Wait until n streams are open. */
void fixture_wait_streams(struct fixture *f, size_t n);
/* Queue one shared chunk of n bytes c on every open stream; how many took it. */
size_t fixture_feed(struct fixture *f, char c, size_t n);
/* Ask every open stream for room; how many were told of room before. Wait until n were. */
size_t fixture_ask_room(struct fixture *f, size_t bytes);
void fixture_wait_rooms(struct fixture *f, size_t n);
void fixture_end_streams(struct fixture *f, bool abort);
/* Start to drain, wait_us at most. fixture_drained waits for the end. */
void fixture_drain(struct fixture *f, int64_t wait_us);
void fixture_drained(struct fixture *f);
/* What on_done saw last, and how often it was called. */
struct fixture_done {
	int status;
	uint64_t bytes;
	uint64_t calls;
};
struct fixture_done fixture_done(struct fixture *f);

struct client client_open(struct fixture *f);
/* The same with small socket buffers, so that writes to it block early. */
struct client client_open_slow(struct fixture *f);
struct client client_open_unix(const char *path);
/* A socket that is not connected yet, and the other half of client_open. */
struct client client_socket(void);
void client_connect(struct client *c, struct fixture *f);
void client_close(struct client *c);
void client_send(struct client *c, struct slice bytes);
#define client_say(c, text) client_send((c), S(text))
/* Send one byte each time the server has said nothing for a few ms, until it says something. */
void client_trickle(struct client *c, char byte);
/* No more bytes from here; replies are still read. */
void client_shut(struct client *c);
/* One reply off the front: "STATUS body". The text lives until the next call. */
const char *client_reply(struct client *c);
/* The same for the answer to HEAD: "STATUS length". */
const char *client_reply_head(struct client *c);
/* The raw head of the last reply. */
const char *client_head(void);
/* Read n raw bytes, terminated; until the next call. */
const char *client_raw(struct client *c, size_t n);
/* Wait for the end of the connection; the bytes before it, terminated. */
const char *client_rest(struct client *c);

#endif

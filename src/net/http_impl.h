/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NET_HTTP_IMPL_H
#define NET_HTTP_IMPL_H

#include "base/map.h"
#include "net/http_out.h"
#include "net/http_server.h"
#include "net/inflate.h"
#include "net/loop_impl.h"

/*
 * Net-internal: what the files of the server share. Reading (http_read.c) turns bytes into
 * exchanges, replying (http_reply.c, http_stream.c) queues output, and settling (http_conn.c),
 * once or twice per turn for each connection that something happened to, does the rest: writing,
 * closing, what to wait for. Nothing but settling, timeouts and reading errors ends a connection,
 * so that it cannot vanish under a callback.
 */

#define HTTP_READ_BYTES ((size_t)65536) /* one read; the buffer is shared by all connections */
#define HTTP_DROP_BYTES_MAX \
	((size_t)65536) /* of a body that nobody wants: cheaper than a new connection */
/*
 * Read and dropped after the last reply, before cutting off: who sends a body somewhat over the
 * largest limit (10 MiB of ingest) shall see the 413 rather than a broken connection.
 */
#define HTTP_LINGER_BYTES_MAX ((size_t)16 << 20)
#define HTTP_KEEP_BYTES ((size_t)16384) /* buffers up to this stay with a pooled exchange */
#define HTTP_POOL_MAX 1024		/* exchanges and connections kept for reuse, each */
#define HTTP_LISTENERS_MAX 16
#define HTTP_ID_BYTES_MAX 64

enum conn_state {
	CONN_HEAD,    /* between requests, or in a head */
	CONN_LENGTH,  /* in a body of known length */
	CONN_CHUNKED, /* in a body in chunks */
	CONN_DROP,    /* in a body of known length that was answered already */
	CONN_STREAM,  /* raw bytes */
	CONN_END,     /* nothing is read any more */
	CONN_LINGER   /* all is said; reading until the peer closes */
};

/*
 * Times run in lists in the order of their start, one list per kind: the sweep looks at the heads.
 */
enum clock_kind {
	CLOCK_NONE,
	CLOCK_HEAD,
	CLOCK_BODY,
	CLOCK_IDLE,
	CLOCK_LINGER,
	CLOCK_WRITE,
	CLOCKS
};

struct conn;
struct conn_clock {
	struct conn_clock *prev;
	struct conn_clock *next;
	struct conn *conn;
	enum clock_kind kind;
	int64_t since_us;
	int64_t rate_since_us; /* where counting for rate_min began */
	uint64_t rate_bytes;
};

struct http_stream {
	bool begun;
	bool ending;
	http_stream_data_fn on_data;
	void *data_arg;
	http_stream_close_fn on_close;
	void *close_arg;
	size_t room; /* on_room is called when no more than this waits */
	http_stream_room_fn on_room;
	void *room_arg;
};

struct http_exchange {
	struct conn *conn;
	struct http_exchange *next; /* in order of requests, or in the pool */
	struct http_request req;
	struct http_head head;
	struct buf head_bytes;
	struct buf body;
	struct arena arena;
	struct inflate *inflate;
	struct out held; /* output made before its turn */
	struct http_stream stream;
	void *user;
	bool pinned;	 /* on_head is running */
	bool dispatched; /* on_request was called: somebody owes a reply */
	bool replied;
	bool early_closes; /* a reply before the body is read ends the connection */
	int status;
	uint64_t bytes;
	uint64_t wire_bytes; /* of the body, as received */
	char id[16];
};

struct ip_count {
	struct ip ip;
	uint32_t n;
};

struct conn {
	struct http_server *server; /* NULL: freed before libuv was done with the handle */
	struct conn *prev;	    /* all connections; also the pool */
	struct conn *next;
	struct conn *dirty_next;
	uv_poll_t poll;
	int fd;	    /* -1: closed */
	int events; /* libuv is asked for these */
	bool open;  /* the handle is not closed yet */
	enum conn_state state;
	struct http_exchange *in;    /* whose head or body is being read */
	struct http_exchange *first; /* owed replies, in order */
	struct http_exchange *tail;
	struct http_exchange *barrier; /* asked to leave HTTP: nothing behind it is parsed yet */
	struct http_exchange *streaming;
	uint32_t waiting; /* length of that list */
	uint64_t left;	  /* of CONN_LENGTH and CONN_DROP; bytes read in CONN_LINGER */
	struct http_chunked chunked;
	struct buf pending; /* read, but not to be looked at yet */
	struct out out;
	struct conn_clock clocks[2]; /* reading, writing */
	size_t stuck;		     /* bytes of out that the server counts as stuck */
	bool dirty;
	bool doomed;  /* to be cut off at the next settling */
	bool blocked; /* the kernel takes no more output for now */
	bool eof;
	bool last;   /* no further request is begun */
	bool linger; /* there may be input that nobody reads */
	bool used;   /* had a request */
	struct ip_count *count;
	struct http_addr peer;
	struct http_addr local;
};

struct listener {
	uv_poll_t poll;
	struct http_server *server;
	int fd;
	bool on;
	char *path; /* of a Unix socket; NULL: TCP */
	uint64_t inode;
};

struct http_server {
	struct loop *loop;
	struct http_options options;
	struct http_handlers handlers;
	struct http_server_stats stats;
	struct listener *listeners[HTTP_LISTENERS_MAX];
	size_t listeners_n;
	uint16_t port;
	int reserve_fd; /* given up to take, and close, a connection when descriptors run out */
	int64_t fds_logged_us;
	int64_t accept_after_us; /* no accepting before */
	struct map counts;	 /* struct ip_count by address */

	struct conn *conns;
	struct conn *dirty;
	struct conn *conn_pool;
	size_t conn_pool_n;
	struct http_exchange *pool;
	size_t pool_n;
	struct out_pool blocks;
	uint32_t inflating;
	size_t stuck;			  /* bytes that blocked connections wait to write, in all */
	struct conn_clock clocks[CLOCKS]; /* list heads */
	int64_t limits_us[CLOCKS];
	struct loop_timer sweep;
	int64_t sweep_us;

	int64_t date_at_us; /* loop time up to which date is right */
	char date[37];	    /* "Date: Sat, 21 Nov 2026 08:00:00 GMT\r\n" */
	uint64_t id_seed;
	uint64_t id_n;

	bool draining;
	loop_fn drained;
	void *drained_arg;
	struct loop_timer drain_timer;
	char *read_buf; /* HTTP_READ_BYTES */
};

/* http_server.c: pools. */
struct http_exchange *exchange_take(struct conn *c);
void exchange_put(struct http_exchange *x);
struct conn *conn_take(struct http_server *s);
void conn_put(struct conn *c);
void server_conn_gone(struct http_server *s);

/* http_accept.c */
void accept_watch(struct http_server *s);
void accept_stop(struct http_server *s);
void accept_forget(struct conn *c);
/* A new listener on fd, which it closes. There is room for it. */
struct listener *accept_add(struct http_server *s, int fd);

/* http_unix.c */
struct http_addr unix_addr(void);
/* Remove the file and forget its path. */
void unix_forget(struct listener *ln);

/* http_conn.c */
void conn_start(struct http_server *s, int fd, const struct http_addr *peer,
		const struct http_addr *local, struct ip_count *count);
/* Something happened: settle at the next edge of a turn. */
void conn_touch(struct conn *c);
void conn_kill(struct conn *c);
void conns_settle_first(void *server);
void conns_settle_last(void *server);
/* Append to, take off the front of, the owed replies. */
void conn_owe(struct conn *c, struct http_exchange *x);
void conn_pop(struct conn *c);
/* The first owed replies that are made leave the list. */
void conn_advance(struct conn *c);

/* http_stream.c: there may be room now. */
void stream_tell_room(struct http_stream *st);

/* http_clock.c */
void clock_set(struct conn *c, size_t side, enum clock_kind kind, bool again);
void clocks_sweep(void *server);

/* http_read.c */
bool read_wanted(const struct conn *c);
void read_feed(struct conn *c, struct slice in);
/* What was stashed while reading had to wait. */
void read_pending(struct conn *c);
void read_eof(struct conn *c);
/* Answer x by the server itself. ends: the connection cannot go on behind it. */
void read_refuse(struct conn *c, struct http_exchange *x, const struct err *err, bool ends);

/* http_reply.c */
void reply_head(struct http_exchange *x, int status, const struct http_header *headers, size_t n,
		const size_t *length);
struct out *reply_queue(struct http_exchange *x);
/* x is answered: tell on_done, and let it go when its turn has come. */
void reply_done(struct http_exchange *x);

#endif

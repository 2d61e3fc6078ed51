/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NET_HTTP_SERVER_H
#define NET_HTTP_SERVER_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "net/chunk.h"
#include "net/http_parse.h"
#include "net/ip.h"
#include "net/loop.h"

/*
 * An HTTP/1.1 server on a loop. Each request becomes a struct http_exchange that waits for one
 * reply: at once, later in the turn, or after a worker thread has posted back. Replies leave in the
 * order of the requests of their connection, whatever order they are made in, and with one write
 * per connection and turn.
 *
 * All functions run on the loop thread and never block. A worker may read the request and use the
 * arena of an exchange that was handed to it, and posts to the loop (loop_post) for the reply.
 */
struct http_server;
struct http_exchange;
struct http_stream;

/* One end of a connection. */
struct http_addr {
	struct ip ip;
	uint16_t port;
	bool loopback;	   /* 127.0.0.0/8 or ::1 */
	bool unix_socket;  /* came by http_server_listen_unix: no ip, no port, not loopback */
	struct slice text; /* "127.0.0.1", "::1"; without port; "unix" */
	struct ip_text text_bytes;
};

/* Slices and pointers live as long as the exchange. */
struct http_request {
	enum http_method method;
	struct slice method_text;
	struct slice target; /* as sent */
	struct slice path; /* as sent, not decoded, without query; never empty. See http_query.h */
	struct slice query;
	struct slice host;
	struct slice body; /* complete and decoded in on_request; empty in on_head */
	unsigned minor;	   /* HTTP/1.minor */
	bool keep_alive;
	bool upgrade;	 /* asks to leave HTTP (WebSocket) */
	struct slice id; /* X-Request-Id: the client's if well formed, else made here; echoed */
	const struct http_addr *peer;
	const struct http_addr *local;
	int64_t started_us;	      /* loop_now_us when its first byte was read */
	const struct http_head *head; /* all headers, as places in head_bytes */
	const char *head_bytes;
};

/* The value of a known header, or the empty slice (also when it is there and empty). */
static inline struct slice http_request_header(const struct http_request *r, enum http_known h)
{
	return http_head_get(r->head, r->head_bytes, h);
}
static inline bool http_request_has(const struct http_request *r, enum http_known h)
{
	return r->head->known[h] != 0;
}
/* Walk all values of a header by any name (any case): start with *at = 0. False at the end. */
static inline bool http_request_next(const struct http_request *r, struct slice name, size_t *at,
				     struct slice *value)
{
	return http_head_next(r->head, r->head_bytes, name, at, value);
}

const struct http_request *http_exchange_request(const struct http_exchange *x);
/* Memory with the lifetime of the exchange (cap: ARENA_CAP_DEFAULT). One thread at a time. */
struct arena *http_exchange_arena(struct http_exchange *x);
/*
 * Use id (visible ASCII, with the lifetime of the exchange) in place of the request id made here; a
 * client's own stays. For when the request has become something with a better name.
 */
void http_exchange_rename(struct http_exchange *x, struct slice id);
/* A pointer of the application's; NULL at first. */
void http_exchange_set_user(struct http_exchange *x, void *user);
void *http_exchange_user(const struct http_exchange *x);
/* The peer is gone, nobody will see the reply; it must be given all the same. */
bool http_exchange_gone(const struct http_exchange *x);

struct http_handlers {
	/*
	 * The head is complete, the body is not read. The result is how many bytes of decoded body
	 * are allowed (0: none); more is answered 413. Or reply at once (401, 404, 405...): then
	 * the result is not used, a small body is read and dropped, a large one ends the
	 * connection, and on_request is not called.
	 */
	size_t (*on_head)(void *ctx, struct http_exchange *x);
	/* The request is complete. Owes one http_reply* or http_stream_begin, now or later. */
	void (*on_request)(void *ctx, struct http_exchange *x);
	/*
	 * May be NULL. The reply was queued, or the stream ended; x is valid until this returns.
	 * bytes of body (of a stream: all queued), duration since started_us.
	 */
	void (*on_done)(void *ctx, struct http_exchange *x, int status, uint64_t bytes,
			int64_t duration_us);
	/*
	 * May be NULL. The server itself refuses a request (malformed, too large, timeouts): put a
	 * body into out and return its content type. The default is
	 * {"error":{"code":..,"message":..}}.
	 */
	const char *(*on_refuse)(void *ctx, const struct err *err, struct slice request_id,
				 struct buf *out);
	void *ctx;
};

/* A member of 0 takes the default beside it. Times in microseconds. */
struct http_options {
	int64_t head_us;    /* 10 s: from the first byte (or the accept) to the end of the head */
	int64_t body_us;    /* 30 s: between two reads of a body */
	int64_t idle_us;    /* 75 s: keep-alive without a request */
	int64_t write_us;   /* 30 s: the peer takes nothing of what is queued */
	int64_t linger_us;  /* 2 s: dropping input after the last reply, so that it arrives */
	uint32_t rate_min;  /* 1024 bytes/s of body or reply, once body_us or write_us passed */
	uint32_t conns_max; /* 8192 in total; over it idle ones are closed, then accepting waits */
	uint32_t conns_per_ip; /* 1024 per IPv4 address or IPv6 /64; over it: 429 and close */
	struct ip_set exempt;  /* none: proxies, whose many connections are not one client's */
	uint32_t pipeline_max; /* 64 requests of one connection waiting for replies */
	size_t output_max;     /* 1 MiB of replies queued on a connection before it is read again */
	size_t stream_max;     /* 1 MiB queued on one stream: http_stream_write says false beyond */
	size_t stuck_max; /* 32 MiB waiting for slow readers in all; over it the slowest is cut */
	uint32_t inflate_max; /* 64 compressed bodies being read at once; over it: 503 */
};

/* The reason phrase of a status, "Not Found"; "" for one that we never send. Any thread. */
const char *http_status_text(int status);

/* options may be NULL. handlers are copied; the loop outlives the server. */
struct http_server *http_server_new(struct loop *l, const struct http_options *options,
				    const struct http_handlers *handlers);
/*
 * Listen on a numeric address: "127.0.0.1", "::1", "[::1]", "0.0.0.0", "::"; port 0 lets the kernel
 * choose. May be called for several (up to 16). ERR_INVALID for another text, ERR_IO from the
 * kernel.
 */
NODISCARD bool http_server_listen(struct http_server *s, const char *host, uint16_t port,
				  struct err *err);
/*
 * Listen on a Unix stream socket too. The file gets this mode before anybody can connect, replaces
 * one that a dead process has left, and is removed when the server stops accepting. Its connections
 * are not counted by address. ERR_IO when something else is there or somebody answers on it; that
 * two processes do not take it at once is up to a lock of the caller's. Blocks for a moment.
 */
NODISCARD bool http_server_listen_unix(struct http_server *s, const char *path, unsigned mode,
				       struct err *err);
/* The port of the last http_server_listen. */
uint16_t http_server_port(const struct http_server *s);
/*
 * Stop accepting, close idle connections, answer what is open with Connection: close, then call
 * done(arg) once, on the loop: when no connection is left, or after wait_us, when the rest has been
 * cut off. Streams do not end by themselves: whoever feeds them ends them. Not twice.
 */
void http_server_drain(struct http_server *s, int64_t wait_us, loop_fn done, void *arg);
/* All connections are cut off. Exchanges not replied to yet must not be used any more. */
void http_server_free(struct http_server **s);

/* Which of the times above ended a connection; HEAD and BODY were answered 408 if that could be. */
enum http_timeout {
	HTTP_TIMEOUT_HEAD,
	HTTP_TIMEOUT_BODY,
	HTTP_TIMEOUT_IDLE,
	HTTP_TIMEOUT_LINGER,
	HTTP_TIMEOUT_WRITE,
	HTTP_TIMEOUTS
};
struct http_server_stats {
	uint64_t accepted;     /* connections, since the start */
	uint64_t refused;      /* connections over conns_per_ip */
	uint64_t requests;     /* complete heads */
	uint64_t bad_requests; /* refused by the server itself */
	uint64_t crowded;      /* connections cut because of stuck_max */
	uint64_t timeouts[HTTP_TIMEOUTS];
	uint64_t bytes_in;
	uint64_t bytes_out;
	uint32_t open;	  /* connections now */
	uint32_t waiting; /* exchanges that owe a reply now, streams included */
};
struct http_server_stats http_server_stats(const struct http_server *s);

/* A header of a reply. Control bytes in value are sent as spaces. */
struct http_header {
	struct slice name;
	struct slice value;
};
#define HTTP_REPLY_HEADERS_MAX 32 /* of one reply */

/*
 * Answer x, which is gone afterwards. Copies all it is given. The server adds Date, X-Request-Id,
 * Content-Length and Connection; the caller must not. HEAD sends the length of body but no body;
 * 204 and 304 neither. status is 200..599.
 */
void http_reply(struct http_exchange *x, int status, const struct http_header *headers, size_t n,
		struct slice body);
/* The same with application/json as the only header: the short way for hot paths. */
void http_reply_json(struct http_exchange *x, int status, struct slice body);
/* The same without copying: body is shared by counting (for files of the dashboard). */
void http_reply_chunk(struct http_exchange *x, int status, const struct http_header *headers,
		      size_t n, struct chunk *body);

/*
 * Turn the connection of x into raw bytes: after this head the server frames nothing. With 101 the
 * peer may send (http_stream_on_data); with 200 (SSE) what it sends is dropped and the end of the
 * connection ends the body: without chunk frames a chunk is the same for all subscribers and can be
 * shared, and a live stream has no other end anyway. Requests pipelined behind x are dropped.
 *
 * The stream is x: request, arena and user stay valid until on_close has returned. Never NULL; on a
 * connection that is gone on_close follows at the end of the turn.
 */
struct http_stream *http_stream_begin(struct http_exchange *x, int status,
				      const struct http_header *headers, size_t n);
struct http_exchange *http_stream_exchange(struct http_stream *st);

/*
 * Inbound bytes, borrowed for the call; also those that came with the request, later in the turn.
 */
typedef void (*http_stream_data_fn)(void *arg, struct http_stream *st, struct slice bytes);
/* Called once for each stream, never from inside a call of this header. st is gone afterwards. */
typedef void (*http_stream_close_fn)(void *arg, struct http_stream *st);
void http_stream_on_data(struct http_stream *st, http_stream_data_fn fn, void *arg);
void http_stream_on_close(struct http_stream *st, http_stream_close_fn fn, void *arg);

/*
 * Queue c, holding it once more. False, and nothing queued, when the stream is ending or more than
 * stream_max bytes would wait: a slow reader, to be dropped. Leaves at the end of the turn.
 */
NODISCARD bool http_stream_write(struct http_stream *st, struct chunk *c);
/* Bytes queued and not yet taken by the kernel. */
size_t http_stream_queued(const struct http_stream *st);
/*
 * Call fn(arg) once, as soon as at most bytes wait, never from inside a call of this header; not at
 * all when the stream ends before. A later call takes the place of an earlier one.
 */
typedef void (*http_stream_room_fn)(void *arg, struct http_stream *st);
void http_stream_on_room(struct http_stream *st, size_t bytes, http_stream_room_fn fn, void *arg);
/* Close when the queue has left (write_us and rate_min apply). No more on_data. */
void http_stream_end(struct http_stream *st);
/* Close now, what is queued is dropped. No more on_data. */
void http_stream_abort(struct http_stream *st);

#endif

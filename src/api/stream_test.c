/* SPDX-License-Identifier: Apache-2.0 */
/* Live streams over real sockets: whoever says how far it came misses nothing and hears nothing
 * twice. */
#include <poll.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "api/server_test.h"
#include "base/clock.h"

struct frame {
	char id[64];
	char event[64];
	char data[8192];
};

static void must(const char *reply, const char *status)
{
	if (strncmp(reply, status, 3) != 0) {
		fail_msg("%s, not %s", reply, status);
	}
}

/* An event whose payload has this number; its rule (if any) fires each time. */
static void put(struct visitor *s, const char *type, unsigned n)
{
	char body[256];

	snprintf(body, sizeof(body), "{\"type\":\"%s\",\"payload\":{\"n\":%u}}", type, n);
	must(server_ask(&s->c, "POST", "/api/v1/events", s->key, body), "201");
}

static void put_rule(struct visitor *s, const char *type)
{
	char body[512];

	snprintf(body, sizeof(body),
		 "{\"name\":\"r\",\"eventType\":\"%s\",\"condition\":\"count_gte\",\"threshold\":1,"
		 "\"windowSeconds\":10,\"cooldownSeconds\":0,"
		 "\"actions\":[{\"channel\":\"in_app\",\"config\":{}}]}",
		 type);
	must(server_ask(&s->c, "POST", "/api/v1/rules", s->key, body), "201");
}

/* One line of the stream. */
static const char *line(struct client *c, char *out, size_t max)
{
	size_t n = 0;

	do {
		assert_true(n + 1 < max);
		out[n] = client_raw(c, 1)[0];
	} while (out[n++] != '\n');
	out[n - 1] = '\0';
	return out;
}

/* The next frame; pings are passed over. */
static void next(struct client *c, struct frame *out)
{
	static char text[65536];

	*out = (struct frame) { 0 };
	while (line(c, text, sizeof(text))[0] != '\0' || out->event[0] == '\0') {
		if (strncmp(text, "id: ", 4) == 0) {
			snprintf(out->id, sizeof(out->id), "%.63s", text + 4);
		} else if (strncmp(text, "event: ", 7) == 0) {
			snprintf(out->event, sizeof(out->event), "%.63s", text + 7);
		} else if (strncmp(text, "data: ", 6) == 0) {
			snprintf(out->data, sizeof(out->data), "%.8000s", text + 6);
		}
	}
}

static struct client follow(struct visitor *s, const char *key, const char *last_id)
{
	struct client c = client_open(s->f);
	char more[128] = "", text[4096];
	struct frame frame;

	if (last_id != NULL) {
		snprintf(more, sizeof(more), "Last-Event-ID: %s\r\n", last_id);
	}
	server_say(&c, "GET", "/api/v1/stream", key, more, "");
	must(line(&c, text, sizeof(text)) + strlen("HTTP/1.1 "), "200");
	while (strcmp(line(&c, text, sizeof(text)), "\r") != 0) {
	}
	next(&c, &frame);
	T_STR(frame.event, "connected");
	return c;
}

TEST(an_event_and_what_follows_from_it_arrive)
{
	struct visitor s;
	struct client c;
	struct frame frame;

	visitor_init(&s, NULL);
	put_rule(&s, "a");
	c = follow(&s, s.key, NULL);
	put(&s, "a", 1);
	next(&c, &frame);
	T_STR(frame.event, "event");
	T_TRUE(strstr(frame.data, "\"type\":\"a\"") != NULL);
	next(&c, &frame);
	T_STR(frame.event, "alert");
	next(&c, &frame);
	T_STR(frame.event, "notification");
	T_TRUE(strstr(frame.data, "\"channel\":\"in_app\"") != NULL);
	client_close(&c);
	visitor_release(&s);
}

/* The alert of the very first event after "connected", for each of many clients: none is early. */
TEST(connected_means_that_nothing_more_is_missed)
{
	struct visitor s;

	visitor_init(&s, NULL);
	put_rule(&s, "a");
	for (unsigned i = 0; i < 40; i++) {
		struct client c = follow(&s, s.key, NULL);
		struct frame frame;

		put(&s, "a", i);
		for (unsigned k = 0; k < 3; k++) {
			next(&c, &frame);
		}
		client_close(&c);
	}
	visitor_release(&s);
}

static unsigned number_of(const struct frame *frame)
{
	return (unsigned)strtoul(server_member(frame->data, "n"), NULL, 10);
}

/*
 * A reader that is cut off after every few frames and comes back with its last id, while events go
 * on: each event and each alert exactly once, in order.
 */
TEST(a_stream_that_is_resumed_has_no_gap_and_no_double)
{
	struct visitor s;
	struct client c;
	struct frame frame;
	char last[64];
	unsigned put_n = 0, events = 0, alerts = 0;

	visitor_init(&s, NULL);
	put_rule(&s, "a");
	c = follow(&s, s.key, NULL);
	put(&s, "a", put_n++);
	next(&c, &frame);
	T_STR(frame.event, "event");
	events++;
	snprintf(last, sizeof(last), "%s", frame.id);
	for (unsigned round = 0; round < 60; round++) {
		client_close(&c);
		for (unsigned i = 0; i < round % 4; i++) {
			put(&s, "a", put_n++);
		}
		c = follow(&s, s.key, last);
		put(&s, "a", put_n++);
		for (unsigned i = 0; i < 1 + round % 5 && events + alerts * 2 < put_n * 3; i++) {
			next(&c, &frame);
			T_TRUE(frame.id[0] != '\0');
			snprintf(last, sizeof(last), "%s", frame.id);
			if (strcmp(frame.event, "event") == 0) {
				T_INT(number_of(&frame), events);
				events++;
			} else if (strcmp(frame.event, "alert") == 0) {
				alerts++;
			}
		}
	}
	/* And then all that is still to come. */
	while (events < put_n || alerts < put_n) {
		next(&c, &frame);
		if (strcmp(frame.event, "event") == 0) {
			T_INT(number_of(&frame), events);
			events++;
		} else if (strcmp(frame.event, "alert") == 0) {
			alerts++;
		}
	}
	T_INT(events, put_n);
	T_INT(alerts, put_n);
	client_close(&c);
	visitor_release(&s);
}

static void expect_resync(struct visitor *s, const char *key, const char *id)
{
	struct client c = follow(s, key, id);
	struct frame frame;

	next(&c, &frame);
	T_STR(frame.event, "resync");
	client_close(&c);
}

TEST(an_id_that_is_not_ours_starts_anew)
{
	struct visitor s;
	struct client c;
	struct frame frame;
	const char *other;

	visitor_init(&s, NULL);
	other = server_key(s.f, "other", ~0u);
	c = follow(&s, s.key, NULL);
	put(&s, "a", 1);
	next(&c, &frame);
	expect_resync(&s, s.key, "nonsense");
	expect_resync(&s, s.key, "0123456789ABCDEFGHJKMNPQRS");
	expect_resync(&s, other, frame.id);
	client_close(&c);
	/* After it, the stream goes on as any. */
	c = follow(&s, s.key, "nonsense");
	next(&c, &frame);
	put(&s, "a", 2);
	next(&c, &frame);
	T_STR(frame.event, "event");
	client_close(&c);
	visitor_release(&s);
}

/* More than a stream is for: the client reads the list instead. */
TEST(too_much_missed_starts_anew)
{
	struct visitor s;
	struct client c;
	struct frame frame;
	struct buf body;

	visitor_init(&s, NULL);
	c = follow(&s, s.key, NULL);
	put(&s, "a", 1);
	next(&c, &frame);
	client_close(&c);
	buf_init(&body, (size_t)1 << 20);
	for (unsigned i = 0; i < 10000; i++) {
		buf_puts(&body, S("{\"type\":\"a\"}\n"));
	}
	buf_putc(&body, '\0');
	server_say(&s.c, "POST", "/api/v1/events", s.key, "Content-Type: application/x-ndjson\r\n",
		   body.p);
	must(client_reply(&s.c), "200");
	expect_resync(&s, s.key, frame.id);
	buf_release(&body);
	visitor_release(&s);
}

static void open_socket(struct client *c, const char *path)
{
	char text[4096];

	server_say(c, "GET", path, NULL,
		   "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
		   "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n",
		   "");
	must(line(c, text, sizeof(text)) + strlen("HTTP/1.1 "), "101");
	while (strcmp(line(c, text, sizeof(text)), "\r") != 0) {
	}
}

/* A whole text or close frame of the server: its first byte and its body. */
static unsigned socket_frame(struct client *c, char *out, size_t max)
{
	unsigned char head = (unsigned char)client_raw(c, 1)[0];
	size_t n = (unsigned char)client_raw(c, 1)[0];

	if (n == 126) {
		const char *p = client_raw(c, 2);

		n = (size_t)((unsigned char)p[0] << 8 | (unsigned char)p[1]);
	}
	assert_true(n < max);
	memcpy(out, client_raw(c, n), n);
	out[n] = '\0';
	return head;
}

/* A reader's word ends nothing but its own stream. */
TEST(what_a_socket_sends_is_checked)
{
	struct visitor s;
	struct client bad, good;
	char path[256], text[8192];

	visitor_init(&s, NULL);
	snprintf(path, sizeof(path), "/ws?token=%s", s.key);
	bad = client_open(s.f);
	good = client_open(s.f);
	open_socket(&bad, path);
	open_socket(&good, path);
	(void)socket_frame(&bad, text, sizeof(text));
	(void)socket_frame(&good, text, sizeof(text));
	/* A frame without a mask: RFC 6455 section 5.1. */
	client_send(&bad, S("\x81\x02hi"));
	T_INT(socket_frame(&bad, text, sizeof(text)), 0x88);
	T_INT((unsigned char)text[0] << 8 | (unsigned char)text[1], 1002);
	(void)client_rest(&bad);
	/* A close in good order is answered with the same code. */
	put(&s, "a", 1);
	T_INT(socket_frame(&good, text, sizeof(text)), 0x81);
	client_send(&good, S("\x88\x82\x00\x00\x00\x00\x03\xe8"));
	T_INT(socket_frame(&good, text, sizeof(text)), 0x88);
	T_INT((unsigned char)text[0] << 8 | (unsigned char)text[1], 1000);
	(void)client_rest(&good);
	client_close(&bad);
	client_close(&good);
	visitor_release(&s);
}

TEST(an_org_hears_nothing_of_another)
{
	struct visitor s;
	struct client mine, theirs;
	struct frame frame;
	const char *other, *own;

	visitor_init(&s, NULL);
	own = s.key;
	other = server_key(s.f, "other", ~0u);
	put_rule(&s, "a");
	mine = follow(&s, s.key, NULL);
	theirs = follow(&s, other, NULL);
	put(&s, "a", 1);
	s.key = other;
	put(&s, "b", 2);
	next(&theirs, &frame);
	T_TRUE(strstr(frame.data, "\"type\":\"b\"") != NULL);
	s.key = own;
	for (unsigned i = 0; i < 3; i++) {
		next(&mine, &frame);
		T_TRUE(strstr(frame.data, "\"type\":\"b\"") == NULL);
	}
	client_close(&mine);
	client_close(&theirs);
	visitor_release(&s);
}

TEST(large_events_do_not_drop_a_reader_that_keeps_up)
{
	struct visitor s;
	struct client c;
	struct frame frame;
	struct buf body;

	visitor_init(&s, NULL);
	c = follow(&s, s.key, NULL);
	buf_init(&body, (size_t)4 << 20);
	buf_putc(&body, '[');
	for (unsigned i = 0; i < 40; i++) {
		buf_printf(&body, "%s{\"type\":\"a\",\"payload\":{\"n\":%u,\"s\":[0",
			   i > 0 ? "," : "", i);
		for (unsigned k = 0; k < 20000; k++) {
			buf_puts(&body, S(",1"));
		}
		buf_puts(&body, S("]}}"));
	}
	buf_puts(&body, S("]"));
	buf_putc(&body, '\0');
	must(server_ask(&s.c, "POST", "/api/v1/events", s.key, body.p), "200");
	for (unsigned i = 0; i < 40; i++) {
		next(&c, &frame);
		T_INT(number_of(&frame), i);
	}
	T_INT(metric_get(server_api(s.f)->metrics, METRIC_LIVE_DROPPED), 0);
	buf_release(&body);
	client_close(&c);
	visitor_release(&s);
}

TEST(a_reader_that_does_not_read_is_dropped)
{
	struct visitor s;
	struct client c;
	char head[4096];

	visitor_init(&s, NULL);
	c = client_open_slow(s.f);
	server_say(&c, "GET", "/api/v1/stream", s.key, "", "");
	must(line(&c, head, sizeof(head)) + strlen("HTTP/1.1 "), "200");
	for (unsigned n = 0; metric_get(server_api(s.f)->metrics, METRIC_LIVE_DROPPED) == 0; n++) {
		char body[9000];

		assert_true(n < 3000);
		snprintf(body, sizeof(body), "{\"type\":\"a\",\"payload\":{\"s\":\"%08000u\"}}", n);
		must(server_ask(&s.c, "POST", "/api/v1/events", s.key, body), "201");
	}
	T_INT(metric_get(server_api(s.f)->metrics, METRIC_LIVE_DROPPED), 1);
	client_close(&c);
	visitor_release(&s);
}

TEST(a_revoked_key_loses_its_streams)
{
	struct visitor s;
	struct client c, other;
	char key[128], path[128];
	const char *reply;
	struct frame frame;

	visitor_init(&s, NULL);
	reply = server_ask(&s.c, "POST", "/api/v1/keys", s.key, "{\"name\":\"n\"}");
	snprintf(key, sizeof(key), "%s", server_member(reply, "key"));
	snprintf(path, sizeof(path), "/api/v1/keys/%s", server_member(reply, "id"));
	c = follow(&s, key, NULL);
	other = follow(&s, s.key, NULL);
	must(server_ask(&s.c, "DELETE", path, s.key, ""), "204");
	(void)client_rest(&c);
	T_TRUE(c.eof);
	put(&s, "a", 1);
	next(&other, &frame);
	T_STR(frame.event, "event");
	client_close(&c);
	client_close(&other);
	visitor_release(&s);
}

TEST(two_hundred_readers_hear_the_same)
{
	static struct client c[200];
	struct visitor s;
	struct frame frame;

	visitor_init(&s, NULL);
	for (size_t i = 0; i < ARRAY_LEN(c); i++) {
		c[i] = follow(&s, s.key, NULL);
	}
	T_INT(metric_get(server_api(s.f)->metrics, METRIC_LIVE_CLIENTS), 200);
	for (unsigned n = 0; n < 20; n++) {
		put(&s, "a", n);
	}
	for (size_t i = 0; i < ARRAY_LEN(c); i++) {
		for (unsigned n = 0; n < 20; n++) {
			next(&c[i], &frame);
			T_INT(number_of(&frame), n);
		}
	}
	T_INT(metric_get(server_api(s.f)->metrics, METRIC_LIVE_FRAMES), 4000);
	/* A stop ends them all. */
	client_close(&s.c);
	server_restart(s.f);
	for (size_t i = 0; i < ARRAY_LEN(c); i++) {
		(void)client_rest(&c[i]);
		client_close(&c[i]);
	}
	s.c = client_open(s.f);
	visitor_release(&s);
}

TEST(a_socket_opens_with_a_ticket_once)
{
	struct visitor s;
	struct client c, again;
	char path[256], text[8192];

	visitor_init(&s, NULL);
	snprintf(path, sizeof(path), "/ws?ticket=%s",
		 server_member(server_ask(&s.c, "POST", "/api/v1/stream/tickets", s.key, ""),
			       "ticket"));
	c = client_open(s.f);
	open_socket(&c, path);
	T_INT(socket_frame(&c, text, sizeof(text)), 0x81);
	T_TRUE(strstr(text, "\"type\":\"connected\"") != NULL);
	put(&s, "a", 5);
	T_INT(socket_frame(&c, text, sizeof(text)), 0x81);
	T_TRUE(strstr(text, "\"type\":\"event:new\"") != NULL);
	again = client_open(s.f);
	open_socket(&again, path);
	T_INT(socket_frame(&again, text, sizeof(text)), 0x81);
	T_TRUE(strstr(text, "\"type\":\"error\"") != NULL);
	T_INT(socket_frame(&again, text, sizeof(text)), 0x88);
	T_INT((unsigned char)text[0] << 8 | (unsigned char)text[1], 4401);
	(void)client_rest(&again);
	client_close(&again);
	client_close(&c);
	must(server_ask(&s.c, "GET", "/ws", s.key, ""), "426");
	visitor_release(&s);
}

TEST(a_stream_needs_a_key_that_may_read)
{
	struct visitor s;

	visitor_init(&s, NULL);
	must(server_ask(&s.c, "GET", "/api/v1/stream", NULL, ""), "401");
	must(server_ask(&s.c, "GET", "/api/v1/stream?ticket=tkt_0", NULL, ""), "401");
	must(server_ask(&s.c, "GET", "/api/v1/stream", server_key(s.f, "acme", SCOPE_EVENTS_WRITE),
			""),
	     "403");
	visitor_release(&s);
}

T_MAIN(T(an_event_and_what_follows_from_it_arrive), T(connected_means_that_nothing_more_is_missed),
       T(a_stream_that_is_resumed_has_no_gap_and_no_double), T(an_id_that_is_not_ours_starts_anew),
       T(too_much_missed_starts_anew), T(what_a_socket_sends_is_checked),
       T(an_org_hears_nothing_of_another), T(large_events_do_not_drop_a_reader_that_keeps_up),
       T(a_reader_that_does_not_read_is_dropped), T(a_revoked_key_loses_its_streams),
       T(two_hundred_readers_hear_the_same), T(a_socket_opens_with_a_ticket_once),
       T(a_stream_needs_a_key_that_may_read))

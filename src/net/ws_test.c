/* SPDX-License-Identifier: Apache-2.0 */
/* WebSocket: every rule of RFC 6455 that a browser or an attacker can break ends as it says. */
#include "net/ws.h"

#include <stdlib.h>

#include "test/t.h"

struct peer {
	struct buf sent;
	struct buf text;
	int messages;
	int closed; /* times */
	uint16_t code;
};

static void on_send(void *arg, struct slice bytes)
{
	buf_puts(&((struct peer *)arg)->sent, bytes);
}

static void on_message(void *arg, struct slice text)
{
	struct peer *p = arg;

	p->messages++;
	buf_puts(&p->text, text);
}

static void on_closed(void *arg, uint16_t code)
{
	struct peer *p = arg;

	p->closed++;
	p->code = code;
}

static struct ws *open_ws(struct peer *p)
{
	static const struct ws_handlers handlers = { on_send, on_message, on_closed };

	*p = (struct peer) { 0 };
	buf_init(&p->sent, 1 << 20);
	buf_init(&p->text, 1 << 20);
	return ws_new(&handlers, p);
}

static void release(struct ws **ws, struct peer *p)
{
	ws_free(ws);
	buf_release(&p->sent);
	buf_release(&p->text);
}

/* One frame as a client sends it: masked. first holds FIN, the reserved bits and the opcode. */
static void client_frame(struct buf *out, unsigned char first, struct slice payload)
{
	static const unsigned char mask[4] = { 0x12, 0x34, 0x56, 0x78 };

	buf_putc(out, (char)first);
	if (payload.n < 126) {
		buf_putc(out, (char)(0x80 | payload.n));
	} else {
		buf_putc(out, (char)(0x80 | 126));
		buf_putc(out, (char)(payload.n >> 8));
		buf_putc(out, (char)payload.n);
	}
	buf_put(out, mask, 4);
	for (size_t i = 0; i < payload.n; i++) {
		buf_putc(out, (char)(payload.p[i] ^ (char)mask[i % 4]));
	}
}

static void feed_frame(struct ws *ws, unsigned char first, struct slice payload)
{
	struct buf b;

	buf_init(&b, 1 << 20);
	client_frame(&b, first, payload);
	ws_feed(ws, buf_slice(&b));
	buf_release(&b);
}

/* The close code inside the close frame that was sent last. */
static unsigned sent_close(const struct peer *p)
{
	for (size_t i = 0; i + 3 < p->sent.n; i++) {
		if ((unsigned char)p->sent.p[i] == 0x88) {
			return (unsigned)(unsigned char)p->sent.p[i + 2] << 8 |
			       (unsigned char)p->sent.p[i + 3];
		}
	}
	return 0;
}

TEST(the_accept_key_is_the_one_of_the_rfc)
{
	char out[WS_ACCEPT_LEN];

	T_TRUE(ws_accept_key(S("dGhlIHNhbXBsZSBub25jZQ=="), out));
	T_SLICE(((struct slice) { out, sizeof(out) }), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
	T_FALSE(ws_accept_key(S("dGhlIHNhbXBsZSBub25jZQ="), out));
	T_FALSE(ws_accept_key(S("dGhlIHNhbXBsZSBub25jZQAA"), out));
	T_FALSE(ws_accept_key(S(""), out));
}

TEST(fragments_become_one_message_even_byte_by_byte)
{
	struct peer p;
	struct ws *ws = open_ws(&p);
	struct buf b;

	buf_init(&b, 1 << 20);
	client_frame(&b, 0x01, S("hel"));
	client_frame(&b, 0x89, S("are you there"));
	client_frame(&b, 0x80, S("lo"));
	for (size_t i = 0; i < b.n; i++) {
		ws_feed(ws, (struct slice) { b.p + i, 1 });
	}
	T_INT(p.messages, 1);
	T_SLICE(buf_slice(&p.text), "hello");
	T_SLICE(buf_slice(&p.sent), "\x8a\x0d"
				    "are you there");
	buf_release(&b);
	release(&ws, &p);
}

TEST(what_breaks_the_rules_closes_with_its_code)
{
	static const struct {
		unsigned char first;
		struct slice payload;
		unsigned code;
	} rows[] = {
		{ 0x81, { "\xc3\x28", 2 }, 1007 }, /* not UTF-8 */
		{ 0x82, { "bin", 3 }, 1003 },	   /* binary */
		{ 0xc1, { "x", 1 }, 1002 },	   /* a reserved bit */
		{ 0x83, { "x", 1 }, 1002 },	   /* a reserved opcode */
		{ 0x80, { "x", 1 }, 1002 },	   /* a continuation of nothing */
		{ 0x09, { "x", 1 }, 1002 },	   /* a fragmented ping */
		{ 0x88, { "\x03\xed", 2 }, 1002 }, /* a close code nobody may send */
		{ 0x88, { "\x03\xe8", 2 }, 1000 }, /* a polite end is echoed */
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct peer p;
		struct ws *ws = open_ws(&p);

		feed_frame(ws, rows[i].first, rows[i].payload);
		if (sent_close(&p) != rows[i].code) {
			fail_msg("row %zu: sent close %u", i, sent_close(&p));
		}
		T_INT(p.messages, 0);
		release(&ws, &p);
	}
}

TEST(a_message_over_the_limit_closes_with_1009)
{
	struct peer p;
	struct ws *ws = open_ws(&p);
	char *big = malloc(60000);

	memset(big, 'a', 60000);
	feed_frame(ws, 0x01, (struct slice) { big, 60000 });
	T_INT(p.closed, 0);
	feed_frame(ws, 0x80, (struct slice) { big, 60000 });
	T_INT(sent_close(&p), 1009);
	T_INT(p.messages, 0);
	free(big);
	release(&ws, &p);
}

TEST(an_unmasked_frame_ends_it)
{
	struct peer p;
	struct ws *ws = open_ws(&p);

	ws_feed(ws, S("\x81\x02hi"));
	T_INT(sent_close(&p), 1002);
	T_INT(p.closed, 1);
	T_INT(p.messages, 0);
	release(&ws, &p);
}

TEST(closing_is_told_once_and_then_all_is_silent)
{
	struct peer p;
	struct ws *ws = open_ws(&p);

	ws_close(ws, 1001, S("bye"));
	T_INT(sent_close(&p), 1001);
	T_INT(p.closed, 0);
	feed_frame(ws, 0x88, S("\x03\xe9"));
	T_INT(p.closed, 1);
	T_INT(p.code, 1001);
	feed_frame(ws, 0x81, S("late"));
	T_INT(p.messages, 0);
	T_INT(p.closed, 1);
	release(&ws, &p);
}

TEST(a_peer_that_answers_no_ping_is_noticed)
{
	struct peer p;
	struct ws *ws = open_ws(&p);

	T_TRUE(ws_ping(ws));
	T_FALSE(ws_ping(ws));
	feed_frame(ws, 0x8a, S(""));
	T_TRUE(ws_ping(ws));
	release(&ws, &p);
}

TEST(frames_for_many_have_the_shortest_length)
{
	struct buf b;
	char *big = calloc(1, 70000);

	buf_init(&b, 1 << 20);
	ws_text_frame(&b, S("hi"));
	T_SLICE(buf_slice(&b), "\x81\x02hi");
	buf_cut(&b, 0);
	ws_text_frame(&b, (struct slice) { big, 126 });
	T_INT(b.n, 126 + 4);
	buf_cut(&b, 0);
	ws_text_frame(&b, (struct slice) { big, 70000 });
	T_INT(b.n, 70000 + 10);
	T_INT((unsigned char)b.p[7], 0x01);
	T_INT((unsigned char)b.p[8], 0x11);
	T_INT((unsigned char)b.p[9], 0x70);
	free(big);
	buf_release(&b);
}

T_MAIN(T(the_accept_key_is_the_one_of_the_rfc), T(fragments_become_one_message_even_byte_by_byte),
       T(what_breaks_the_rules_closes_with_its_code), T(a_message_over_the_limit_closes_with_1009),
       T(an_unmasked_frame_ends_it), T(closing_is_told_once_and_then_all_is_silent),
       T(a_peer_that_answers_no_ping_is_noticed), T(frames_for_many_have_the_shortest_length))

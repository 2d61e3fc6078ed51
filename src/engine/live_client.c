/* SPDX-License-Identifier: Apache-2.0 */
/* One subscriber: its stream, the WebSocket in front of it, and what it has not been sent yet. */
#include <stdlib.h>

#include "engine/live_impl.h"

#define PENDING_BYTES_MAX ((size_t)1 << 20)

static void drop(struct live_client *client)
{
	metric_add(client->live->o.metrics, METRIC_LIVE_DROPPED, 1);
	http_stream_abort(client->stream);
}

static void keep_back(struct live_client *client, struct chunk *c)
{
	if (client->pending_n == LIVE_PENDING_MAX ||
	    client->pending_bytes + c->n > PENDING_BYTES_MAX) {
		drop(client);
		return;
	}
	client->pending[client->pending_n++] = chunk_ref(c);
	client->pending_bytes += c->n;
}

static void write_now(struct live_client *client, struct chunk *c)
{
	if (!http_stream_write(client->stream, c)) {
		drop(client);
	}
}

void live_client_send(struct live_client *client, struct chunk *c)
{
	if (client->state == CLIENT_LIVE) {
		write_now(client, c);
	} else if (client->state == CLIENT_CATCHING) {
		keep_back(client, c);
	}
}

void client_notice(struct live_client *client, const char *name, const struct live_position *at)
{
	struct live *live = client->live;
	struct id_text id = { { 0 } };
	struct chunk *c;
	struct buf out;

	buf_init(&out, (size_t)1 << 20);
	if (at != NULL) {
		id = live_id_format(&journal_meta(live->o.journal)->cipher, client->room->feed->org,
				    *at);
	}
	live_frame_notice(client->form, name, client->room->project, slice_of(id.p), &live->scratch,
			  &out);
	c = chunk_copy(buf_slice(&out));
	write_now(client, c);
	chunk_unref(&c);
	buf_release(&out);
}

void client_go_live(struct live_client *client)
{
	client->state = CLIENT_LIVE;
	for (size_t i = 0; i < client->pending_n; i++) {
		write_now(client, client->pending[i]);
		chunk_unref(&client->pending[i]);
	}
	client->pending_n = client->pending_bytes = 0;
}

void client_ping(struct live_client *client)
{
	struct chunk *c;

	if (client->ws != NULL) {
		if (!ws_ping(client->ws)) {
			drop(client);
		}
		return;
	}
	c = chunk_copy(S(": ping\n\n"));
	write_now(client, c);
	chunk_unref(&c);
}

void client_end(struct live_client *client, uint16_t code, struct slice reason)
{
	if (client->ws != NULL) {
		ws_close(client->ws, code, reason);
	}
	http_stream_end(client->stream);
}

void client_free(struct live_client *client)
{
	for (size_t i = 0; i < client->pending_n; i++) {
		chunk_unref(&client->pending[i]);
	}
	ws_free(&client->ws);
	free(client);
}

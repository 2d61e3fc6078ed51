/* SPDX-License-Identifier: Apache-2.0 */
/*
 * PulseBoard's live events, over a WebSocket or as a stream: {type: "connected", projectId}, then
 * the events as they are. They come from the hub that all streams come from, so any number of
 * people may watch a project, and whoever was cut goes on behind the last id.
 */
#include "api/api.h"
#include "api/route.h"
#include "api/stream.h"

/* A key opens its own project, a person those of the organization. Loop thread. */
static bool is_open_to(const struct call *c, struct project_id project)
{
	const struct project_info *info;

	if (c->caller.key.v != 0 || project.v == c->caller.project.v) {
		return project.v == c->caller.project.v;
	}
	info = project_set_get(c->api->projects, project);
	return info != NULL && info->org.v == c->caller.org.v;
}

static bool may_watch(struct call *c, struct err *err)
{
	struct project_id project;

	if (!id_parse(ID_PROJECT, c->params[0], &project.v) || !is_open_to(c, project)) {
		return err_set(err, ERR_NOT_FOUND, "there is no such project");
	}
	c->caller.project = project;
	return true;
}

static void get_socket(struct call *c)
{
	static const struct stream_kind kind = {
		.form = LIVE_PULSEBOARD,
		.refusal = "{\"success\":false,\"message\":\"a key, a token or a fresh ticket is "
			   "needed, and a project of yours\"}",
		.may = may_watch,
	};

	stream_socket(c, &kind);
}

static void get_stream(struct call *c)
{
	static const struct stream_kind kind = { .form = LIVE_PULSEBOARD_SSE, .may = may_watch };

	stream_sse(c, &kind);
}

static const struct route rows[] = {
	{
		.method = HTTP_GET,
		.path = "/realtime/:projectId",
		.name = "pulseboardOpenSocket",
		.older = "PulseBoard",
		.summary = "Live events over WebSocket",
		.differs = "a ticket or a key may stand in the query, because browsers "
			   "cannot send headers with a socket; who is refused gets close code "
			   "4401 besides; Socket.IO, which came later, is not spoken",
		.who = WHO_OWN,
		.scope = SCOPE_EVENTS_READ,
		.role = ROLE_VIEWER,
		.params = { ROUTE_ID(ID_PROJECT) },
		.query = { &stream_query },
		.replies = { { .status = 101, .help = "WebSocket from here on." } },
		.errors = { ERR_UPGRADE, ERR_MALFORMED, ERR_OVERLOADED },
		.loop = get_socket,
	},
	{
		.method = HTTP_GET,
		.path = "/realtime/:projectId/sse",
		.name = "pulseboardOpenStream",
		.older = "PulseBoard",
		.summary = "Live events (SSE)",
		.differs = "frames have an id to go on behind, and what was missed for too "
			   "long is a frame of type resync; other origins are not let in "
			   "without the server's leave",
		.who = WHO_OWN,
		.scope = SCOPE_EVENTS_READ,
		.role = ROLE_VIEWER,
		.params = { ROUTE_ID(ID_PROJECT) },
		.query = { &stream_query },
		.replies = { { .status = 200,
			       .help = "Frames until one side ends it.",
			       .type = "text/event-stream" } },
		.errors = { ERR_OVERLOADED },
		.loop = get_stream,
	},
};
const struct route_set routes_pulseboard_live = { rows, ARRAY_LEN(rows) };

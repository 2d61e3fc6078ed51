/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Documented calls whose feature is not there yet. They answer 501 and say what they wait for, so
 * that nobody takes them for unknown; a feature that comes takes its rows out of here.
 */
#include "api/route.h"

#define LOOK "a way without the token in the URL: POST /api/v1/invites/lookup has one"
#define ANALYTICS "numbers of crashes, sessions and screens"
#define INSIGHTS "insights by a language model"
#define SOURCES "sources: webhooks of other systems"
#define CHAT "Slack as a channel"
#define GROUPS "alert groups: acknowledge, snooze, resolve"
#define ROUTING "routes: what goes where"

#define LATER(older_, method_, path_, name_, summary_, what_, ...) \
	{ \
		.older = (older_), .method = HTTP_##method_, .path = (path_), .name = (name_), \
		.summary = (summary_), .who = WHO_PUBLIC, .later = (what_), .params = { \
			__VA_ARGS__ \
		} \
	}
#define PULSEBOARD(...) LATER("PulseBoard", __VA_ARGS__)
#define SIGNALCRAFT(...) LATER("SignalCraft", __VA_ARGS__)
#define A_PROJECT ROUTE_TEXT("A project.")
#define A_INSIGHT ROUTE_TEXT("An insight.")
#define A_SOURCE ROUTE_TEXT("Its name, such as prometheus, or that of a webhook of one's own.")
#define A_GROUP ROUTE_TEXT("An alert group.")
#define A_ROUTE ROUTE_TEXT("A routing rule.")
#define A_TOKEN ROUTE_TEXT("The token of an invite.")

static const struct route rows[] = {
	PULSEBOARD(GET, "/projects/:id/analytics", "pulseboardGetAnalytics",
		   "Crashes, calls and screens in numbers", ANALYTICS, A_PROJECT),
	PULSEBOARD(GET, "/projects/:id/insights", "pulseboardListInsights", "List insights",
		   INSIGHTS, A_PROJECT),
	PULSEBOARD(POST, "/projects/:id/insights/trigger", "pulseboardTriggerInsights",
		   "Have insights made", INSIGHTS, A_PROJECT),
	PULSEBOARD(PATCH, "/projects/:id/insights/:iid/read", "pulseboardReadInsight",
		   "Mark an insight as read", INSIGHTS, A_PROJECT, A_INSIGHT),
	PULSEBOARD(GET, "/projects/:id/ai-config", "pulseboardGetAiConfig", "How insights are made",
		   INSIGHTS, A_PROJECT),
	PULSEBOARD(POST, "/projects/:id/ai-config", "pulseboardSetAiConfig",
		   "Set how insights are made", INSIGHTS, A_PROJECT),
	PULSEBOARD(DELETE, "/projects/:id/ai-config", "pulseboardDeleteAiConfig",
		   "Make no more insights", INSIGHTS, A_PROJECT),
	SIGNALCRAFT(POST, "/webhooks/sentry", "signalcraftSentry", "Take an issue from Sentry",
		    SOURCES, { 0 }),
	SIGNALCRAFT(POST, "/webhooks/datadog", "signalcraftDatadog", "Take an alert from Datadog",
		    SOURCES, { 0 }),
	SIGNALCRAFT(POST, "/webhooks/slack/actions", "signalcraftSlackAction",
		    "A button pressed in Slack", CHAT, { 0 }),
	SIGNALCRAFT(POST, "/api/v1/webhooks/:source", "signalcraftWebhook",
		    "Take alerts from another system", SOURCES, A_SOURCE),
	SIGNALCRAFT(GET, "/api/alert-groups", "signalcraftListGroups", "List alert groups", GROUPS,
		    { 0 }),
	SIGNALCRAFT(GET, "/api/alert-groups/filter-options", "signalcraftGetFilterOptions",
		    "What groups can be filtered by", GROUPS, { 0 }),
	SIGNALCRAFT(GET, "/api/alert-groups/hygiene/stats", "signalcraftGetHygiene",
		    "How many groups are stale", GROUPS, { 0 }),
	SIGNALCRAFT(POST, "/api/alert-groups/hygiene/auto-close", "signalcraftAutoClose",
		    "Close stale groups", GROUPS, { 0 }),
	SIGNALCRAFT(POST, "/api/alert-groups/hygiene/process-expired-snoozes",
		    "signalcraftWakeGroups", "Reopen groups whose snooze is over", GROUPS, { 0 }),
	SIGNALCRAFT(GET, "/api/alerts", "signalcraftListAlerts",
		    "List alert groups, by its other name", GROUPS, { 0 }),
	SIGNALCRAFT(GET, "/api/alert-groups/:id", "signalcraftGetGroup", "Get one alert group",
		    GROUPS, A_GROUP),
	SIGNALCRAFT(GET, "/api/alert-groups/:id/events", "signalcraftListGroupEvents",
		    "List the events of a group", GROUPS, A_GROUP),
	SIGNALCRAFT(GET, "/api/alert-groups/:id/breadcrumbs", "signalcraftListBreadcrumbs",
		    "What led to a group", GROUPS, A_GROUP),
	SIGNALCRAFT(GET, "/api/alert-groups/:id/related", "signalcraftListRelated",
		    "List groups like this one", GROUPS, A_GROUP),
	SIGNALCRAFT(PATCH, "/api/alert-groups/:id", "signalcraftChangeGroup",
		    "Assign a group, or set its runbook", GROUPS, A_GROUP),
	SIGNALCRAFT(POST, "/api/alert-groups/:id/acknowledge", "signalcraftAcknowledge",
		    "Acknowledge a group", GROUPS, A_GROUP),
	SIGNALCRAFT(POST, "/api/alert-groups/:id/ack", "signalcraftAck",
		    "Acknowledge a group, by its other name", GROUPS, A_GROUP),
	SIGNALCRAFT(POST, "/api/alert-groups/:id/snooze", "signalcraftSnooze", "Snooze a group",
		    GROUPS, A_GROUP),
	SIGNALCRAFT(POST, "/api/alert-groups/:id/unsnooze", "signalcraftUnsnooze",
		    "End the snooze of a group", GROUPS, A_GROUP),
	SIGNALCRAFT(POST, "/api/alert-groups/:id/resolve", "signalcraftResolve", "Resolve a group",
		    GROUPS, A_GROUP),
	SIGNALCRAFT(GET, "/api/routing-rules", "signalcraftListRoutes", "List routes", ROUTING,
		    { 0 }),
	SIGNALCRAFT(POST, "/api/routing-rules", "signalcraftCreateRoute", "Create a routing rule",
		    ROUTING, { 0 }),
	SIGNALCRAFT(POST, "/api/routing-rules/reorder", "signalcraftReorderRoutes",
		    "Put routing rules in order", ROUTING, { 0 }),
	SIGNALCRAFT(POST, "/api/routing-rules/test", "signalcraftTestRoute",
		    "Try a routing rule on an alert", ROUTING, { 0 }),
	SIGNALCRAFT(GET, "/api/routing-rules/:id", "signalcraftGetRoute", "Get one routing rule",
		    ROUTING, A_ROUTE),
	SIGNALCRAFT(PUT, "/api/routing-rules/:id", "signalcraftReplaceRoute",
		    "Replace a routing rule", ROUTING, A_ROUTE),
	SIGNALCRAFT(DELETE, "/api/routing-rules/:id", "signalcraftDeleteRoute",
		    "Delete a routing rule", ROUTING, A_ROUTE),
	SIGNALCRAFT(POST, "/api/routing-rules/:id/enable", "signalcraftEnableRoute",
		    "Enable a routing rule", ROUTING, A_ROUTE),
	SIGNALCRAFT(POST, "/api/routing-rules/:id/disable", "signalcraftDisableRoute",
		    "Disable a routing rule", ROUTING, A_ROUTE),
	SIGNALCRAFT(GET, "/api/integrations/slack/connect", "signalcraftConnectSlack",
		    "Connect Slack", CHAT, { 0 }),
	SIGNALCRAFT(POST, "/api/integrations/slack/connect", "signalcraftStartSlack",
		    "Connect Slack, by its other method", CHAT, { 0 }),
	SIGNALCRAFT(GET, "/api/integrations/slack/callback", "signalcraftSlackCallback",
		    "Where Slack comes back to", CHAT, { 0 }),
	SIGNALCRAFT(GET, "/api/integrations/slack/status", "signalcraftGetSlack",
		    "Whether Slack is connected", CHAT, { 0 }),
	SIGNALCRAFT(GET, "/api/integrations/slack/channels", "signalcraftListSlackChannels",
		    "List Slack's channels", CHAT, { 0 }),
	SIGNALCRAFT(POST, "/api/integrations/slack/default-channel", "signalcraftSetSlackChannel",
		    "Set the channel for what has none", CHAT, { 0 }),
	SIGNALCRAFT(POST, "/api/integrations/slack/test", "signalcraftTestSlack",
		    "Send a test to Slack", CHAT, { 0 }),
	SIGNALCRAFT(POST, "/api/integrations/slack/disconnect", "signalcraftDisconnectSlack",
		    "Disconnect Slack", CHAT, { 0 }),
	SIGNALCRAFT(DELETE, "/api/integrations/slack/disconnect", "signalcraftDropSlack",
		    "Disconnect Slack, by its other method", CHAT, { 0 }),
	SIGNALCRAFT(POST, "/api/integrations/sentry/test-webhook", "signalcraftTestSentry",
		    "Send a test event", SOURCES, { 0 }),
	SIGNALCRAFT(GET, "/api/dashboard/overview", "signalcraftGetOverview",
		    "The last day in numbers", GROUPS, { 0 }),
	SIGNALCRAFT(GET, "/api/dashboard/alerts-trend", "signalcraftGetTrend", "Alerts by hour",
		    GROUPS, { 0 }),
	SIGNALCRAFT(GET, "/api/dashboard/analytics", "signalcraftGetAnalytics",
		    "Alerts of a day, week or month in numbers", GROUPS, { 0 }),
	SIGNALCRAFT(GET, "/settings/notifications", "signalcraftGetPreferences",
		    "Get what is told and when", ROUTING, { 0 }),
	SIGNALCRAFT(PUT, "/settings/notifications", "signalcraftSetPreferences",
		    "Change what is told and when", ROUTING, { 0 }),
	SIGNALCRAFT(GET, "/api/invitations/:id", "signalcraftGetInvite", "Look at an invite", LOOK,
		    A_TOKEN),
};
const struct route_set routes_later = { rows, ARRAY_LEN(rows) };

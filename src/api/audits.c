/* SPDX-License-Identifier: Apache-2.0 */
/* GET /api/v1/audit: who changed what in the caller's org, newest first. */
#include "api/audits.h"

#include "api/api.h"
#include "api/page.h"
#include "api/route.h"
#include "base/json_put.h"

struct audits_in {
	unsigned actor, action, target;
	struct slice actor_id, target_id;
	int64_t from_us, to_us;
};

static const char *const actor_words[] = {
	"", "system", "operator", "user", "key", "anyone", NULL
};
static_assert(ARRAY_LEN(actor_words) == AUDIT_ACTORS + 2, "every actor can be asked for");

static const struct field query_rows[] = {
	FIELD_ENUM(struct audits_in, actor, "actor", actor_words,
		   .help = "Only what such a one did."),
	FIELD_STR(struct audits_in, actor_id, "actorId", .help = "Only what this user or key did."),
	FIELD_ENUM(struct audits_in, action, "action", audit_words, .help = "Only this action."),
	FIELD_ENUM(struct audits_in, target, "target", audit_target_words,
		   .help = "Only what was done to such a thing."),
	FIELD_STR(struct audits_in, target_id, "targetId",
		  .help = "Only what was done to the thing with this id."),
	FIELD_TIME(struct audits_in, from_us, "from", .help = "At this time or later."),
	FIELD_TIME(struct audits_in, to_us, "to", .help = "Before this time."),
};
const struct field_set audits_query = { query_rows, ARRAY_LEN(query_rows) };

bool audits_filter(struct call *c, struct audit_filter *out, struct err *err)
{
	struct audits_in in = { 0 };

	if (!call_query_fields(c, query_rows, ARRAY_LEN(query_rows), &in, err)) {
		return false;
	}
	*out = (struct audit_filter) { .actor = slice_of(actor_words[in.actor]),
				       .actor_id = in.actor_id,
				       .action = slice_of(audit_words[in.action]),
				       .target = slice_of(audit_target_words[in.target]),
				       .target_id = in.target_id,
				       .from_us = in.from_us,
				       .to_us = in.to_us };
	return true;
}

static bool list_audits(struct call *c, struct err *err)
{
	struct audit_filter filter;
	struct audit_list list;
	struct page page;
	struct json_w w;

	if (!audits_filter(c, &filter, err) || !page_read(c, ID_AUDIT, &page, err) ||
	    !store_audit_list(c->caller.org, c->db, &filter, &page, c->req, &list, err)) {
		return false;
	}
	w = page_begin(c);
	for (size_t i = 0; i < list.n; i++) {
		audit_write(&list.rows[i], &w);
	}
	page_end(c, ID_AUDIT, list.next, &w);
	return true;
}

static const struct prop audit_props[] = {
	PROP_ID("id", ID_AUDIT),
	PROP_ID("orgId", ID_ORG, .flags = PROP_NULL),
	PROP_INT("number", .min = 1, .help = "Counts the entries of the organization."),
	PROP_TIME("createdAt"),
	PROP_WORD("actor", audit_actor_words, .help = "Who did it."),
	PROP_STR("actorId", .flags = PROP_NULL, .help = "The user or key.",
		 .example = "\"key_7XVFGFTEDR1CR\""),
	PROP_STR("actorName", .flags = PROP_NULL, .help = "What it was called then.",
		 .example = "\"shop\""),
	PROP_WORD("action", audit_words + 1, .help = "What was done."),
	PROP_WORD("target", audit_target_words + 1, .flags = PROP_NULL,
		  .help = "To what kind of thing."),
	PROP_STR("targetId", .flags = PROP_NULL, .example = "\"rul_7XVFGFTEDR1CR\""),
	PROP_STR("targetName", .flags = PROP_NULL, .example = "\"Checkout failures\""),
	PROP_OBJECT("before", .flags = PROP_NULL, .help = "What was changed, as it was."),
	PROP_OBJECT("after", .flags = PROP_NULL, .help = "The same as it is since then."),
	PROP_STR("address", .flags = PROP_NULL, .help = "Of the client.",
		 .example = "\"192.0.2.7\""),
	PROP_STR("userAgent", .flags = PROP_NULL, .example = "\"curl/8.5.0\""),
	PROP_STR("requestId", .flags = PROP_NULL),
	PROP_STR("previousHash", .flags = PROP_NULL, .help = "Of the entry before it."),
	PROP_STR("hash", .help = "Covers all of this: doc/audit.md says how."),
	PROP_STR("actorSalt", .flags = PROP_NULL,
		 .help = "Goes when name and addresses of the actor are taken out."),
	PROP_STR("actorMark", .flags = PROP_NULL,
		 .help = "Stands for them in the hash. null: it covers them itself."),
	PROP_STR("targetSalt", .flags = PROP_NULL,
		 .help = "Goes when name, before and after of the target are taken out."),
	PROP_STR("targetMark", .flags = PROP_NULL, .help = "Likewise."),
};
const struct shape shape_audit = { .name = "AuditEntry",
				   .help = "One change, and who made it.",
				   SHAPE_PROPS(audit_props) };

static const struct route rows[] = {
	{
		.method = HTTP_GET,
		.path = "/api/v1/audit",
		.name = "listAudit",
		.tag = "Audit",
		.summary = "Who changed what, newest first",
		.who = WHO_CALLER,
		.scope = SCOPE_SETTINGS_READ,
		.role = ROLE_ADMIN,
		.query = { &audits_query, &page_query },
		.replies = { { .status = 200,
			       .help = "A page of entries.",
			       .shape = &shape_audit,
			       .page = true } },
		.work = list_audits,
	},
	{
		.method = HTTP_GET,
		.path = "/api/v1/audit/export",
		.name = "exportAudit",
		.tag = "Audit",
		.summary = "All entries, a line each (NDJSON, CSV)",
		.doc = "Oldest first, up to the newest entry there is when it begins. An answer "
		       "that is cut off has no good end: as NDJSON, no last line.",
		.who = WHO_CALLER,
		.scope = SCOPE_SETTINGS_READ,
		.role = ROLE_ADMIN,
		.query = { &audits_query, &audits_export_query },
		.replies = { { .status = 200,
			       .help = "An entry a line.",
			       .type = "application/x-ndjson",
			       .shape = &shape_audits_line },
			     { .status = 200, .help = "A table.", .type = "text/csv" } },
		.errors = { ERR_OVERLOADED },
		.loop = audits_export,
	},
};
const struct route_set routes_audits = { rows, ARRAY_LEN(rows) };

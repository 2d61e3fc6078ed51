/* SPDX-License-Identifier: Apache-2.0 */
/* What a row lets in, and that every row says all that its callers have to know. */
#include "api/openapi.h"
#include "api/route.h"

#include "test/t.h"

static enum err_kind verdict(enum route_who who, uint32_t scope, enum role role,
			     const struct caller *caller)
{
	struct route row = { .who = who, .scope = scope, .role = role };
	struct err err = { 0 };

	return route_admits(&row, caller, &err) ? ERR_NONE : err.kind;
}

TEST(a_row_lets_in_whom_it_names)
{
	static const struct caller nobody = { 0 };
	static const struct caller none = { .key = { 1 } };
	static const struct caller writer = { .key = { 1 }, .scopes = SCOPE_RULES_WRITE };
	static const struct caller all = { .key = { 1 }, .scopes = SCOPES_ALL };
	static const struct caller viewer = { .user = { 1 }, .role = ROLE_VIEWER };
	static const struct caller owner = { .user = { 1 }, .role = ROLE_OWNER };
	static const struct caller homeless = { .user = { 1 } };
	static const struct {
		enum route_who who;
		uint32_t scope;
		enum role role;
		const struct caller *caller;
		enum err_kind want;
	} rows[] = {
		{ WHO_PUBLIC, 0, ROLE_NONE, &nobody, ERR_NONE },
		{ WHO_SOCKET, 0, ROLE_NONE, &nobody, ERR_NONE },
		{ WHO_OWN, SCOPE_KEYS_WRITE, ROLE_ADMIN, &nobody, ERR_NONE },
		{ WHO_CALLER, 0, ROLE_VIEWER, &nobody, ERR_UNAUTHORIZED },
		{ WHO_CALLER, 0, ROLE_VIEWER, &none, ERR_NONE },
		{ WHO_CALLER, SCOPE_RULES_READ, ROLE_VIEWER, &none, ERR_FORBIDDEN },
		{ WHO_CALLER, SCOPE_RULES_READ, ROLE_VIEWER, &writer, ERR_FORBIDDEN },
		{ WHO_CALLER, SCOPE_RULES_READ, ROLE_VIEWER, &all, ERR_NONE },
		{ WHO_CALLER, SCOPE_RULES_READ, ROLE_VIEWER, &viewer, ERR_NONE },
		{ WHO_CALLER, SCOPE_RULES_WRITE, ROLE_ADMIN, &viewer, ERR_FORBIDDEN },
		{ WHO_CALLER, SCOPE_RULES_WRITE, ROLE_ADMIN, &owner, ERR_NONE },
		{ WHO_CALLER, SCOPE_RULES_READ, ROLE_VIEWER, &homeless, ERR_FORBIDDEN },
		{ WHO_USER, 0, ROLE_NONE, &nobody, ERR_UNAUTHORIZED },
		{ WHO_USER, 0, ROLE_NONE, &all, ERR_FORBIDDEN },
		{ WHO_USER, 0, ROLE_NONE, &homeless, ERR_NONE },
		{ WHO_USER, 0, ROLE_OWNER, &owner, ERR_NONE },
		{ WHO_USER, 0, ROLE_OWNER, &viewer, ERR_FORBIDDEN },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		T_INT(verdict(rows[i].who, rows[i].scope, rows[i].role, rows[i].caller),
		      rows[i].want);
	}
}

TEST(what_is_grave_asks_a_person_for_proof)
{
	struct route row = { .who = WHO_USER, .role = ROLE_OWNER, .proof = true };
	struct caller owner = { .user = { 1 }, .role = ROLE_OWNER };
	struct err err = { 0 };

	T_FALSE(route_admits(&row, &owner, &err));
	T_INT(err.kind, ERR_PROOF);
	owner.proved = true;
	T_TRUE(route_admits(&row, &owner, &err));
}

TEST(a_closed_org_opens_nothing_but_what_says_so)
{
	struct route row = { .who = WHO_CALLER, .role = ROLE_VIEWER };
	struct caller key = { .key = { 1 }, .scopes = SCOPES_ALL, .closed = true };
	struct caller owner = { .user = { 1 }, .role = ROLE_OWNER, .closed = true };
	struct err err = { 0 };

	T_FALSE(route_admits(&row, &key, &err));
	T_INT(err.kind, ERR_CLOSED);
	T_FALSE(route_admits(&row, &owner, &err));
	T_INT(err.kind, ERR_CLOSED);
	row.while_closed = true;
	T_TRUE(route_admits(&row, &key, &err));
	T_TRUE(route_admits(&row, &owner, &err));
	/* Leaving for another org, logging out. */
	row = (struct route) { .who = WHO_USER };
	T_TRUE(route_admits(&row, &owner, &err));
}

TEST(who_is_to_be_deleted_gets_in_where_it_says_so)
{
	struct caller leaving = { .user = { 1 }, .leaving = true, .proved = true };
	struct route row = { .who = WHO_USER };
	struct err err = { 0 };

	T_FALSE(route_admits(&row, &leaving, &err));
	T_INT(err.kind, ERR_LEAVING);
	row.who = WHO_CALLER;
	T_FALSE(route_admits(&row, &leaving, &err));
	T_INT(err.kind, ERR_LEAVING);
	row.while_leaving = true;
	T_TRUE(route_admits(&row, &leaving, &err));
}

/* For days of grace, and to take along what there is. */
TEST(an_owner_still_reads_what_is_to_be_deleted)
{
	struct route reads = { .method = HTTP_GET, .who = WHO_CALLER, .role = ROLE_VIEWER };
	struct route stream = { .method = HTTP_GET,
				.who = WHO_OWN,
				.role = ROLE_VIEWER,
				.replies = { { .status = 200, .type = "text/event-stream" } } };
	struct route socket = { .method = HTTP_GET,
				.who = WHO_OWN,
				.role = ROLE_VIEWER,
				.replies = { { .status = 101 } } };
	struct route writes = { .method = HTTP_POST, .who = WHO_CALLER, .role = ROLE_VIEWER };
	struct caller owner = {
		.user = { 1 }, .role = ROLE_OWNER, .closed = true, .org_leaving = true
	};
	struct caller admin = owner, key = { .key = { 1 }, .closed = true, .org_leaving = true };
	struct err err = { 0 };

	admin.role = ROLE_ADMIN;
	key.scopes = SCOPES_ALL;
	T_TRUE(route_allows(&reads, &owner, &err));
	T_FALSE(route_allows(&writes, &owner, &err));
	T_INT(err.kind, ERR_CLOSED);
	T_FALSE(route_allows(&stream, &owner, &err));
	T_FALSE(route_allows(&socket, &owner, &err));
	T_FALSE(route_allows(&reads, &admin, &err));
	T_INT(err.kind, ERR_CLOSED);
	T_FALSE(route_allows(&reads, &key, &err));
	/* Whoever runs the server has closed it: then nobody gets in. */
	owner.org_leaving = false;
	T_FALSE(route_allows(&reads, &owner, &err));
}

static enum err_kind takes(const struct route *row, const char *query, bool if_match,
			   struct err *err)
{
	struct http_head head = { 0 };
	struct http_request http = { .head = &head, .head_bytes = "", .query = slice_of(query) };
	struct arena req;
	bool ok;

	head.known[HTTP_H_IF_MATCH] = if_match ? 1 : 0;
	arena_init(&req, 0);
	*err = (struct err) { 0 };
	ok = route_takes(row, &http, &req, err);
	arena_release(&req);
	return ok ? ERR_NONE : err->kind;
}

struct thing_query {
	int64_t limit;
};
static const struct field query_rows[] = { FIELD_INT(struct thing_query, limit, "limit") };
static const struct field_set query_set = { query_rows, ARRAY_LEN(query_rows) };

TEST(parameters_that_nobody_knows_are_refused_but_on_older_calls)
{
	struct route row = { .path = "/api/v1/things", .query = { &query_set } };
	struct route older = { .path = "/things", .query = { &query_set } };
	struct err err;

	T_INT(takes(&row, "", false, &err), ERR_NONE);
	T_INT(takes(&row, "limit=1&&limit=2", false, &err), ERR_NONE);
	T_INT(takes(&row, "limit=1&limt=2", false, &err), ERR_INVALID);
	T_STR(err.field, "limt");
	T_TRUE(strstr(err.text, "did you mean \"limit\"?") != NULL);
	T_INT(takes(&row, "colour=red", false, &err), ERR_INVALID);
	T_STR(err.text, "\"colour\" is not a parameter of this call");
	T_INT(takes(&older, "colour=red", false, &err), ERR_NONE);
}

TEST(a_row_can_ask_for_the_version_that_is_changed)
{
	struct route row = { .path = "/api/v1/things/:id", .match = MATCH_MUST };
	struct err err;

	T_INT(takes(&row, "", false, &err), ERR_PRECONDITION_REQUIRED);
	T_INT(takes(&row, "", true, &err), ERR_NONE);
	row.match = MATCH_MAY;
	T_INT(takes(&row, "", false, &err), ERR_NONE);
}

/* Everything a description is made of is there, and says something. */
static void check_replies(const struct route *r)
{
	T_TRUE(r->later != NULL || (r->replies[0].status >= 101 && r->replies[0].status < 400));
	T_TRUE(r->later == NULL || r->replies[0].status == 0);
	for (size_t i = 0; i < ROUTE_REPLIES_MAX && r->replies[i].status != 0; i++) {
		const struct route_reply *reply = &r->replies[i];

		T_TRUE(reply->help != NULL && reply->help[strlen(reply->help) - 1] == '.');
		T_TRUE(!reply->page || reply->shape != NULL);
		T_TRUE(reply->shape != NULL || reply->type != NULL || reply->status == 101 ||
		       reply->status == 204 || reply->status == 302 || reply->status == 304);
	}
}

static void check_params(const struct route *r)
{
	size_t n = 0;

	for (const char *p = strchr(r->path, ':'); p != NULL; p = strchr(p + 1, ':')) {
		T_TRUE(n < ROUTE_PARAMS_MAX);
		T_TRUE(r->params[n].is_id || r->params[n].help != NULL);
		n++;
	}
	for (; n < ROUTE_PARAMS_MAX; n++) {
		T_TRUE(!r->params[n].is_id && r->params[n].help == NULL);
	}
	for (size_t i = 0; i < ROUTE_QUERIES_MAX && r->query[i] != NULL; i++) {
		fields_ensure(r->query[i]->rows, r->query[i]->n);
	}
}

static void check_name(const struct route *r)
{
	T_TRUE(r->name != NULL && r->name[0] >= 'a' && r->name[0] <= 'z');
	for (const char *p = r->name; *p != '\0'; p++) {
		T_TRUE((*p >= 'a' && *p <= 'z') || (*p >= 'A' && *p <= 'Z') ||
		       (*p >= '0' && *p <= '9'));
	}
	T_TRUE((r->tag != NULL) != (r->older != NULL));
	T_TRUE(openapi_has_tag(r->older != NULL ? r->older : r->tag));
	T_TRUE(strlen(r->summary) >= 8 && strlen(r->summary) <= 60);
	T_TRUE(r->summary[strlen(r->summary) - 1] != '.');
	T_TRUE(r->doc == NULL || r->doc[strlen(r->doc) - 1] == '.');
}

/* What is said of the calls of earlier systems: these are parts of sentences. */
static void check_older(const struct route *r)
{
	T_TRUE(r->older != NULL || (r->differs == NULL && r->later == NULL));
	T_TRUE(r->differs == NULL || r->differs[strlen(r->differs) - 1] != '.');
	T_TRUE(r->later == NULL || r->later[strlen(r->later) - 1] != '.');
	T_TRUE(r->later == NULL || r->who == WHO_PUBLIC);
}

static bool has_query(const struct route *r, const char *name)
{
	for (size_t i = 0; i < ROUTE_QUERIES_MAX && r->query[i] != NULL; i++) {
		if (fields_find(r->query[i]->rows, r->query[i]->n, slice_of(name)) != NULL) {
			return true;
		}
	}
	return false;
}

static void check_who(const struct route *r)
{
	bool named = r->who == WHO_CALLER || r->who == WHO_OWN;

	T_TRUE(r->who != WHO_UNSAID);
	T_TRUE(named || r->scope == 0);
	T_TRUE(r->scope == 0 || scope_name((enum scope)r->scope) != NULL);
	T_TRUE(named || r->who == WHO_USER || r->role == ROLE_NONE);
	T_TRUE(!named || r->role != ROLE_NONE);
	T_TRUE(r->who != WHO_SOCKET || r->limit == LIMIT_NONE);
}

TEST(every_row_says_what_a_caller_has_to_know)
{
	enum err_kind kinds[ERR_KINDS];
	const struct route *r, *other;
	size_t at = 0, from;

	while ((r = route_next(&at)) != NULL) {
		if (r->name == NULL || r->summary == NULL) {
			fail_msg("%s has no name or no summary", r->path);
		}
		print_message("# %s\n", r->name);
		check_name(r);
		check_older(r);
		check_who(r);
		check_params(r);
		check_replies(r);
		T_TRUE(r->old_query == NULL || has_query(r, r->old_query));
		T_TRUE((r->body_max > 0) == (r->bodies[0].shape != NULL));
		T_TRUE(r->match == MATCH_NONE || r->method == HTTP_PUT || r->method == HTTP_PATCH ||
		       r->method == HTTP_DELETE || strchr(r->path, ':') != NULL);
		T_TRUE(openapi_errors(r, kinds) > 0);
		from = at;
		while ((other = route_next(&from)) != NULL) {
			T_TRUE(strcmp(other->name, r->name) != 0);
		}
	}
}

/*
 * Whatever changes something tells the audit log of it, or says why it does not; that it does is
 * looked at where it is answered (api.c).
 */
TEST(every_change_is_audited_or_says_why_not)
{
	const struct route *r;
	size_t at = 0;

	while ((r = route_next(&at)) != NULL) {
		bool says = r->audits[0] != AUDIT_NONE || r->unaudited != NULL;

		if (r->method != HTTP_GET && r->later == NULL && !says) {
			fail_msg("%s: .audits or .unaudited?", r->name);
		}
		T_TRUE(r->audits[0] == AUDIT_NONE || r->unaudited == NULL);
	}
}

static bool has_secret(const struct shape *shape)
{
	static const char *const names[] = {
		"key", "secret", "token", "ticket", "password", "codes"
	};

	for (size_t i = 0; shape != NULL && i < shape->n; i++) {
		const struct prop *prop = &shape->props[i];

		for (size_t k = 0; prop->name != NULL && k < ARRAY_LEN(names); k++) {
			if (strcmp(prop->name, names[k]) == 0) {
				return true;
			}
		}
		if (prop->kind == PROP_KIND_SHAPE && has_secret(prop->shape)) {
			return true;
		}
	}
	return shape != NULL && has_secret(shape->also);
}

static bool may_answer(const struct route *r, enum err_kind kind)
{
	enum err_kind kinds[ERR_KINDS];
	size_t n = openapi_errors(r, kinds);

	for (size_t i = 0; i < n; i++) {
		if (kinds[i] == kind) {
			return true;
		}
	}
	return false;
}

/*
 * Repeating a POST is never an accident waiting to happen: each row of ours says what comes of it.
 */
TEST(every_post_of_ours_says_what_a_repeat_does)
{
	const struct route *r;
	size_t at = 0, kept = 0;

	while ((r = route_next(&at)) != NULL) {
		bool ours = r->method == HTTP_POST && route_is_strict(r) && !route_is_about_who(r);
		enum route_once once = route_once(r);
		bool stored = once == ONCE_KEPT || once == ONCE_SECRET;

		if (ours && (once == ONCE_NONE) != (r->no_key != NULL)) {
			fail_msg("%s: says why it takes no key, or takes one", r->name);
		}
		if (once == ONCE_KEPT && has_secret(r->replies[0].shape)) {
			fail_msg("%s: answers a secret, which must not be kept", r->name);
		}
		T_TRUE(ours || (!stored && r->no_key == NULL && !r->secret));
		T_TRUE(r->no_key == NULL || (strlen(r->no_key) >= 20 && !r->secret));
		T_TRUE((once == ONCE_EVENTS) == (r->limit == LIMIT_INGEST && r->no_key == NULL));
		T_TRUE(may_answer(r, ERR_IDEMPOTENCY) == (once != ONCE_NONE));
		T_TRUE(may_answer(r, ERR_IN_PROGRESS) == stored);
		T_TRUE(may_answer(r, ERR_ALREADY_CREATED) == stored);
		kept += stored;
	}
	T_TRUE(kept >= 4);
}

/* What a row lets be sent as an Idempotency-Key: n times the character. */
static enum err_kind takes_key(const struct route *row, char character, size_t n)
{
	char text[400];
	struct http_head head = { .fields_n = 1 };
	struct http_request http = { .head = &head, .head_bytes = text };
	struct arena req;
	struct err err;
	bool ok;

	memset(text, character, sizeof(text));
	head.fields[0].value.n = (uint32_t)n;
	head.known[HTTP_H_IDEMPOTENCY_KEY] = 1;
	arena_init(&req, 0);
	ok = route_takes(row, &http, &req, &err);
	arena_release(&req);
	return ok ? ERR_NONE : err.kind;
}

TEST(a_key_is_looked_at_where_it_counts)
{
	struct route row = { .method = HTTP_POST, .path = "/api/v1/things" };

	T_INT(takes_key(&row, '!', 1), ERR_NONE);
	T_INT(takes_key(&row, '~', 255), ERR_NONE);
	T_INT(takes_key(&row, 'a', 256), ERR_INVALID);
	T_INT(takes_key(&row, 'a', 0), ERR_INVALID);
	T_INT(takes_key(&row, ' ', 1), ERR_INVALID);
	T_INT(takes_key(&row, (char)0x7f, 1), ERR_INVALID);
	T_INT(takes_key(&row, (char)0xc3, 2), ERR_INVALID);
	row.secret = true;
	T_INT(takes_key(&row, ' ', 1), ERR_INVALID);
	row.no_key = "because this is a test";
	T_INT(takes_key(&row, ' ', 1), ERR_NONE);
	row = (struct route) { .method = HTTP_PATCH, .path = "/api/v1/things" };
	T_INT(takes_key(&row, ' ', 1), ERR_NONE);
	row = (struct route) { .method = HTTP_POST, .path = "/things" };
	T_INT(takes_key(&row, ' ', 1), ERR_NONE);
}

/* What rows of constants cannot ask of model/role.h. */
TEST(rows_about_people_ask_for_the_role_of_the_table)
{
	static const struct {
		const char *name;
		enum noun noun;
		enum verb verb;
	} asked[] = {
		{ "listMembers", NOUN_MEMBERS, VERB_READ },
		{ "getMember", NOUN_MEMBERS, VERB_READ },
		{ "changeMember", NOUN_MEMBERS, VERB_WRITE },
		{ "removeMember", NOUN_MEMBERS, VERB_DELETE },
		{ "listInvites", NOUN_MEMBERS, VERB_READ },
		{ "getInvite", NOUN_MEMBERS, VERB_READ },
		{ "createInvite", NOUN_MEMBERS, VERB_WRITE },
		{ "changeInvite", NOUN_MEMBERS, VERB_WRITE },
		{ "resendInvite", NOUN_MEMBERS, VERB_WRITE },
		{ "revokeInvite", NOUN_MEMBERS, VERB_WRITE },
		{ "transferOrg", NOUN_ORG, VERB_MANAGE },
		{ "getOrg", NOUN_ORG, VERB_READ },
		{ "changeOrg", NOUN_SETTINGS, VERB_WRITE },
	};
	const struct route *r;
	size_t at = 0, seen = 0;

	while ((r = route_next(&at)) != NULL) {
		for (size_t i = 0; i < ARRAY_LEN(asked); i++) {
			if (strcmp(r->name, asked[i].name) == 0) {
				T_INT(r->role, role_least(asked[i].noun, asked[i].verb));
				T_INT(r->who, WHO_USER);
				seen++;
			}
		}
	}
	T_INT(seen, ARRAY_LEN(asked));
}

TEST(the_description_is_json_and_has_every_call)
{
	const struct openapi_in in = { .socket = true };
	const struct json *doc, *paths;
	const struct route *r;
	size_t at = 0, rows = 0, calls = 0;
	struct arena req;
	struct err err;
	struct buf out;

	buf_init(&out, OPENAPI_BYTES_MAX);
	openapi_write(&in, &out);
	T_TRUE(!out.overflow);
	arena_init(&req, 0);
	T_OK(json_parse(&req, buf_slice(&out), JSON_DEPTH_MAX, &doc, &err));
	paths = json_get(doc, "paths");
	json_each(path, paths)
	{
		calls += path->count;
	}
	while ((r = route_next(&at)) != NULL) {
		rows++;
	}
	T_INT(calls, rows);
	arena_release(&req);
	buf_release(&out);
}

T_MAIN(T(a_row_lets_in_whom_it_names), T(what_is_grave_asks_a_person_for_proof),
       T(a_closed_org_opens_nothing_but_what_says_so),
       T(who_is_to_be_deleted_gets_in_where_it_says_so),
       T(an_owner_still_reads_what_is_to_be_deleted),
       T(parameters_that_nobody_knows_are_refused_but_on_older_calls),
       T(a_row_can_ask_for_the_version_that_is_changed),
       T(every_row_says_what_a_caller_has_to_know), T(every_change_is_audited_or_says_why_not),
       T(rows_about_people_ask_for_the_role_of_the_table),
       T(every_post_of_ours_says_what_a_repeat_does), T(a_key_is_looked_at_where_it_counts),
       T(the_description_is_json_and_has_every_call))

/* SPDX-License-Identifier: Apache-2.0 */
/* Settings: one table, four places to set them, one place to see what holds and why. */
#include "cmd/settings.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/seal.h"
#include "engine/sentry.h"
#include "model/bucket.h"
#include "model/slug.h"
#include "model/sso.h"
#include "store/retention.h"

#define FILE_BYTES_MAX ((size_t)256 << 10) /* a config file, or a secret in one */

extern char **environ;

static const char *const flush_words[] = { "auto", "inline", "thread", NULL };
static const char *const signup_words[] = { "first", "open", "invite", NULL };
static const char *const level_words[] = { "debug", "info", "warn", "error", NULL };
static const char *const format_words[] = { "json", "text", NULL };

const struct field settings_rows[] = {
	FIELD_STR(struct settings, data, "data", .fallback = "./data", .max = 1000,
		  .help = "The directory of the log and, by default, of the state."),
	FIELD_STR(struct settings, database_url, "database-url", .max = 2000, .flags = FIELD_SECRET,
		  .help = "Where the state is: postgresql://... or sqlite:PATH. Default: "
			  "state.db in the data directory."),
	FIELD_LIST(struct settings, listen, "listen", .fallback = "127.0.0.1:3000", .max = 16,
		   .help = "HOST:PORT to listen on; may be repeated. [::1]:3000 for IPv6."),
	FIELD_STR(struct settings, public_url, "public-url", .max = 2000,
		  .help = "How people reach this server: the one source of links."),
	FIELD_CIDRS(struct settings, trusted_proxies, "trusted-proxies", .max = 100,
		    .help = "Proxies whose X-Forwarded-For is believed."),
	FIELD_LIST(struct settings, cors_origins, "cors-origins", .max = 100,
		   .help = "Origins whose pages may call the API; * for all."),
	FIELD_INT(struct settings, workers, "workers", .fallback = "4", .min = 1, .max = 64,
		  .help = "Threads for API calls that wait for the database."),
	FIELD_INT(struct settings, courier_concurrency, "courier-concurrency", .fallback = "64",
		  .min = 1, .max = 1024, .help = "Deliveries under way at once."),
	FIELD_LIST(struct settings, allow_private_targets, "allow-private-targets",
		   .fallback = "none", .max = 100,
		   .help = "Private addresses that webhooks may reach: none, loopback, "
			   "private, all, or networks."),
	FIELD_ENUM(struct settings, flush, "flush", flush_words, .fallback = "auto",
		   .help = "Where the log is flushed: inline on the loop, on a thread, or as "
			   "measured."),
	FIELD_SIZE(struct settings, segment_size, "segment-size", .fallback = "64MiB",
		   .min = 1 << 20, .max = 1 << 30, .help = "Size of a file of the log."),
	FIELD_BOOL(struct settings, seal, "seal", .fallback = "true",
		   .help = "Pack closed files of the log: small, indexed, and safe from single "
			   "damage."),
	FIELD_INT(struct settings, retention, "retention", .fallback = "0",
		  .max = RETENTION_DAYS_MAX, .unit = "days",
		  .help = "How long events of projects are kept that say nothing else; 0: for "
			  "ever."),
	FIELD_INT(struct settings, scrub, "scrub", .fallback = "7", .min = 0, .max = 365,
		  .unit = "days",
		  .help = "How often each closed file of the log is read again, and mended where "
			  "its disk has changed it; 0 for never."),
	FIELD_SECONDS(struct settings, idempotency_window, "idempotency-window", .fallback = "7d",
		      .min = 86400, .max = 86400 * 31,
		      .help = "How long a repeated idempotency key is recognised."),
	FIELD_SIZE(struct settings, idempotency_memory, "idempotency-memory", .fallback = "512MiB",
		   .min = 16 << 20, .max = INT64_C(256) << 30,
		   .help = "Memory for idempotency keys, taken as they come. With less, look-ups "
			   "read from files more often."),
	FIELD_INT(struct settings, idempotency_keys_per_project, "idempotency-keys-per-project",
		  .fallback = "50000000", .min = 10000, .max = INT64_C(1000000000000),
		  .unit = "keys",
		  .help = "When there are too many keys for the memory, a project with more than "
			  "this loses its oldest."),
	FIELD_INT(struct settings, engine_lag_max, "engine-lag-max", .fallback = "5000000",
		  .min = 1, .max = INT64_C(1000000000000), .unit = "records",
		  .help = "How far rules may be behind the log before events are refused."),
	FIELD_BOOL(struct settings, accept_future_log, "accept-future-log", .fallback = "false",
		   .help = "Start although the log ends more than an hour ahead of the clock."),
	FIELD_INT(struct settings, connections_per_address, "connections-per-address",
		  .fallback = "1024", .min = 1, .max = 65536,
		  .help = "Open connections of one address."),
	FIELD_STR(struct settings, rate_ingest, "rate-ingest", .fallback = "0", .max = 24,
		  .check = rate_check,
		  .help = "Calls with events of one API key: a minute, or a minute:at once; 0: no "
			  "limit."),
	FIELD_STR(struct settings, rate_api, "rate-api", .fallback = "60000", .max = 24,
		  .check = rate_check, .help = "Likewise, all other calls of one API key."),
	FIELD_STR(struct settings, rate_org, "rate-org", .fallback = "0", .max = 24,
		  .check = rate_check,
		  .help = "Likewise, calls of all API keys of an organization together, where its "
			  "plan says nothing."),
	FIELD_STR(struct settings, rate_address, "rate-address", .fallback = "6000", .max = 24,
		  .check = rate_check,
		  .help = "Likewise, calls without an API key from one address."),
	FIELD_STR(struct settings, rate_auth, "rate-auth", .fallback = "5", .max = 24,
		  .check = rate_check,
		  .help = "Likewise, logins and the like for one account from one address; "
			  "ten times that for all accounts from it."),
	FIELD_TEXT(
		struct settings, secret_key, "secret-key", .max = 45 * SEAL_KEYS_MAX,
		.flags = FIELD_SECRET,
		.help = "What stored secrets are sealed with: base64 of 32 bytes; behind a comma, "
			"older keys that still open. Default: the file secret.key in the data "
			"directory, made at the first start."),
	FIELD_ENUM(
		struct settings, signup, "signup", signup_words, .fallback = "first",
		.help = "Who may make an account: first is the first owner, from this machine or "
			"with the setup token, and then by invite; open is everybody, each with "
			"an organization; invite is by invite alone."),
	FIELD_STR(struct settings, setup_token, "setup-token", .min = 16, .max = 200,
		  .flags = FIELD_SECRET,
		  .help = "Lets its holder make the first API key, or the first account, from "
			  "elsewhere. Default: made and printed at the first start."),
	FIELD_URL(struct settings, oidc_issuer, "oidc-issuer",
		  .help = "People may log in by this OpenID Connect issuer: its URL, to the last "
			  "slash as its configuration says it. The oidc- settings are about it."),
	FIELD_STR(struct settings, oidc_client_id, "oidc-client-id", .max = 500,
		  .help = "What the issuer calls this server."),
	FIELD_STR(struct settings, oidc_client_secret, "oidc-client-secret", .max = 500,
		  .flags = FIELD_SECRET,
		  .help = "What proves it to the issuer; without one PKCE alone does."),
	FIELD_STR(struct settings, oidc_name, "oidc-name", .fallback = "Single sign-on", .max = 50,
		  .help = "What people know the issuer as."),
	FIELD_STR(struct settings, oidc_org, "oidc-org", .max = SLUG_BYTES_MAX,
		  .help = "The slug of the organization in which the issuer decides who is what, "
			  "by oidc-roles, at each login."),
	FIELD_MAP(struct settings, oidc_roles, "oidc-roles", .check = sso_role_check,
		  .help = "What words of the issuer make of somebody: admins=admin,staff=member; "
			  "*=viewer is for everybody. Who has no such word is taken out."),
	FIELD_STR(struct settings, oidc_role_claim, "oidc-role-claim", .fallback = "groups",
		  .max = 200,
		  .help = "Where in the issuer's tokens those words are: a name, or a path such as "
			  "realm_access.roles."),
	FIELD_STR(struct settings, google_client_id, "google-client-id", .max = 500,
		  .help = "People may log in with Google: the client's id there."),
	FIELD_STR(struct settings, google_client_secret, "google-client-secret", .max = 500,
		  .flags = FIELD_SECRET, .help = "And its secret."),
	FIELD_STR(struct settings, github_client_id, "github-client-id", .max = 500,
		  .help = "People may log in with GitHub: the OAuth app's id there."),
	FIELD_STR(struct settings, github_client_secret, "github-client-secret", .max = 500,
		  .flags = FIELD_SECRET, .help = "And its secret."),
	FIELD_URL(struct settings, github_url, "github-url", .fallback = "https://github.com",
		  .help = "Where GitHub is: an Enterprise server has a URL of its own."),
	FIELD_LIST(struct settings, sso_domains, "sso-domains", .max = 100,
		   .check = sso_domain_check,
		   .help = "Domains of mail addresses that may log in by an issuer; they get an "
			   "account when they have none. Default: all, with an account, an invite "
			   "or a role."),
	FIELD_STR(struct settings, stripe_secret_key, "stripe-secret-key", .max = 500,
		  .flags = FIELD_SECRET,
		  .help = "Plans are sold by Stripe: the secret key of the account there. "
			  "STRIPE_SECRET_KEY sets it, too."),
	FIELD_STR(struct settings, stripe_webhook_secret, "stripe-webhook-secret", .max = 1000,
		  .flags = FIELD_SECRET,
		  .help = "What Stripe signs its messages with; up to four behind commas, while "
			  "it is changed. STRIPE_WEBHOOK_SECRET sets it, too."),
	FIELD_STR(struct settings, stripe_meter_event, "stripe-meter-event",
		  .fallback = "overage_events", .min = 1, .max = 100,
		  .help = "The event of the meter at Stripe that counts thousands of events over "
			  "the soft limit. STRIPE_OVERAGE_METER_EVENT sets it, too."),
	FIELD_URL(struct settings, stripe_api_url, "stripe-api-url",
		  .fallback = "https://api.stripe.com", .help = "Where Stripe's API is."),
	FIELD_SECONDS(struct settings, billing_every, "billing-every", .fallback = "5m", .min = 1,
		      .max = 86400,
		      .help = "How often Stripe is told what was used over the soft limits."),
	FIELD_STR(struct settings, metrics_token, "metrics-token", .min = 16, .max = 200,
		  .flags = FIELD_SECRET,
		  .help = "Opens /metrics to its holder. Default: it answers this machine "
			  "only."),
	FIELD_URL(
		struct settings, heartbeat_url, "heartbeat-url", .flags = FIELD_SECRET,
		.help = "Called as long as the log takes records and the rules advance, so that a "
			"watcher elsewhere notices when it is not."),
	FIELD_SECONDS(struct settings, heartbeat_every, "heartbeat-every", .fallback = "1m",
		      .min = 1, .max = 86400, .help = "How often heartbeat-url is called."),
	FIELD_STR(struct settings, sentry_dsn, "sentry-dsn", .max = SENTRY_DSN_BYTES_MAX,
		  .flags = FIELD_SECRET, .check = sentry_dsn_check,
		  .help = "The DSN of a Sentry project that hears of errors of the server itself."),
	FIELD_ENUM(struct settings, log_level, "log-level", level_words, .fallback = "info",
		   .help = "The least important log lines to write."),
	FIELD_ENUM(struct settings, log_format, "log-format", format_words, .fallback = "text",
		   .help = "Log lines for machines or for people."),
	FIELD_SECONDS(struct settings, drain, "drain", .fallback = "10s", .min = 0, .max = 300,
		      .help = "How long a stop waits for work in flight."),
};
const size_t settings_rows_n = ARRAY_LEN(settings_rows);

struct reader {
	struct settings *s;
	struct arena *boot;
	struct settings_sources *sources;
	uint64_t set;	  /* bit i: row i has a value from somewhere stronger */
	uint64_t in_file; /* bit i: the file has a line for row i */
};

static size_t index_of(const struct field *row)
{
	return (size_t)(row - settings_rows);
}

/* Stronger places are read first, so a value that is there stays. */
static bool set(struct reader *r, const struct field *row, struct slice text, struct slice source,
		struct err *err)
{
	uint64_t bit = UINT64_C(1) << index_of(row);

	if ((r->set & bit) != 0) {
		return true;
	}
	if (!field_parse_text(row, text, r->s, r->boot, err)) {
		return err_wrap(err, "%.*s", SARG(source));
	}
	r->set |= bit;
	r->sources->of[index_of(row)] = source;
	return true;
}

static bool unknown(struct slice name, struct slice source, struct err *err)
{
	const struct field *near = fields_closest(settings_rows, settings_rows_n, name);

	if (near == NULL) {
		return err_set(err, ERR_INVALID, "%.*s: there is no setting \"%.*s\"", SARG(source),
			       SARG(name));
	}
	return err_set(err, ERR_INVALID, "%.*s: there is no setting \"%.*s\"; did you mean \"%s\"?",
		       SARG(source), SARG(name), near->name);
}

static bool read_text_file(const char *path, struct arena *boot, struct slice *out, struct err *err)
{
	FILE *f = fopen(path, "re");
	struct buf b;
	size_t n = 0;
	bool ok;

	if (f == NULL) {
		return err_errno(err, errno, "open \"%s\"", path);
	}
	buf_init(&b, FILE_BYTES_MAX);
	do {
		char *to = buf_room(&b, 4096);

		n = to == NULL ? 0 : fread(to, 1, 4096, f);
		b.n += n;
	} while (n > 0);
	ok = ferror(f) == 0 && !b.overflow;
	if (!ok) {
		err_set(err, ERR_INVALID, "\"%s\" cannot be read, or is over %zu bytes", path,
			FILE_BYTES_MAX);
	}
	fclose(f);
	*out = arena_dup(boot, buf_slice(&b));
	buf_release(&b);
	return ok;
}

static struct slice trim_lines(struct slice s)
{
	while (s.n > 0 && isspace((unsigned char)s.p[s.n - 1])) {
		s.n--;
	}
	return slice_trim(s);
}

/* --name value, or --name=value. */
static bool read_flag(int argc, char **argv, int *i, struct slice *name, struct slice *value,
		      struct err *err)
{
	struct slice arg = slice_of(argv[*i]);
	size_t eq;

	if (!slice_starts(arg, S("--")) || arg.n == 2) {
		return err_set(err, ERR_INVALID, "\"%s\" is not a flag; flags begin with --",
			       argv[*i]);
	}
	*name = slice_from(arg, 2);
	eq = slice_find(*name, '=');
	if (eq < name->n) {
		*value = slice_from(*name, eq + 1);
		name->n = eq;
		return true;
	}
	if (*i + 1 >= argc) {
		return err_set(err, ERR_INVALID, "\"%s\" needs a value", argv[*i]);
	}
	*value = slice_of(argv[++*i]);
	return true;
}

/* A repeated list flag adds to the list. */
static bool read_flags(struct reader *r, int argc, char **argv, const char **config,
		       struct err *err)
{
	struct slice values[FIELD_ROWS_MAX] = { { 0 } };

	for (int i = 0; i < argc; i++) {
		const struct field *row;
		struct slice name, value;

		if (!read_flag(argc, argv, &i, &name, &value, err)) {
			return false;
		}
		if (slice_eq(name, S("config"))) {
			*config = arena_cstr(r->boot, value);
			continue;
		}
		row = fields_find(settings_rows, settings_rows_n, name);
		if (row == NULL) {
			return unknown(name, S("flag"), err);
		}
		if (values[index_of(row)].n > 0 &&
		    (row->kind == FIELD_KIND_LIST || row->kind == FIELD_KIND_CIDRS)) {
			value = arena_printf(r->boot, "%.*s,%.*s", SARG(values[index_of(row)]),
					     SARG(value));
		}
		values[index_of(row)] = value;
	}
	for (size_t i = 0; i < settings_rows_n; i++) {
		struct slice source = arena_printf(r->boot, "flag --%s", settings_rows[i].name);

		if (values[i].p != NULL && !set(r, &settings_rows[i], values[i], source, err)) {
			return false;
		}
	}
	return true;
}

/* public-url -> TOCSIN_PUBLIC_URL */
static struct slice variable_of(const struct field *row, struct arena *boot)
{
	struct slice name = arena_printf(boot, "TOCSIN_%s", row->name);
	char *p = (char *)name.p;

	for (size_t i = 0; i < name.n; i++) {
		p[i] = p[i] == '-' ? '_' : (char)toupper((unsigned char)p[i]);
	}
	return name;
}

static bool read_variable(struct reader *r, const struct field *row, struct err *err)
{
	struct slice name = variable_of(row, r->boot);
	struct slice file_name = arena_printf(r->boot, "%.*s_FILE", SARG(name));
	const char *value = getenv(name.p), *file = getenv(file_name.p);
	struct slice text;

	if (value != NULL && file != NULL) {
		return err_set(err, ERR_INVALID, "%s and %s are both set", name.p, file_name.p);
	}
	if (file != NULL) {
		return (read_text_file(file, r->boot, &text, err) ||
			err_wrap(err, "%s", file_name.p)) &&
		       set(r, row, trim_lines(text), file_name, err);
	}
	return value == NULL || set(r, row, slice_of(value), name, err);
}

/* Of the commands that talk to a server, the test harness, the benchmark, and --config. */
static bool is_reserved(struct slice name)
{
	static const char *const names[] = { "TOCSIN_BIN", "TOCSIN_CONFIG", "TOCSIN_KEY",
					     "TOCSIN_KEY_FILE", "TOCSIN_URL" };

	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		if (slice_eq(name, slice_of(names[i]))) {
			return true;
		}
	}
	return slice_starts(name, S("TOCSIN_TEST_")) || slice_starts(name, S("TOCSIN_BENCH_")) ||
	       slice_starts(name, S("TOCSIN_SCENARIO_"));
}

static bool is_variable(struct slice name, struct arena *boot)
{
	for (size_t i = 0; i < settings_rows_n; i++) {
		struct slice known = variable_of(&settings_rows[i], boot);

		if (slice_eq(name, known) || (slice_starts(name, known) &&
					      slice_eq(slice_from(name, known.n), S("_FILE")))) {
			return true;
		}
	}
	return false;
}

static bool unknown_variable(struct slice name, struct arena *boot, struct err *err)
{
	struct slice word = arena_dup(boot, slice_from(name, sizeof("TOCSIN_") - 1));
	const struct field *near;
	char *p = (char *)word.p;

	for (size_t i = 0; i < word.n; i++) {
		p[i] = p[i] == '_' ? '-' : (char)tolower((unsigned char)p[i]);
	}
	near = fields_closest(settings_rows, settings_rows_n, word);
	if (near == NULL) {
		return err_set(err, ERR_INVALID, "the variable %.*s is no setting", SARG(name));
	}
	return err_set(err, ERR_INVALID, "the variable %.*s is no setting; did you mean %s?",
		       SARG(name), variable_of(near, boot).p);
}

/* By names that earlier systems had for them. */
static const struct {
	const char *variable, *setting;
	const char *before; /* of the value */
} older[] = {
	{ "PORT", "listen", "127.0.0.1:" },
	{ "STRIPE_SECRET_KEY", "stripe-secret-key", "" },
	{ "STRIPE_WEBHOOK_SECRET", "stripe-webhook-secret", "" },
	{ "STRIPE_OVERAGE_METER_EVENT", "stripe-meter-event", "" },
};

/* An empty one is one that a template left open. */
static bool read_older(struct reader *r, struct err *err)
{
	for (size_t i = 0; i < ARRAY_LEN(older); i++) {
		const struct field *row = fields_find(settings_rows, settings_rows_n,
						      slice_of(older[i].setting));
		const char *value = getenv(older[i].variable);

		if (value != NULL && value[0] != 0 &&
		    !set(r, row, arena_printf(r->boot, "%s%s", older[i].before, value),
			 slice_of(older[i].variable), err)) {
			return false;
		}
	}
	return true;
}

static bool read_environment(struct reader *r, struct err *err)
{
	for (char **entry = environ; *entry != NULL; entry++) {
		struct slice name = slice_of(*entry);

		name.n = slice_find(name, '=');
		if (slice_starts(name, S("TOCSIN_")) && !is_reserved(name) &&
		    !is_variable(name, r->boot)) {
			return unknown_variable(name, r->boot, err);
		}
	}
	for (size_t i = 0; i < settings_rows_n; i++) {
		if (!read_variable(r, &settings_rows[i], err)) {
			return false;
		}
	}
	return read_older(r, err);
}

static bool read_line(struct reader *r, struct slice line, struct slice source, struct err *err)
{
	size_t eq = slice_find(line, '=');
	struct slice name = slice_trim((struct slice) { line.p, eq });
	const struct field *row = fields_find(settings_rows, settings_rows_n, name);

	if (eq == line.n) {
		return err_set(err, ERR_INVALID, "%.*s: a line must be \"name = value\"",
			       SARG(source));
	}
	if (row == NULL) {
		return unknown(name, source, err);
	}
	if ((r->in_file & UINT64_C(1) << index_of(row)) != 0) {
		return err_set(err, ERR_INVALID, "%.*s: \"%s\" has a line already", SARG(source),
			       row->name);
	}
	r->in_file |= UINT64_C(1) << index_of(row);
	return set(r, row, slice_trim(slice_from(line, eq + 1)), source, err);
}

static bool read_file(struct reader *r, const char *path, struct err *err)
{
	struct slice text, line;
	int number = 0;

	if (!read_text_file(path, r->boot, &text, err)) {
		return false;
	}
	/* slice_split does not show empty lines at the end, which have no number to miss. */
	while (slice_split(&text, '\n', &line)) {
		struct slice source = arena_printf(r->boot, "%s:%d", path, ++number);

		line = trim_lines(line);
		if (line.n > 0 && line.p[0] != '#' && !read_line(r, line, source, err)) {
			return false;
		}
	}
	return true;
}

bool settings_read(struct settings *s, int argc, char **argv, struct arena *boot,
		   struct settings_sources *sources, struct err *err)
{
	struct reader r = { .s = s, .boot = boot, .sources = sources };
	const char *config = getenv("TOCSIN_CONFIG");

	*s = (struct settings) { 0 };
	*sources = (struct settings_sources) { 0 };
	fields_defaults(settings_rows, settings_rows_n, s, boot);
	return read_flags(&r, argc, argv, &config, err) && read_environment(&r, err) &&
	       (config == NULL || read_file(&r, config, err));
}

/* The table has checked them. */
static struct rate rate_of(struct slice text)
{
	struct rate rate;

	ensure(rate_parse(text, &rate));
	return rate;
}

struct rates settings_rates(const struct settings *s)
{
	return (struct rates) {
		.ingest = rate_of(s->rate_ingest),
		.api = rate_of(s->rate_api),
		.org = rate_of(s->rate_org),
		.address = rate_of(s->rate_address),
		.auth = rate_of(s->rate_auth),
	};
}

void settings_print(const struct settings *s, const struct settings_sources *sources,
		    struct buf *out)
{
	for (size_t i = 0; i < settings_rows_n; i++) {
		struct slice source = sources->of[i];

		buf_printf(out, "%s = ", settings_rows[i].name);
		field_write_text(&settings_rows[i], s, out);
		buf_printf(out, "  # %.*s\n", SARG(source.n > 0 ? source : S("default")));
	}
}

/* What may be chosen, or between what it must lie. */
static void write_bounds(const struct field *row, struct buf *out)
{
	char bounds[128];

	for (size_t i = 0; row->kind == FIELD_KIND_ENUM && row->words[i] != NULL; i++) {
		buf_printf(out, "%s%s", i == 0 ? "" : ", ", row->words[i]);
	}
	field_bounds_text(row, bounds, sizeof(bounds));
	buf_puts(out, slice_of(bounds));
}

void settings_document(struct buf *out)
{
	struct arena boot;

	arena_init(&boot, 0);
	buf_puts(out, S("| setting | default | bounds | what it does |\n|---|---|---|---|\n"));
	for (size_t i = 0; i < settings_rows_n; i++) {
		const struct field *row = &settings_rows[i];

		buf_printf(out, "| `--%s`, `%s` | %s | ", row->name, variable_of(row, &boot).p,
			   row->fallback == NULL ? "" : row->fallback);
		write_bounds(row, out);
		buf_printf(out, " | %s |\n", row->help);
	}
	arena_release(&boot);
}

/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CMD_SETTINGS_H
#define CMD_SETTINGS_H

#include "api/rate.h"
#include "base/field.h"
#include "base/log.h"
#include "journal/journal.h"
#include "model/signup.h"

/*
 * Everything that can be set, from one table: as a flag (--public-url), a variable
 * (TOCSIN_PUBLIC_URL, or TOCSIN_PUBLIC_URL_FILE for the content of a file), or a line of the file
 * that --config names (public-url = ...). A flag beats a variable, a variable beats the file. A
 * few settings go by names that earlier systems had, too.
 */
struct settings {
	struct slice data;
	struct slice database_url;
	struct field_list listen;
	struct slice public_url;
	struct field_list trusted_proxies;
	struct field_list cors_origins;
	int64_t workers;
	int64_t courier_concurrency;
	struct field_list allow_private_targets;
	enum journal_flush flush;
	bool seal;
	int64_t scrub; /* days */
	int64_t segment_size;
	int64_t retention;
	int64_t idempotency_window;
	int64_t idempotency_memory;
	int64_t idempotency_keys_per_project;
	int64_t engine_lag_max;
	bool accept_future_log;
	int64_t connections_per_address;
	struct slice rate_ingest; /* these as rate_parse reads them */
	struct slice rate_api;
	struct slice rate_org;
	struct slice rate_address;
	struct slice rate_auth;
	struct slice secret_key;
	enum signup signup;
	struct slice setup_token;
	struct slice oidc_issuer;
	struct slice oidc_client_id;
	struct slice oidc_client_secret;
	struct slice oidc_name;
	struct slice oidc_org;
	struct field_map oidc_roles;
	struct slice oidc_role_claim;
	struct slice google_client_id;
	struct slice google_client_secret;
	struct slice github_client_id;
	struct slice github_client_secret;
	struct slice github_url;
	struct field_list sso_domains;
	struct slice stripe_secret_key;
	struct slice stripe_webhook_secret;
	struct slice stripe_meter_event;
	struct slice stripe_api_url;
	int64_t billing_every;
	struct slice metrics_token;
	struct slice heartbeat_url;
	int64_t heartbeat_every;
	struct slice sentry_dsn;
	enum log_level log_level;
	enum log_format log_format;
	int64_t drain;
};

extern const struct field settings_rows[];
extern const size_t settings_rows_n;

/* Where a value came from: "default", "flag --data", "TOCSIN_DATA", "FILE:12". */
struct settings_sources {
	struct slice of[FIELD_ROWS_MAX];
};

/*
 * Read defaults, file, environment and flags. argv are the words behind the command; every one
 * must be a flag of the table or "--config FILE". Errors name the flag, the variable, or the file
 * and its line, and suggest the closest known name. Values live in boot or the environment.
 */
NODISCARD bool settings_read(struct settings *s, int argc, char **argv, struct arena *boot,
			     struct settings_sources *sources, struct err *err);
/* How often who may call. */
struct rates settings_rates(const struct settings *s);
/* "name = value  # source", one a line, secrets masked. */
void settings_print(const struct settings *s, const struct settings_sources *sources,
		    struct buf *out);
/* A Markdown table of all settings, for doc/settings.md. */
void settings_document(struct buf *out);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
#ifndef API_ROUTES_H
#define API_ROUTES_H

#include "api/route.h"

/* The rows of every resource file. A new file adds its name here and to routes.c. */
extern const struct route_set routes_audits;
extern const struct route_set routes_admin;
extern const struct route_set routes_alerts;
extern const struct route_set routes_builtins;
extern const struct route_set routes_deliveries;
extern const struct route_set routes_docs;
extern const struct route_set routes_events;
extern const struct route_set routes_export;
extern const struct route_set routes_ingest;
extern const struct route_set routes_invites;
extern const struct route_set routes_journal;
extern const struct route_set routes_keys;
extern const struct route_set routes_plans;
extern const struct route_set routes_projects;
extern const struct route_set routes_quarantine;
extern const struct route_set routes_rules;
extern const struct route_set routes_pulseboard;
extern const struct route_set routes_pulseboard_analytics;
extern const struct route_set routes_pulseboard_live;
extern const struct route_set routes_pulseboard_projects;
extern const struct route_set routes_search;
extern const struct route_set routes_signalcraft;
extern const struct route_set routes_signalcraft_people;
extern const struct route_set routes_signalcraft_audit;
extern const struct route_set routes_signaldesk;
extern const struct route_set routes_signaldesk_usage;
extern const struct route_set routes_signalops;
extern const struct route_set routes_later;
extern const struct route_set routes_link;
extern const struct route_set routes_login;
extern const struct route_set routes_leave;
extern const struct route_set routes_me;
extern const struct route_set routes_my_data;
extern const struct route_set routes_mail;
extern const struct route_set routes_members;
extern const struct route_set routes_orgs;
extern const struct route_set routes_orgs_admin;
extern const struct route_set routes_older_auth;
extern const struct route_set routes_orgs_export;
extern const struct route_set routes_orgs_leave;
extern const struct route_set routes_older_members;
extern const struct route_set routes_outcomes;
extern const struct route_set routes_password;
extern const struct route_set routes_signup;
extern const struct route_set routes_sso;
extern const struct route_set routes_sso_links;
extern const struct route_set routes_stats;
extern const struct route_set routes_stream;
extern const struct route_set routes_system;
extern const struct route_set routes_totp;
extern const struct route_set routes_usage;
extern const struct route_set routes_billing;
extern const struct route_set routes_billing_messages;
extern const struct route_set routes_signaldesk_billing;
extern const struct route_set routes_users;

extern const struct route_set *const route_sets[];
extern const size_t route_sets_n;

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The order of the sets is the order of the walk: the busy ones come first, and words before what
 * takes any word in their place.
 */
#include "api/routes.h"

#include "api/shapes.h"

const struct shape shape_ignored = { .help = "Nothing of it is read.", .sent = true, .open = true };

const struct route_set *const route_sets[] = {
	&routes_ingest,
	&routes_signalcraft,
	&routes_signaldesk,
	&routes_signalops,
	&routes_pulseboard,
	&routes_pulseboard_analytics,
	&routes_search,
	&routes_export,
	&routes_events,
	&routes_rules,
	&routes_builtins,
	&routes_keys,
	&routes_alerts,
	&routes_deliveries,
	&routes_stream,
	&routes_outcomes,
	&routes_stats,
	&routes_system,
	&routes_admin,
	&routes_journal,
	&routes_quarantine,
	&routes_projects,
	&routes_audits,
	&routes_usage,
	&routes_plans,
	&routes_billing,
	&routes_billing_messages,
	&routes_docs,
	&routes_signaldesk_usage,
	&routes_signaldesk_billing,
	&routes_pulseboard_live,
	&routes_older_auth,
	&routes_pulseboard_projects,
	&routes_older_members,
	&routes_signalcraft_people,
	&routes_signalcraft_audit,
	&routes_later,
	&routes_login,
	&routes_signup,
	&routes_me,
	&routes_leave,
	&routes_my_data,
	&routes_password,
	&routes_totp,
	&routes_mail,
	&routes_link,
	&routes_users,
	&routes_members,
	&routes_invites,
	&routes_orgs,
	&routes_orgs_admin,
	&routes_orgs_export,
	&routes_orgs_leave,
	&routes_sso,
	&routes_sso_links,
};
const size_t route_sets_n = ARRAY_LEN(route_sets);

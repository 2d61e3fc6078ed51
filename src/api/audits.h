/* SPDX-License-Identifier: Apache-2.0 */
#ifndef API_AUDITS_H
#define API_AUDITS_H

#include "api/call.h"
#include "api/shape.h"
#include "store/audit.h"

/* The audit log as it is asked for: a page of it, or all as a file. */

extern const struct field_set audits_query; /* the filters */
/* Read them; texts are the request's. ERR_INVALID names the parameter. */
NODISCARD bool audits_filter(struct call *c, struct audit_filter *out, struct err *err);
/* All that match, oldest first, as NDJSON or CSV. Loop thread. */
void audits_export(struct call *c);
/* The same for a filter that was read otherwise; its texts are copied. */
void audits_send(struct call *c, const struct audit_filter *filter, bool csv);
extern const struct field_set audits_export_query;
extern const struct shape shape_audits_line;
extern const struct shape shape_audit;

#endif

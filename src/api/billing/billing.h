/* SPDX-License-Identifier: Apache-2.0 */
#ifndef API_BILLING_BILLING_H
#define API_BILLING_BILLING_H

#include "api/billing/biller.h"
#include "api/call.h"
#include "api/shape.h"

/* What the calls of billing share with those of SignalDesk. */
#define BILLING_BODY_BYTES_MAX ((size_t)4 << 10)
#define BILLING_MESSAGE_BYTES_MAX ((size_t)256 << 10) /* an invoice with all its lines */

/* {"url": ...}: where to send a browser. */
extern const struct shape shape_billing_page;
/* {"received": true} */
extern const struct shape shape_billing_received;

/*
 * Have a page made for the caller's org; of a checkout for the plan of this name, which field
 * names. Owes the reply: ERR_NOT_CONFIGURED, ERR_INVALID, ERR_CONFLICT (of an older call
 * ERR_INVALID), ERR_UPSTREAM, ERR_OVERLOADED. Loop thread.
 */
void billing_send_page(struct call *c, enum biller_what what, struct slice plan, const char *field);

/*
 * Take a message of Stripe: ERR_INVALID when it is not signed, or is none. Worker thread; blocks.
 */
NODISCARD bool billing_take_message(struct call *c, struct err *err);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
#ifndef API_SSO_LINKS_H
#define API_SSO_LINKS_H

#include "api/call.h"
#include "api/shape.h"
#include "store/users.h"

/* An identity elsewhere by which an account can be entered, as replies show it: an object. */
void sso_link_write(struct call *c, const struct link_row *link, struct json_w *w);
extern const struct shape shape_sso_link;

#endif

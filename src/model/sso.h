/* SPDX-License-Identifier: Apache-2.0 */
#ifndef MODEL_SSO_H
#define MODEL_SSO_H

#include "base/field.h"
#include "model/role.h"

/*
 * Who may come by way of an issuer of identities, and what becomes of him: decisions over what the
 * operator has set. Pure; any thread.
 */
#define SSO_REDIRECT_BYTES_MAX 512 /* with all else that a login keeps, it has to fit a cookie */
#define SSO_ANY "*"		   /* in place of a word: whoever comes */

/*
 * Whether a mail address, in its one form, is of one of these domains, and not only below one. No
 * domains: any is.
 */
bool sso_mail_may_come(struct slice mail, const struct field_list *domains);
/* Of a domain in a setting: a complaint, or NULL. */
const char *sso_domain_check(struct slice domain);

/*
 * The highest role of these words, ROLE_NONE when there is none. words is a string, or a list of
 * them, from an issuer; others and NULL are no words. map is word=role; SSO_ANY is for everybody.
 */
enum role sso_role(const struct field_map *map, const struct json *words);
/* Of a role in such a map: a complaint, or NULL. */
const char *sso_role_check(struct slice role);

/*
 * Whether a browser that is sent to this path stays on this server: it begins with one slash, and
 * nothing is in it that browsers take for another one, or take out first.
 */
bool sso_path_is_local(struct slice path);

#endif

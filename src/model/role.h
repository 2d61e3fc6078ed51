/* SPDX-License-Identifier: Apache-2.0 */
#ifndef MODEL_ROLE_H
#define MODEL_ROLE_H

/*
 * What a member of an organization is; who is more may do all that who is less may, so roles
 * compare with >=. Pure; any thread.
 */
enum role { ROLE_NONE, ROLE_VIEWER, ROLE_MEMBER, ROLE_ADMIN, ROLE_OWNER };

#endif

/* SPDX-License-Identifier: Apache-2.0 */
#ifndef MODEL_SIGNUP_H
#define MODEL_SIGNUP_H

/* Who may make an account without an invite. */
enum signup {
	SIGNUP_FIRST, /* the first owner, by who runs the server */
	SIGNUP_OPEN,  /* everybody, each with an organization of his own */
	SIGNUP_INVITE /* nobody */
};

#endif

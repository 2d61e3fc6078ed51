/* SPDX-License-Identifier: Apache-2.0 */
#ifndef API_OPENAPI_IMPL_H
#define API_OPENAPI_IMPL_H

#include "api/openapi.h"
#include "api/schema.h"
#include "base/json_put.h"

/* What the two files of the description share: one says what is asked, one what is answered. */
#define RESPONSES_MAX 200 /* different sets of kinds under one status */

/* The kinds under one status that some calls have in common. */
struct response {
	struct slice name;
	int status;
	const enum err_kind *kinds;
	size_t n;
};

struct doc {
	const struct openapi_in *in;
	struct json_w w;
	struct arena arena;
	struct schema schema;
	struct response responses[RESPONSES_MAX];
	size_t n;
};

/* Member "responses" of the open operation. */
void openapi_responses(struct doc *d, const struct route *r);
/* Members "responses" of the components, and "Problem" of their open schemas. */
void openapi_response_components(struct doc *d);
void openapi_problem(struct doc *d);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* First what lets anybody in, then what they would meet. */
#include "api/forget.h"

#include "api/api.h"

void api_forget_org(void *arg, struct org_id org)
{
	struct api *api = arg;

	keyring_del_org(api->keys, org);
	people_del_org(api->people, org);
	live_drop_member(api->live, org, (struct user_id) { 0 });
	project_set_del_org(api->projects, org);
	meter_forget(api->meter, org);
}

/* SPDX-License-Identifier: Apache-2.0 */
#ifndef API_FORGET_H
#define API_FORGET_H

#include "model/id.h"

/*
 * Nothing of an organization is to be found in memory any more: keys, projects, members, limits and
 * streams. Its rows may still be there. arg is the struct api. Loop thread.
 */
void api_forget_org(void *arg, struct org_id org);

#endif

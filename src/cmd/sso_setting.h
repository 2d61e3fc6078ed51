/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CMD_SSO_SETTING_H
#define CMD_SSO_SETTING_H

#include "api/sso/sso.h"
#include "cmd/settings.h"

/*
 * What the settings say of other issuers, put together: in options all is borrowed from the
 * settings or in boot. ERR_INVALID names the setting that is missing, or does not go with others.
 */
NODISCARD bool sso_setting_read(const struct settings *s, struct arena *boot,
				struct sso_options *out, struct err *err);
/* The same, and open it. *out is NULL when there is none. */
NODISCARD bool sso_setting_open(const struct settings *s, struct arena *boot, struct sso **out,
				struct err *err);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CMD_BILLING_SETTING_H
#define CMD_BILLING_SETTING_H

#include "api/api.h"
#include "api/billing/biller.h"
#include "cmd/settings.h"

/*
 * What the settings say of billing. *on is false when nothing is sold. url, key, public_url,
 * meter_event, every_us and ca_file of out are set; texts live in boot or in s. ERR_INVALID: a part
 * is missing, or wrong.
 */
NODISCARD bool billing_setting_read(const struct settings *s, struct arena *boot,
				    struct biller_options *out, bool *on, struct err *err);

/*
 * Open api->biller, unless nothing is sold; no thread yet. api is filled but for that, and
 * its handlers are made before the thread starts: it takes the lock of plans. Blocks.
 */
NODISCARD bool billing_setting_open(const struct settings *s, struct store *store,
				    struct arena *boot, struct api *api, struct err *err);

#endif

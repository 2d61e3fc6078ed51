/* SPDX-License-Identifier: Apache-2.0 */
/* The list of notifications in the product itself: there as soon as the delivery is recorded. */
#include "channel/channel.h"

const struct channel_type channel_in_app = {
	.name = "in_app",
	.label = "In the app",
	.help = "Shows the alert in the list of notifications and on live streams.",
	.transport = CHANNEL_NONE,
	.sample = "{}",
};

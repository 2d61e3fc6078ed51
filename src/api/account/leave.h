/* SPDX-License-Identifier: Apache-2.0 */
#ifndef API_ACCOUNT_LEAVE_H
#define API_ACCOUNT_LEAVE_H

#include "api/account/account.h"
#include "api/audit.h"

/*
 * Accounts that are to be deleted: for some days they can be had back, and who logs in meanwhile
 * may look, take his data along, and change his mind (.while_leaving). Then the keeper forgets them
 * (engine/leavers.h). Worker threads; everything may block on the store.
 */
#define LEAVE_GRACE_US (7 * INT64_C(86400) * 1000000)

/*
 * The user leaves at after_us, and commit: sessions, links and streams end with it. user is as a
 * look found it, and as it is now afterwards; one who leaves already does so when he said first,
 * unless it is sooner now. ERR_CONFLICT: the only owner of an org that stays.
 */
NODISCARD bool leave_begin(struct call *c, struct user_row *user, int64_t after_us,
			   struct audit_note *note, struct err *err);
/* The user stays after all, and commit. ERR_CONFLICT: he did not want to leave; ERR_GONE. */
NODISCARD bool leave_end(struct call *c, struct user_row *user, struct audit_note *note,
			 struct err *err);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
#ifndef API_CHANGE_H
#define API_CHANGE_H

#include "api/call.h"
#include "engine/control.h"

/*
 * A change of what decides: stored in the log as a control record, applied by the engine at its
 * place between the events, and only then answered. Worker thread; blocks until the commit.
 */
#define CHANGE_WAIT_US (10 * INT64_C(1000000))

/*
 * ERR_PRECONDITION when the object is not at control->expect, ERR_NOT_FOUND when it is not there
 * (any more). ERR_OVERLOADED after CHANGE_WAIT_US: the change is stored and will be applied.
 */
NODISCARD bool change_apply(struct call *c, const struct control *control, struct err *err);

#endif

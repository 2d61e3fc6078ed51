/* SPDX-License-Identifier: Apache-2.0 */
/* Failures of the server get the kind that decides whether somebody tries again. */
#include "pg/pg.h"

#include "test/t.h"

TEST(states_map_to_kinds)
{
	T_INT(pg_err_kind("23505"), ERR_CONFLICT);
	T_INT(pg_err_kind("40P01"), ERR_OVERLOADED);
	T_INT(pg_err_kind("53100"), ERR_DISK_FULL);
	T_INT(pg_err_kind("53300"), ERR_OVERLOADED);
	T_INT(pg_err_kind("57P01"), ERR_IO);
	T_INT(pg_err_kind("57014"), ERR_OVERLOADED);
	T_INT(pg_err_kind("08006"), ERR_IO);
	T_INT(pg_err_kind("42601"), ERR_INTERNAL);
	T_INT(pg_err_kind(""), ERR_INTERNAL);
}

TEST(no_server_is_io_and_hides_the_password)
{
	struct err err = { 0 };
	struct pg *pg = NULL;

	T_FAIL(pg_open("postgresql://user:hunter2@127.0.0.1:1/none", "test", "", &pg, &err),
	       ERR_IO);
	T_TRUE(strstr(err.text, "hunter2") == NULL);
	T_TRUE(pg == NULL);
}

T_MAIN(T(states_map_to_kinds), T(no_server_is_io_and_hides_the_password))

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which tables have walls is read from the tables themselves, at each migration: one that is added
 * with an org_id cannot be forgotten. The comparison is a case, since PostgreSQL may work out parts
 * of an "or" in any order, and * is no number.
 */
#include "store/walls.h"

#include "base/buf.h"
#include "store/save.h"

#define SQL_BYTES_MAX ((size_t)64 << 10) /* some kilobytes, and the names of some hundred tables */

/* Of two processes that add the role at the same time, both find it afterwards. */
static const char make_role[] =
	"do $walls$ begin\n"
	"  if (select rolsuper from pg_roles where rolname = current_user)\n"
	"     and not exists (select from pg_roles where rolname = '" WALLS_ROLE "') then\n"
	"    create role " WALLS_ROLE " nologin;\n"
	"  end if;\n"
	"exception when duplicate_object or unique_violation then null;\n"
	"end $walls$;\n"
	"do $walls$ begin\n"
	"  if (select rolsuper from pg_roles where rolname = current_user) then\n"
	"    execute format('grant usage on schema %I to " WALLS_ROLE "', current_schema());\n"
	"  end if;\n"
	"end $walls$;\n";

/* %s: the tables, separated by commas. */
static const char raise_all[] =
	"do $walls$ declare t text; org text; begin\n"
	"  foreach t in array string_to_array('%s', ',') loop\n"
	"    org := case t when 'orgs' then 'id' else 'org_id' end;\n"
	"    if exists (select from pg_attribute where attrelid = t::regclass and attname = org)"
	" then\n"
	"      execute format('alter table %%I enable row level security', t);\n"
	"      execute format('alter table %%I force row level security', t);\n"
	"      execute format('drop policy if exists tocsin_org on %%I', t);\n"
	"      execute format('create policy tocsin_org on %%I using (%%I = case"
	" current_setting(''tocsin.org'') when ''*'' then %%I"
	" else current_setting(''tocsin.org'')::bigint end)', t, org, org);\n"
	"    end if;\n"
	"    if (select rolsuper from pg_roles where rolname = current_user) then\n"
	"      execute format('grant select, insert%%s on %%I to " WALLS_ROLE "',"
	" case t when 'audit_entries' then '' else ', update, delete' end, t);\n"
	"    end if;\n"
	"  end loop;\n"
	"end $walls$;\n";

static const char lower_all[] =
	"do $walls$ declare t text; begin\n"
	"  foreach t in array string_to_array('%s', ',') loop\n"
	"    execute format('drop policy if exists tocsin_org on %%I', t);\n"
	"    execute format('alter table %%I no force row level security', t);\n"
	"    execute format('alter table %%I disable row level security', t);\n"
	"  end loop;\n"
	"end $walls$;\n";

static const char *list_tables(unsigned schema, struct arena *req)
{
	struct slice *names;
	size_t n = store_tables(schema, req, &names);
	struct slice list = { 0 };

	for (size_t i = 0; i < n; i++) {
		list = arena_printf(req, "%.*s%s%.*s", SARG(list), i == 0 ? "" : ",",
				    SARG(names[i]));
	}
	return arena_cstr(req, list);
}

const char *walls_sql(unsigned schema, bool raise, struct arena *req)
{
	const char *tables = list_tables(schema, req);
	struct buf sql;
	char *text;

	buf_init(&sql, SQL_BYTES_MAX);
	if (raise) {
		buf_puts(&sql, slice_of(make_role));
		buf_printf(&sql, raise_all, tables);
	} else {
		buf_printf(&sql, lower_all, tables);
	}
	ensure(!sql.overflow);
	text = arena_cstr(req, buf_slice(&sql));
	buf_release(&sql);
	return text;
}

size_t walls_org_arg(const struct query *q)
{
	const char *columns = strchr(q->sql, '(');
	const char *closed = columns == NULL ? NULL : strchr(columns, ')');
	const char *org = columns == NULL ? NULL : strstr(columns, "org_id");
	size_t n = 0;

	if (!slice_starts(slice_of(q->sql), S("insert into ")) || org == NULL || org > closed) {
		return 0;
	}
	for (const char *at = columns; at < org; at++) {
		n += *at == ',';
	}
	return n;
}

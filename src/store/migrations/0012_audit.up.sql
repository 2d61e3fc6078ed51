-- Who changed what: a chain of entries per org, and one of the installation with org_id 0. Written in
-- the transaction of the change, never changed, and linked by hashes: see doc/audit.md.
create table audit_entries (
	org_id bigint not null,
	number bigint not null,
	id bigint not null unique,
	created_at bigint not null,
	actor text not null,
	actor_id text not null,
	actor_name text not null,
	action text not null,
	target text not null,
	target_id text not null,
	target_name text not null,
	old_fields text not null,
	new_fields text not null,
	address text not null,
	agent text not null,
	request text not null,
	previous_hash text not null,
	hash text not null,
	primary key (org_id, number)
);
create index audit_entries_list on audit_entries (org_id, created_at, number);
create index audit_entries_actor on audit_entries (org_id, actor_id, created_at, number);
create index audit_entries_action on audit_entries (org_id, action, created_at, number);
create index audit_entries_target on audit_entries (org_id, target_id, created_at, number);

-- Where each chain ends, so that a cut end shows; the row that writers of one chain wait for.
create table audit_heads (
	org_id bigint primary key,
	number bigint not null,
	hash text not null
);

-- Entries stay as they are, but for an org that is purged: that takes its head away first.
-- only sqlite
create trigger audit_entries_unchanged before update on audit_entries
begin
	select raise(abort, 'an entry of the audit log is not changed');
end;
create trigger audit_entries_kept before delete on audit_entries
when exists (select 1 from audit_heads where org_id = old.org_id)
begin
	select raise(abort, 'an entry of the audit log is not removed');
end;
-- only postgres
create function audit_entry_stays() returns trigger language plpgsql as $$
begin
	if tg_op = 'DELETE' and not exists
		(select from audit_heads where org_id = old.org_id) then
		return old;
	end if;
	raise exception 'an entry of the audit log stays as it is';
end $$;
create trigger audit_entries_stay before update or delete on audit_entries
	for each row execute function audit_entry_stays();
-- both

-- Entries that have marks cannot be checked without them.
-- only sqlite
drop trigger audit_entries_unchanged;
create trigger audit_entries_unchanged before update on audit_entries
begin
	select raise(abort, 'an entry of the audit log is not changed');
end;
-- only postgres
create or replace function audit_entry_stays() returns trigger language plpgsql as $$
begin
	if tg_op = 'DELETE' and not exists
		(select from audit_heads where org_id = old.org_id) then
		return old;
	end if;
	raise exception 'an entry of the audit log stays as it is';
end $$;
-- both
drop index invites_mail;
alter table audit_entries drop column target_mark;
alter table audit_entries drop column target_salt;
alter table audit_entries drop column actor_mark;
alter table audit_entries drop column actor_salt;

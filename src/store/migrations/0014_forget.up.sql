-- Names and addresses can be taken out of an entry: its hash covers their marks in their place. A
-- mark is the hash of the texts behind a random salt. Entries of before have none, and stay whole.
alter table audit_entries add column actor_salt text not null default '';
alter table audit_entries add column actor_mark text not null default '';
alter table audit_entries add column target_salt text not null default '';
alter table audit_entries add column target_mark text not null default '';

-- Who was invited is found by mail, when he is forgotten.
create index invites_mail on invites (mail);

-- Nothing else of an entry changes, and what was taken out does not come back.
-- only sqlite
drop trigger audit_entries_unchanged;
create trigger audit_entries_unchanged before update on audit_entries
when not (
	new.org_id = old.org_id and new.number = old.number and new.id = old.id
	and new.created_at = old.created_at and new.actor = old.actor
	and new.actor_id = old.actor_id and new.actor_mark = old.actor_mark
	and new.action = old.action and new.target = old.target
	and new.target_id = old.target_id and new.target_mark = old.target_mark
	and new.request = old.request and new.previous_hash = old.previous_hash
	and new.hash = old.hash
	and ((new.actor_name = old.actor_name and new.address = old.address
			and new.agent = old.agent and new.actor_salt = old.actor_salt)
		or (old.actor_mark <> '' and new.actor_name = '' and new.address = ''
			and new.agent = '' and new.actor_salt = ''))
	and ((new.target_name = old.target_name and new.old_fields = old.old_fields
			and new.new_fields = old.new_fields and new.target_salt = old.target_salt)
		or (old.target_mark <> '' and new.target_name = '' and new.old_fields = ''
			and new.new_fields = '' and new.target_salt = ''))
)
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
	if tg_op = 'UPDATE' then
		if (
	new.org_id = old.org_id and new.number = old.number and new.id = old.id
	and new.created_at = old.created_at and new.actor = old.actor
	and new.actor_id = old.actor_id and new.actor_mark = old.actor_mark
	and new.action = old.action and new.target = old.target
	and new.target_id = old.target_id and new.target_mark = old.target_mark
	and new.request = old.request and new.previous_hash = old.previous_hash
	and new.hash = old.hash
	and ((new.actor_name = old.actor_name and new.address = old.address
			and new.agent = old.agent and new.actor_salt = old.actor_salt)
		or (old.actor_mark <> '' and new.actor_name = '' and new.address = ''
			and new.agent = '' and new.actor_salt = ''))
	and ((new.target_name = old.target_name and new.old_fields = old.old_fields
			and new.new_fields = old.new_fields and new.target_salt = old.target_salt)
		or (old.target_mark <> '' and new.target_name = '' and new.old_fields = ''
			and new.new_fields = '' and new.target_salt = ''))
		) then
			return new;
		end if;
	end if;
	raise exception 'an entry of the audit log stays as it is';
end $$;
-- both

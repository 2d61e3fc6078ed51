-- Whether an alert still holds. resolved_at is null while it fires; resolution says why it ended.
-- Alerts from before are over: nobody has followed them.
alter table alerts add column resolved_at bigint;
alter table alerts add column resolution text not null default '';
update alerts set resolved_at = created_at, resolution = 'not_followed';

-- What is wrong now, however long the history is.
create index alerts_firing on alerts (org_id, project_id, created_at, number)
	where resolved_at is null;

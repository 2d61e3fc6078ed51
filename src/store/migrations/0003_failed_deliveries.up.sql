-- What did not arrive and never will, under any of its words, however many did.
create index deliveries_failed on deliveries (org_id, project_id, created_at, number)
	where status in ('dead', 'superseded', 'purged');

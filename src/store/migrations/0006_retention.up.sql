-- What is kept of a project's events, where that is not simply everything: a row for each project
-- that has a time of its own or was emptied, and one for all others, org 0 and project 0.
-- days: -1 takes the server's default, 0 is for ever. Events received before gone_before may be
-- purged already. Those before record deleted_seq were deleted at deleted_at, and their bytes are
-- gone since purged_at (0: not yet).
create table retention (
	org_id bigint not null,
	project_id bigint not null,
	days bigint not null,
	gone_before bigint not null,
	deleted_seq bigint not null,
	deleted_at bigint not null,
	purged_at bigint not null,
	primary key (org_id, project_id)
);

-- What organizations may use in a month, and what it costs: filled by who runs the server, empty
-- while nobody sells anything. A limit of 0 is none. Money is in cents, overage for 1000 events.
create table plans (
	name text primary key,
	display_name text not null,
	price bigint not null,
	events_soft bigint not null,
	events_hard bigint not null,
	rules bigint not null,
	retention_days bigint not null,
	rate bigint not null,
	seats bigint not null,
	projects bigint not null,
	overage bigint not null
);

-- The plan of an organization (an empty text: the default one), and limits that hold for it in the
-- place of the plan's; -1 keeps those.
create table org_plans (
	org_id bigint primary key references orgs (id),
	plan text not null,
	events_soft bigint not null,
	events_hard bigint not null,
	updated_at bigint not null
);

-- What the log holds, counted by UTC day, project, key and type; day is its first microsecond. An
-- empty type stands for those beyond the limit that a day names, key 0 for keys beyond theirs.
-- Written by the engine together with the number of the last record counted. Nothing takes rows
-- away: what was used stays used when events are deleted or over their time.
create table usage_events (
	org_id bigint not null,
	day bigint not null,
	project_id bigint not null,
	key_id bigint not null,
	type text not null,
	count bigint not null,
	primary key (org_id, day, project_id, key_id, type)
);
create index usage_events_day on usage_events (day);

-- 0 counts what is in the log already at the next start.
alter table engine_cursors add column usage_seq bigint not null default 0;

-- Deliveries by the UTC day on which they were sent. Written together with the delivery that
-- becomes sent, so each counts once.
create table usage_sent (
	org_id bigint not null,
	day bigint not null,
	project_id bigint not null,
	count bigint not null,
	primary key (org_id, day, project_id)
);
insert into usage_sent (org_id, day, project_id, count)
	select org_id, done_at - done_at % 86400000000, project_id, count(*) from deliveries
	where status = 'sent' and done_at is not null group by 1, 2, 3;

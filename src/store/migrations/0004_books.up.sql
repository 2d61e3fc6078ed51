-- What the log holds, counted by minute and by hour: one row per type and severity. step is the
-- length of the bucket in microseconds. An empty type stands for those beyond the limit of types
-- that a bucket names. Written by the engine together with the number of the last record counted.
create table rollups (
	org_id bigint not null,
	project_id bigint not null,
	step bigint not null,
	start_at bigint not null,
	type text not null,
	severity bigint not null,
	count bigint not null,
	primary key (org_id, project_id, step, start_at, type, severity)
);
create index rollups_age on rollups (step, start_at);

-- 0 counts what is in the log already at the next start.
alter table engine_cursors add column rollup_seq bigint not null default 0;

-- What became of what was sent, by minute and by hour: a row "received", and one per outcome.
-- Counted in memory and saved every second, so a crash may lose the newest of them.
create table outcomes (
	org_id bigint not null,
	project_id bigint not null,
	step bigint not null,
	start_at bigint not null,
	outcome text not null,
	count bigint not null,
	primary key (org_id, project_id, step, start_at, outcome)
);
create index outcomes_age on outcomes (step, start_at);

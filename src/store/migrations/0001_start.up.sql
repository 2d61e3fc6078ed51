-- The first schema. Times are microseconds since 1970, truth is 0 or 1, JSON and hashes are text.
-- Tables of tenant data have org_id. What the engine writes has no foreign keys: its rows follow
-- from the journal, and an organization that is gone must not stop the log.

-- Small facts about the installation: the journal this state belongs to, one-time marks.
create table meta (
	key text primary key,
	value text not null
);

-- How far the engine has applied each partition of the journal, committed with what it decided.
-- The fence rises with each new engine, so that an old one can commit nothing more.
create table engine_cursors (
	partition_id bigint primary key,
	journal text not null,
	seq bigint not null,
	alerts bigint not null,
	deliveries bigint not null,
	updated_at bigint not null,
	fence bigint not null
);

-- The tenants.
create table orgs (
	id bigint primary key,
	slug text not null unique,
	name text not null,
	status text not null,
	created_at bigint not null
);

-- Parts of an org that own keys, rules and events. Every org has one default.
create table projects (
	id bigint primary key,
	org_id bigint not null references orgs (id),
	slug text not null,
	name text not null,
	is_default bigint not null check (is_default in (0, 1)),
	created_at bigint not null,
	unique (org_id, slug),
	unique (org_id, id)
);
create unique index projects_default on projects (org_id) where is_default = 1;
create index projects_list on projects (org_id, created_at, id);

-- Keys of programs. Only the hash is kept; revoked keys stay to be seen.
create table api_keys (
	id bigint primary key,
	org_id bigint not null,
	project_id bigint not null,
	name text not null,
	key_hash text not null unique,
	key_prefix text not null,
	scopes text not null,
	created_at bigint not null,
	expires_at bigint,
	revoked_at bigint,
	last_used_at bigint,
	foreign key (org_id, project_id) references projects (org_id, id)
);
create index api_keys_list on api_keys (org_id, created_at, id);

-- Rules as applied by the engine: the newest version each, written from control records.
create table rules (
	id bigint primary key,
	org_id bigint not null,
	project_id bigint not null,
	name text not null,
	version bigint not null,
	definition text not null,
	event_type text not null,
	enabled bigint not null check (enabled in (0, 1)),
	created_at bigint not null,
	updated_at bigint not null,
	deleted_at bigint,
	seq bigint not null
);
create index rules_list on rules (org_id, created_at, id);

-- One row per firing. The number is dense and comes from the engine's cursor.
create table alerts (
	number bigint primary key,
	org_id bigint not null,
	project_id bigint not null,
	rule_id bigint not null,
	rule_version bigint not null,
	rule_name text not null,
	event_seq bigint not null,
	event_at bigint not null,
	event_type text not null,
	key text not null,
	severity text not null,
	count bigint not null,
	count_is_least bigint not null check (count_is_least in (0, 1)),
	title text not null,
	cid text not null,
	created_at bigint not null
);
create index alerts_list on alerts (org_id, project_id, created_at, number);

-- One message to one destination each. due_at is set exactly while something must still happen:
-- when to send next, or, while sending, when the claim lapses. So the small index deliveries_due
-- serves claims, the queue's depth, and the start after a crash.
create table deliveries (
	number bigint primary key,
	org_id bigint not null,
	project_id bigint not null,
	alert_number bigint not null,
	alert_at bigint not null,
	rule_id bigint not null,
	rule_name text not null,
	action_index bigint not null,
	event_seq bigint not null,
	event_at bigint not null,
	event_type text not null,
	channel text not null,
	destination text not null,
	config text not null,
	payload text not null,
	cid text not null,
	status text not null check (status in
		('pending', 'sending', 'retrying', 'sent', 'dead', 'superseded', 'purged')),
	attempts bigint not null,
	attempts_total bigint not null,
	created_at bigint not null,
	due_at bigint,
	done_at bigint,
	last_error text not null,
	last_status bigint not null,
	claim bigint,
	check ((due_at is null) = (status not in ('pending', 'sending', 'retrying'))),
	check ((claim is null) = (status <> 'sending'))
);
create index deliveries_due on deliveries (due_at) where due_at is not null;
create index deliveries_list on deliveries (org_id, project_id, created_at, number);
create index deliveries_dead on deliveries (org_id, project_id, created_at, number)
	where status = 'dead';

-- One try each; n counts from 1 over the whole life of the delivery.
create table attempts (
	delivery_number bigint not null,
	n bigint not null,
	org_id bigint not null,
	started_at bigint not null,
	ended_at bigint not null,
	duration bigint not null,
	outcome text not null,
	http_status bigint not null,
	error text not null,
	primary key (delivery_number, n)
);

-- The newest change number of each org. Its row is locked until the writer commits, which makes
-- the order of numbers the order of commits.
create table change_heads (
	org_id bigint primary key,
	number bigint not null
);

-- What live streams tell, kept for a day.
create table changes (
	org_id bigint not null,
	number bigint not null,
	project_id bigint not null,
	kind text not null,
	body text not null,
	created_at bigint not null,
	primary key (org_id, number)
);

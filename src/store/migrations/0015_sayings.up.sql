-- What the server itself has to tell an org, until it is an event of the log, and some time after.
-- The name says what is told (which month, which limit, which delivery), so nothing is told twice.
-- said_seq is set by the engine when it applies the event.
create table sayings (
	org_id bigint not null,
	name text not null,
	type text not null,
	message text not null,
	payload text not null,
	created_at bigint not null,
	said_seq bigint,
	primary key (org_id, name)
);
create index sayings_unsaid on sayings (created_at) where said_seq is null;
create index sayings_age on sayings (created_at);

-- Built-in rules that an org has changed; the others are as the program has them. Written by the
-- engine from control records.
create table builtin_rules (
	org_id bigint not null,
	name text not null,
	version bigint not null,
	definition text not null,
	updated_at bigint not null,
	seq bigint not null,
	primary key (org_id, name)
);

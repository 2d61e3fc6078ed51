-- Replies to requests that came with an Idempotency-Key, written in the transaction of the change:
-- there is a row exactly when the change was made. key_hash is of the key and of whose it is,
-- request_hash of what was asked. whole 0: the reply held a secret or was too large, only the id of
-- what was made is here. Rows go when they have expired. No foreign keys: the engine writes some.
create table replies (
	org_id bigint not null,
	key_hash text not null,
	request_hash text not null,
	status bigint not null,
	whole bigint not null check (whole in (0, 1)),
	etag text not null,
	location text not null,
	object text not null,
	body text not null,
	created_at bigint not null,
	expires_at bigint not null,
	primary key (org_id, key_hash)
);
create index replies_age on replies (expires_at);

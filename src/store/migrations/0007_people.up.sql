-- People. One user may be a member of many orgs, so a user and what hangs on a user alone (sessions,
-- tokens, links, codes) belong to the installation and have no org_id; what ties users to an org
-- has. Secrets are here as hashes, or sealed under the installation's key.
create table users (
	id bigint primary key,
	mail text not null unique,
	name text not null,
	-- The hash; null: signs in elsewhere.
	password text,
	password_at bigint,
	status text not null check (status in ('active', 'disabled')),
	mail_verified_at bigint,
	-- Sealed. It counts from totp_at on; totp_step is the newest step that was taken, so that no
	-- code is taken twice.
	totp text,
	totp_at bigint,
	totp_step bigint not null,
	created_at bigint not null,
	last_login_at bigint,
	delete_after bigint
);
create index users_list on users (created_at, id);
create index users_leaving on users (delete_after) where delete_after is not null;

-- Who may what in which org.
create table memberships (
	org_id bigint not null references orgs (id),
	user_id bigint not null references users (id) on delete cascade,
	role text not null check (role in ('viewer', 'member', 'admin', 'owner')),
	created_at bigint not null,
	primary key (org_id, user_id)
);
create index memberships_list on memberships (org_id, created_at, user_id);
create index memberships_user on memberships (user_id, org_id);

-- Where users are logged in. The hash before the current one is remembered: who sends that token
-- again has an old copy, and the session ends. proved_at: when password or code were last given.
create table sessions (
	id bigint primary key,
	user_id bigint not null references users (id) on delete cascade,
	current_org bigint,
	refresh_hash text not null unique,
	previous_hash text unique,
	created_at bigint not null,
	refreshed_at bigint not null,
	expires_at bigint not null,
	proved_at bigint,
	last_used_at bigint,
	address text not null,
	agent text not null
);
create index sessions_user on sessions (user_id, created_at, id);
create index sessions_age on sessions (expires_at);

-- Who was asked to join. One open invite per org and mail.
create table invites (
	id bigint primary key,
	org_id bigint not null references orgs (id),
	mail text not null,
	role text not null check (role in ('viewer', 'member', 'admin', 'owner')),
	token_hash text not null unique,
	invited_by bigint,
	created_at bigint not null,
	expires_at bigint not null,
	sent_at bigint,
	sent_count bigint not null,
	accepted_at bigint,
	accepted_by bigint,
	revoked_at bigint
);
create unique index invites_open on invites (org_id, mail)
	where accepted_at is null and revoked_at is null;
create index invites_list on invites (org_id, created_at, id);

-- What a link in a mail may do once: one per user and purpose, so that a new one ends the older.
create table one_time_tokens (
	token_hash text primary key,
	user_id bigint not null references users (id) on delete cascade,
	purpose text not null,
	data text not null,
	created_at bigint not null,
	expires_at bigint not null,
	unique (user_id, purpose)
);
create index one_time_tokens_age on one_time_tokens (expires_at);

-- Codes for who has lost the second factor; each is good once.
create table recovery_codes (
	user_id bigint not null references users (id) on delete cascade,
	code_hash text not null,
	used_at bigint,
	primary key (user_id, code_hash)
);

-- Who a user is elsewhere: the issuer's word for the user.
create table oidc_links (
	issuer text not null,
	subject text not null,
	user_id bigint not null references users (id) on delete cascade,
	mail text not null,
	created_at bigint not null,
	last_login_at bigint,
	primary key (issuer, subject)
);
create index oidc_links_user on oidc_links (user_id, created_at);

-- What access tokens are signed with, newest number last. The private half is sealed; signing ends
-- at sign_until, checking at check_until.
create table sign_keys (
	number bigint primary key,
	kid text not null unique,
	public text not null,
	private text not null,
	created_at bigint not null,
	sign_until bigint not null,
	check_until bigint not null
);

-- Orgs that are suspended, or leave after their days of grace. settings is a JSON object.
alter table orgs add column suspended_at bigint;
alter table orgs add column delete_after bigint;
alter table orgs add column settings text not null default '{}';
create index orgs_leaving on orgs (delete_after) where delete_after is not null;

-- Whose project it is; names of its environments and the origins of pages that may send events,
-- both JSON arrays.
alter table projects add column owner_id bigint;
alter table projects add column environments text not null default '[]';
alter table projects add column origins text not null default '[]';
alter table projects add column delete_after bigint;

-- Which user made a key, which key took its place, and where it was used last.
alter table api_keys add column made_by bigint;
alter table api_keys add column rotated_to bigint;
alter table api_keys add column last_used_address text not null default '';

-- Who was wrong how often: logins by account, logins and API keys by address. kind says which,
-- subject a hash of whose they are; nothing of a tenant. Rows go when they are forgotten.
create table guesses (
	kind bigint not null,
	subject text not null,
	failures bigint not null,
	last_at bigint not null,
	primary key (kind, subject)
);
create index guesses_last on guesses (last_at);

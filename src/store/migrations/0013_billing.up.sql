-- What the payment provider calls the price of a plan, and of its overage; empty: it is not sold.
alter table plans add column price_ref text not null default '';
alter table plans add column overage_price_ref text not null default '';

-- Who an organization is to the payment provider, and what it pays for, as the provider said when it
-- was asked last. hints counts reasons to ask again, heeded those that the last answer came after.
-- plan is what was put into org_plans because of it. behind_at: since when a payment is overdue, or
-- 0. failed_at and paid_at: the newest payment that failed, and that went well. leaving: 1 the
-- subscription is to end, 2 it was told to, 3 it is to go on after all.
create table billing (
	org_id bigint primary key references orgs (id),
	customer text unique,
	checkouts bigint not null,
	checkout text not null,
	subscription text not null,
	status text not null,
	price text not null,
	plan text not null,
	period_start bigint not null,
	period_end bigint not null,
	ends bigint not null check (ends in (0, 1)),
	hints bigint not null,
	heeded bigint not null,
	asked_at bigint not null,
	behind_at bigint not null,
	failed_at bigint not null,
	paid_at bigint not null,
	leaving bigint not null check (leaving between 0 and 3),
	updated_at bigint not null
);
create index billing_asked on billing (asked_at) where customer is not null;
create index billing_behind on billing (org_id) where behind_at > 0;

-- Messages of the provider that had an effect, so that each has it once; kept for some weeks.
create table billing_events (
	org_id bigint not null references orgs (id),
	id text not null,
	kind text not null,
	created_at bigint not null,
	received_at bigint not null,
	primary key (org_id, id)
);
create index billing_events_age on billing_events (received_at);

-- Events of a month that are billed beyond the price: accrued of the first seen ones; soft is how many
-- are included from there on, -1: nothing is billed. settled: nothing changes any more.
create table billing_months (
	org_id bigint not null references orgs (id),
	month bigint not null,
	soft bigint not null,
	seen bigint not null,
	accrued bigint not null,
	settled bigint not null check (settled in (0, 1)),
	primary key (org_id, month)
);
create index billing_months_open on billing_months (org_id, month) where settled = 0;

-- What the provider is told of it, in thousands, written before it is told: told_at is the time that
-- is told, tried_at when it was tried first since it was last known not to have arrived, done_at when
-- it was known to have arrived. One at a time is under way.
create table billing_reports (
	org_id bigint not null references orgs (id),
	month bigint not null,
	number bigint not null,
	customer text not null,
	thousands bigint not null check (thousands > 0),
	told_at bigint not null,
	tried_at bigint not null,
	done_at bigint not null,
	lost bigint not null check (lost in (0, 1)),
	primary key (org_id, month, number)
);
create unique index billing_reports_open on billing_reports (org_id) where done_at = 0;

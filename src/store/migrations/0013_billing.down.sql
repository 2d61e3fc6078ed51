drop table billing_reports;
drop table billing_months;
drop table billing_events;
drop table billing;
alter table plans drop column overage_price_ref;
alter table plans drop column price_ref;

drop table usage_sent;
alter table engine_cursors drop column usage_seq;
drop table usage_events;
drop table org_plans;
drop table plans;

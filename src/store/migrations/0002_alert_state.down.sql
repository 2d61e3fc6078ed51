drop index alerts_firing;
alter table alerts drop column resolution;
alter table alerts drop column resolved_at;

drop index deliveries_held;
alter table deliveries drop column held_for;

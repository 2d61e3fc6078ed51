-- Whose return a delivery waits for: scheme, host and port. Null: nobody's, it goes when it is due.
alter table deliveries add column held_for text;
create index deliveries_held on deliveries (held_for, number) where held_for is not null;

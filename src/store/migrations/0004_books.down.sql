drop table outcomes;
alter table engine_cursors drop column rollup_seq;
drop table rollups;

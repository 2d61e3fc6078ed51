-- Back to an empty store, in the reverse order of references.
drop table changes;
drop table change_heads;
drop table attempts;
drop table deliveries;
drop table alerts;
drop table rules;
drop table api_keys;
drop table projects;
drop table orgs;
drop table engine_cursors;
drop table meta;

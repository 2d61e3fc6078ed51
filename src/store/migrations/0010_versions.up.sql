-- How often a project and a key were changed: whoever changes one says which version was meant.
alter table projects add column version bigint not null default 1;
alter table api_keys add column version bigint not null default 1;
create index api_keys_project on api_keys (org_id, project_id, created_at, id);

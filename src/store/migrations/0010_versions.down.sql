drop index api_keys_project;
alter table api_keys drop column version;
alter table projects drop column version;

drop table audit_heads;
drop table audit_entries;
-- only postgres
drop function audit_entry_stays();
-- both

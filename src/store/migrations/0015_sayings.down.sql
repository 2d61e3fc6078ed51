drop table builtin_rules;
drop table sayings;

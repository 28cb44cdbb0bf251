"""Who there is: tenants, users, keys, groups, roles, and what policies hang on them. Rules over records; no HTTP."""

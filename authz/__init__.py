"""May this principal do this action on this resource.

Belongs here: the relation schema and its compiler, the policy language, the Python face of the engine. Does not belong
here: the decision itself, which is Rust (`rust/crates/authz`), and anything that speaks HTTP.
"""

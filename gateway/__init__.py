"""S3 semantics of the control plane: the table of operations, its Python handlers, configuration, admin API, CLI."""

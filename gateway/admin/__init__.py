"""The admin HTTP API: health, metrics, tenants, users, keys, statistics."""

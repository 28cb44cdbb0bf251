"""What tenants share with each other: shares, and mounts of them. Rules over records; no HTTP."""

"""The Valkey, worker and sandbox that a command starts for itself."""

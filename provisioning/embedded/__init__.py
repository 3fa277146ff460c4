"""The Valkey, worker and sandbox that a command starts by itself."""

"""What every side shares: the nouns of a job, its lifecycle, the ledger that keeps it, the settings."""

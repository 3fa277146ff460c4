"""What all programs share: the job, its lifecycle, the ledger that stores it, the settings."""

"""Results of a batch: outcome files, the history of a job, reconciliation with a table."""

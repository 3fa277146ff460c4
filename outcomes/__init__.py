"""What came of a batch: outcome files, the story of a job, reconciliation by a table."""

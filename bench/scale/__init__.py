"""A thousand to a million rows from CSV to settled: what grows with them, and what does not."""

"""How jobs are submitted: readers, rows, and writing to the ledger."""

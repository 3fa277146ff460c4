"""How jobs get in: readers, rows, and handing over to the ledger."""

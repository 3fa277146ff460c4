"""What the command line shows: reports, tables and progress."""

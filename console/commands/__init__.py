"""The verbs of the command line, a file a group. Each unpacks its arguments, calls, and shows."""

"""The console in a browser: pages over the same functions as the command line and the HTTP API."""

"""Downloads a file of jobs from an HTTPS address: all its pages, from public addresses only."""

"""The same job done by this program, by what a user would take instead, and by a bare loop: measured."""

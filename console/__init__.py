"""How people look and act: the command line, progress, reports."""

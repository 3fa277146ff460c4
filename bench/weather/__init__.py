"""Weathers: what an API's bad days do to a batch, for this program, a plain loop and the best peers."""

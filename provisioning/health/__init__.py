"""Liveness, heartbeats, and the health probe that reads them."""

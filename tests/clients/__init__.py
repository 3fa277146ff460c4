"""Clients that others' generators make of our OpenAPI document, and what a linter says about it."""

"""The HTTP API: requests, queries, operations, events, webhooks and the access to them."""

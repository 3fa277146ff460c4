"""Celery's side: the app, the queue, and transports that lose no message."""

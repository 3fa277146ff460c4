"""The process of a worker: Celery's app and consumer, threads, watchdog."""

"""How fast a worker sends: queues by credential, concurrency limit, failure detector, learned rates."""

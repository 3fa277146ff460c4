"""Which jobs a worker takes: the engine, the rescuer of expired leases, circuit breakers."""

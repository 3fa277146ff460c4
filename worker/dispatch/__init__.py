"""Which jobs a worker takes: the engine, the rescuer of lapsed leases, circuit breakers."""

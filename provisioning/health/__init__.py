"""Signs of life: liveness, heartbeats, and the probe that reads them."""

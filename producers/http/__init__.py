"""The HTTP door: other services hand jobs over, look, and act. `server` is its composition root."""

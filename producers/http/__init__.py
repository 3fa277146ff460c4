"""The HTTP door: other services hand jobs over, look, and act."""

from producers.http.app import make_app
from producers.http.door import Door

__all__ = ["Door", "make_app"]

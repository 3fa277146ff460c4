"""The causes of `provisioning.causes`, where the worker has always found them."""

from provisioning.causes import Cause, http_status

__all__ = ["Cause", "http_status"]

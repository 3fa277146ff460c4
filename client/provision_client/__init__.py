"""
A client for services: hand widgets to be created over, and see what became of them.

    with Client("https://provision.internal", token) as client:
        taken = client.submit_job({"key": "tenant-42", "bot": {"id": "100200342"}})
        client.job(taken["job"])["state"]

`AsyncClient` is the same with `await`. `send_message` hands jobs over by Celery, for services that share the
broker. It is all plain JSON: whoever speaks another language writes it in an hour.
"""

from provision_client._async.client import AsyncClient
from provision_client._sync.client import Client
from provision_client.messages import TASK, send_message
from provision_client.requests import RefusedError

__all__ = ["TASK", "AsyncClient", "Client", "RefusedError", "send_message"]

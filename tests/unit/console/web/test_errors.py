"""Errors where a person looks are pages; where a program asks they stay JSON."""

from __future__ import annotations

from collections.abc import AsyncIterator

import httpx
import pytest
from fastapi import FastAPI

from api.app import make_app
from api.state import AppState
from console.web.site import add_pages
from producers.notifier import BackgroundNotifier
from provisioning.config.settings import Settings
from provisioning.ledger import Ledger


@pytest.fixture
async def client(ledger: Ledger) -> AsyncIterator[httpx.AsyncClient]:
    settings = Settings()
    notifier = BackgroundNotifier(lambda _: None)
    app = make_app(AppState(settings, ledger, notifier))
    guarded = add_pages(app, settings)
    _break(app)
    transport = httpx.ASGITransport(guarded, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
        yield client
    notifier.close()


def _break(app: FastAPI) -> None:
    async def broken() -> None:
        raise RuntimeError("secret of a tenant")

    for path in ("/broken", "/v1/broken"):
        app.add_api_route(path, broken)


async def test_an_unexpected_error_is_a_page_without_its_text(client: httpx.AsyncClient) -> None:
    answer = await client.get("/broken", headers={"Accept-Language": "es"})
    assert (answer.status_code, answer.headers["content-type"]) == (500, "text/html; charset=utf-8")
    assert "Un error nuestro" in answer.text
    assert "secret" not in answer.text


async def test_a_page_that_is_not_there_is_a_page(client: httpx.AsyncClient) -> None:
    answer = await client.get("/nothing-here")
    assert (answer.status_code, "Not found" in answer.text) == (404, True)


async def test_the_http_api_answers_as_before(client: httpx.AsyncClient) -> None:
    for path, status in (("/v1/broken", 500), ("/v1/nothing", 404)):
        answer = await client.get(path)
        assert answer.status_code == status
        assert answer.headers["content-type"] == "application/problem+json"

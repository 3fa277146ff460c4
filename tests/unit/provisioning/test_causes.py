"""Every documented cause is explained once, with a sentence on what to do."""

from __future__ import annotations

import pytest

from provisioning.causes import CAUSES, Cause, advice

WORDS = [word for group in CAUSES.values() for word in group]


def test_every_cause_of_the_program_is_explained_once() -> None:
    assert set(Cause) <= set(WORDS)
    assert len(WORDS) == len(set(WORDS))


@pytest.mark.parametrize("cause", [*WORDS, "http_500", "http_504", "http_418", "a_key_of_the_api"])
def test_the_advice_on_every_cause_is_a_sentence(cause: str) -> None:
    said = advice(cause)
    assert said[0].isupper()
    assert said.endswith(".")


def test_a_5xx_is_never_called_safe_to_send_again() -> None:
    assert "--accept-duplicates" in advice("http_502")
    assert "reconcile" in advice("http_504")

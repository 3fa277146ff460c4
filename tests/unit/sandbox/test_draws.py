from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from sandbox.draws import DIGEST_BYTES, digest, draw


@given(st.integers(), st.text(), st.binary(), st.integers(1, 10**6))
def test_a_draw_is_on_the_unit_interval_and_repeats_itself(
    seed: int, name: str, body: bytes, nth: int
) -> None:
    drawn = draw(seed, name, digest(body), nth)
    assert 0 <= drawn < 1
    assert drawn == draw(seed, name, digest(body), nth)


def test_seed_name_body_and_repetition_each_change_the_draw() -> None:
    body = digest(b"x")
    draws = {
        draw(1, "error-500", body, 1),
        draw(2, "error-500", body, 1),
        draw(1, "error-502", body, 1),
        draw(1, "error-500", digest(b"y"), 1),
        draw(1, "error-500", body, 2),
    }
    assert len(draws) == 5


def test_draws_are_spread_evenly() -> None:
    tenths = [0] * 10
    for n in range(10_000):
        tenths[int(draw(1, "error-500", digest(b"%d" % n), 1) * 10)] += 1
    assert min(tenths) > 850  # expected 1000 each, standard deviation 30
    assert max(tenths) < 1150


def test_a_digest_is_the_first_half_of_sha256() -> None:
    assert digest(b"").hex() == "e3b0c44298fc1c149afbf4c8996fb924"
    assert len(digest(b"x")) == DIGEST_BYTES

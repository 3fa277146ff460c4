"""Form tokens under a pad: a page never repeats one, and each form of it is accepted."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from console.web.guard import FORM_TOKEN_BYTES, is_form_token, masked_form_token
from console.web.visitor import Visitor
from provisioning.ledger.sessions import Session
from provisioning.ledger.tokens import Scope, make_token

BYTES = st.binary(min_size=FORM_TOKEN_BYTES, max_size=FORM_TOKEN_BYTES)


@given(BYTES, BYTES, BYTES)
def test_every_masked_form_of_a_token_is_the_token(token: bytes, pad: bytes, other_pad: bytes) -> None:
    shown, known = masked_form_token(token, pad), masked_form_token(token, other_pad)
    assert is_form_token(shown, known)
    assert (shown == known) == (pad == other_pad)


@given(BYTES, BYTES, BYTES, BYTES)
def test_another_token_is_none_under_any_pad(
    token: bytes, other: bytes, pad: bytes, other_pad: bytes
) -> None:
    same = is_form_token(masked_form_token(token, pad), masked_form_token(other, other_pad))
    assert same == (token == other)


@given(st.text(max_size=80), BYTES, BYTES)
def test_no_text_that_a_form_may_send_is_an_error(text: str, token: bytes, pad: bytes) -> None:
    assert not is_form_token(text, masked_form_token(token, pad))


@given(BYTES, st.integers(0, FORM_TOKEN_BYTES * 16 - 1))
def test_one_changed_bit_makes_another_token(token: bytes, bit: int) -> None:
    masked = int(masked_form_token(token, bytes(FORM_TOKEN_BYTES)), 16) ^ (1 << bit)
    shown = f"{masked:0{4 * FORM_TOKEN_BYTES}x}"
    assert not is_form_token(shown, masked_form_token(token, bytes(FORM_TOKEN_BYTES)))


def test_each_page_of_a_session_has_another_form_of_the_same_token() -> None:
    token, _ = make_token("ana", [Scope.READ], 0.0)
    session = Session(token.id, 0.0, "secret of the session")
    pages = [Visitor(token, session) for _ in range(3)]
    assert len({page.form_token for page in pages}) == 3
    assert pages[0].form_token == pages[0].form_token
    assert all(is_form_token(page.form_token, pages[0].form_token) for page in pages)
    other = Visitor(token, Session(token.id, 0.0, "secret of another"))
    assert not is_form_token(other.form_token, pages[0].form_token)

"""Passwords as values: what may be one, what is kept of it, who knows it."""

from __future__ import annotations

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from provisioning.errors import InvalidInputError
from provisioning.password import (
    LONGEST,
    OF_NOBODY,
    SHORTEST,
    N,
    P,
    R,
    check_new_password,
    hash_password,
    is_password,
)

QUICK = {"n": 2**4, "r": 1, "p": 1}


TYPED = st.text(st.characters(exclude_categories=("Cc", "Cs")), max_size=40)
"""What `check_new_password` lets be one."""


@settings(max_examples=50)
@given(TYPED, st.text(max_size=40))
@example("", "\0")
@example("a", "a\0\0")
def test_a_password_is_known_by_itself_alone(password: str, other: str) -> None:
    kept = hash_password(password, b"salt", **QUICK)
    assert is_password(password, kept)
    if other.isascii() and password.isascii():
        assert is_password(other, kept) == (other == password)


@settings(max_examples=50)
@given(TYPED, TYPED)
def test_two_passwords_are_alike_either_way_round(one: str, other: str) -> None:
    kept = [hash_password(each, b"salt", **QUICK) for each in (one, other)]
    assert is_password(other, kept[0]) == is_password(one, kept[1])


def test_what_is_kept_has_its_own_salt_and_parameters_and_does_not_show_them() -> None:
    one, other = (hash_password("correct horse battery", salt, **QUICK) for salt in (b"1", b"2"))
    assert one.digest != other.digest
    assert (one.n, one.r, one.p) == (16, 1, 1)
    assert repr(one.digest) not in repr(one)
    assert is_password("correct horse battery", one)
    assert not is_password("correct horse batterY", one)


def test_letters_are_the_same_from_every_keyboard() -> None:
    kept = hash_password("contrase\u00f1a de Ana", b"salt", **QUICK)
    assert is_password("contrasen\u0303a de Ana", kept)


def test_an_unknown_name_costs_as_much_as_a_known_one() -> None:
    """RFC 7914: the work of scrypt depends on its parameters alone."""
    assert (OF_NOBODY.n, OF_NOBODY.r, OF_NOBODY.p) == (N, R, P)
    assert len(OF_NOBODY.digest) == len(hash_password("x", b"salt", **QUICK).digest)
    assert not is_password("", OF_NOBODY)


def test_the_parameters_are_those_of_the_source() -> None:
    assert (N, R, P) in {(2**17, 8, 1), (2**16, 8, 2), (2**15, 8, 3), (2**14, 8, 5), (2**13, 8, 10)}


@pytest.mark.parametrize(
    "password",
    [
        "",
        "x" * (SHORTEST - 1),
        "\ufb03" * 3 + "x",  # one sign each, which is three letters when normalised
        "a password\nof two lines",
        "a password\x00 with a null",
        "a password \udcff of another encoding",
        "x" * (LONGEST + 1),
        "\ufdfa" * LONGEST,
        "Ana.Of.The.Agency",
    ],
)
def test_what_may_not_be_a_password_is_refused_and_not_repeated(password: str) -> None:
    with pytest.raises(InvalidInputError) as refused:
        check_new_password(password, "ana.of.the.agency")
    assert not password or password not in refused.value.message + refused.value.hint


@pytest.mark.parametrize("password", ["x" * SHORTEST, "cuatro palabras con eñes", "x" * LONGEST, " " * 12])
def test_length_alone_makes_a_password(password: str) -> None:
    check_new_password(password, "ana")

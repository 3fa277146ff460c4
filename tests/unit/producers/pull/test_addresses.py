"""Which addresses may be called on somebody's word."""

from __future__ import annotations

import socket

import pytest
from hypothesis import given
from hypothesis import strategies as st

from producers.pull.addresses import (
    PrivateAddressError,
    _public_socket,
    check_address,
    is_public,
    origin_of,
)
from provisioning.errors import InvalidInputError

PRIVATE = """
    127.0.0.1 10.1.2.3 172.16.0.1 192.168.1.1 169.254.169.254 100.64.0.1 0.0.0.0 224.0.0.1
    255.255.255.255 240.0.0.1 ::1 :: fe80::1 fc00::1 ff02::1 ::ffff:127.0.0.1 ::ffff:10.0.0.1 64:ff9b::7f00:1
    2002:7f00:1:: 192.0.2.1 198.18.0.1 fe80::1%eth0
"""


@pytest.mark.parametrize("address", PRIVATE.split())
def test_no_private_address_is_public(address: str) -> None:
    assert not is_public(address)


@pytest.mark.parametrize("address", ["1.1.1.1", "93.184.216.34", "2606:4700:4700::1111", "::ffff:1.1.1.1"])
def test_addresses_of_the_internet_are_public(address: str) -> None:
    assert is_public(address)


@pytest.mark.parametrize(
    "url",
    [
        "http://crm.example/t",
        "ftp://crm.example/t",
        "file:///etc/passwd",
        "https://",
        "https://user:pass@crm.example/",
        "https://127.0.0.1/",
        "https://[::1]/",
        "https://169.254.169.254/latest/meta-data",
        "https://crm.example:port/",
        "https://crm.example:\u00b2/",
        "https://\uff11\uff12\uff17.\uff10.\uff10.\uff11/",
        "https://127\u30020\u30020\u30021/",
        "https://\u2460\u2461\u2466.0.0.1/",
        "https://[::ffff:127.0.0.1]/",
        "https://2130706433/",
        "https://0177.0.0.1/",
        "https://127.1/",
        "https://127.0.0.1./",
        "https://[::1/",
        "https://1.1.1.1\\@127.0.0.1/",
        "https://" + "a" * 70 + ".example/",
    ],
)
def test_what_need_not_be_resolved_is_judged_at_once(url: str) -> None:
    with pytest.raises(InvalidInputError) as refused:
        check_address(url, allow_private=False)
    assert "pass" not in refused.value.message.replace("password", "")


def test_private_addresses_can_be_allowed() -> None:
    check_address("http://127.0.0.1:8000/tenants", allow_private=True)


DIGITS = st.sampled_from(["0123456789", "０１２３４５６７８９", "⁰¹²³⁴⁵⁶⁷⁸⁹", "⓪①②③④⑤⑥⑦⑧⑨", "₀₁₂₃₄₅₆₇₈₉"])


@given(DIGITS, st.sampled_from(".．。｡"), st.sampled_from(["127.0.0.1", "10.1.2.3", "169.254.169.254"]))
def test_a_private_address_in_whatever_digits_is_refused(digits: str, dot: str, address: str) -> None:
    written = "".join(dot if char == "." else digits[int(char)] for char in address)
    with pytest.raises(InvalidInputError):
        check_address(f"https://{written}/", allow_private=False)


@pytest.mark.parametrize("address", PRIVATE.split())
def test_no_socket_is_made_to_connect_to_a_private_address(address: str) -> None:
    with pytest.raises(PrivateAddressError):
        _public_socket((socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, 443)))


def test_an_origin_is_what_is_called_not_how_it_is_written() -> None:
    assert origin_of("https://CRM.example:443/t?x") == origin_of("https://crm．example/")
    assert origin_of("https://crm.example/") != origin_of("http://crm.example/")


@pytest.mark.parametrize(
    "url", ["https://例え.jp/", "https://crm.example./t", "https://straße.de/", "https://1.1.1.1/"]
)
def test_names_of_the_internet_are_left_to_the_look_up(url: str) -> None:
    check_address(url, allow_private=False)

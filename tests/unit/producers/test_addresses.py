"""Which addresses may be called on somebody's word."""

from __future__ import annotations

import pytest

from producers.addresses import check_address, is_public
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
    ],
)
def test_what_need_not_be_resolved_is_judged_at_once(url: str) -> None:
    with pytest.raises(InvalidInputError) as refused:
        check_address(url, allow_private=False)
    assert "pass" not in refused.value.message.replace("password", "")


def test_private_addresses_can_be_allowed() -> None:
    check_address("http://127.0.0.1:8000/tenants", allow_private=True)

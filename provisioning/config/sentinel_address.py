"""
The address of a Redis behind Sentinels: their places, and their name for its primary.

    sentinel://[USER:PASSWORD@]HOST[:26379],HOST[:26379]/NAME[/DATABASE][?OPTIONS]

User and password are those of the Redis; those of the Sentinels are the options `sentinel_username` and
`sentinel_password`. `sentinels://` is TLS to all of them, with the options of `rediss://`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Self
from urllib.parse import parse_qsl, quote, unquote, urlencode

from provisioning.config.redis_address import database_of, tls_of, user_and_password
from provisioning.digits import is_whole_number

SENTINEL_SCHEMES = ("sentinel", "sentinels")

_PORT = 26379
_OWN = ("sentinel_username", "sentinel_password")
_NAME: Final = re.compile(r"[A-Za-z0-9._-]+")  # what a Sentinel accepts as a name
_PLACE: Final = re.compile(r"(?:\[(?P<six>[0-9A-Fa-f:.%]+)\]|(?P<host>[^\s\[\]:;,@]+))(?::(?P<port>[^:]*))?")
_FORM = "sentinel://HOST:26379,HOST:26379/NAME/0"


@dataclass(frozen=True, slots=True)
class Place:
    """Where a server listens."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


@dataclass(frozen=True, slots=True)
class SentinelAddress:
    """
    Places of the Sentinels of a Redis, and its authentication.

    Attributes:
        places: of the Sentinels.
        name: of the primary, at the Sentinels.
        user: of the Redis; the Sentinels' own is separate.
        tls: the certificate options of `sentinels`, by redis-py's names; None without TLS.
    """

    places: tuple[Place, ...]
    name: str
    database: int = 0
    user: str = ""
    password: str = field(default="", repr=False)
    sentinel_user: str = ""
    sentinel_password: str = field(default="", repr=False)
    tls: Mapping[str, str | bool] | None = None

    @classmethod
    def parse(cls, url: str) -> Self:
        """
        Reads an address.

        Raises: ValueError with a message that does not repeat the address: it may hold a password.
        """
        # By hand: urlsplit accepts one host only, and newer Pythons refuse brackets after a comma.
        scheme, _, rest = url.partition("://")
        scheme = scheme.lower()
        rest, _, query = rest.partition("?")
        network, _, path = rest.partition("/")
        if scheme not in SENTINEL_SCHEMES:
            raise ValueError(f"must be an address such as {_FORM}")
        if "#" in url or "@" in path or "@" in query:
            raise ValueError(
                "cannot be taken apart: a password with one of / ? # @ in it goes into"
                " PROVISION_REDIS_PASSWORD, PROVISION_BROKER_PASSWORD or PROVISION_SENTINEL_PASSWORD"
            )
        before, _, hosts = network.rpartition("@")
        user, _, password = before.partition(":")
        places = tuple(_place(each) for each in hosts.split(","))
        name, _, database = path.partition("/")
        if not _NAME.fullmatch(name) or is_whole_number(name):
            raise ValueError(f"must say what the Sentinels call the primary: {_FORM}")
        options = dict(parse_qsl(query, keep_blank_values=True))
        number = database_of(database, options.pop("db", None))
        sentinel_user, sentinel_password = (options.pop(option, "") for option in _OWN)
        return cls(
            places,
            name,
            number,
            unquote(user),
            unquote(password),
            sentinel_user,
            sentinel_password,
            tls_of(scheme, options, ("db", *_OWN)),
        )

    def for_client(self) -> str:
        """The address in full, every part written out."""
        own = dict(zip(_OWN, (self.sentinel_user, self.sentinel_password), strict=True))
        query = urlencode({name: value for name, value in own.items() if value} | dict(self.tls or {}))
        scheme = "sentinel" if self.tls is None else "sentinels"
        places = ",".join(str(place) for place in self.places)
        return (
            f"{scheme}://{user_and_password(self.user, self.password)}{places}/{self.name}/{self.database}"
            f"{'?' if query else ''}{query}"
        )

    def for_celery(self) -> tuple[str, dict[str, str | bool] | None]:
        """
        The address for Celery's `broker_url`, and its `broker_use_ssl`.

        It names one Sentinel; our transport uses all of them (`sentinel_broker`).
        """
        url = f"sentinel://{user_and_password(self.user, self.password)}{self.places[0]}/{self.database}"
        return url, None if self.tls is None else {"ssl_cert_reqs": "required", **self.tls}

    def __str__(self) -> str:
        """The address without secrets, for display."""
        return f"{self.name} (Sentinels {', '.join(str(place) for place in self.places)})"


def _place(text: str) -> Place:
    found = _PLACE.fullmatch(text)
    if not found:
        raise ValueError(f"the Sentinels must stand between commas, each as HOST:26379: {_FORM}")
    port = found["port"] or str(_PORT)
    if not is_whole_number(port) or len(port) > 5 or not 0 < int(port) < 65536:
        raise ValueError("the port must be a number from 1 to 65535")
    return Place(found["six"] or unquote(found["host"]), int(port))


def with_sentinel_password(url: str, password: str) -> str:
    """An address of Sentinels with their own password, unless it has one."""
    if any(name == _OWN[1] for name, _ in parse_qsl(url.partition("?")[2])):
        return url
    return f"{url}{'&' if '?' in url else '?'}{_OWN[1]}={quote(password, safe='')}"

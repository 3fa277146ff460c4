"""
The address of a Redis, parsed once for both clients: redis-py for the ledger, Celery for the broker.

The two parse addresses differently. redis-py reads `/prod` as database 0 and `?db=4` as 4; Celery fails with
a traceback on both. Only redis-py verifies the certificate of a `rediss://` without options. So an address is
parsed here, refused if it is ambiguous, and written for each client.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Self
from urllib.parse import parse_qsl, quote, unquote, urlencode, urlsplit

from provisioning.digits import is_whole_number

SCHEMES = ("redis", "rediss", "unix")
TLS_OPTIONS = ("ssl_cert_reqs", "ssl_ca_certs", "ssl_certfile", "ssl_keyfile", "ssl_check_hostname")

_REQUIREMENTS = ("required", "optional", "none")
_TRUTH = {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}
_ENCODE = (
    "a password with one of / ? # @ in it goes into PROVISION_REDIS_PASSWORD or PROVISION_BROKER_PASSWORD"
)
_PORT = 6379
_WITH_TLS = ("rediss", "sentinels")


@dataclass(frozen=True, slots=True)
class RedisAddress:
    """
    Place and authentication of a Redis.

    Attributes:
        place: host, or path of a socket.
        port: 0 for a socket.
        tls: the certificate options of `rediss`, by redis-py's names; None without TLS.
    """

    place: str
    port: int
    database: int = 0
    user: str = ""
    password: str = field(default="", repr=False)
    tls: Mapping[str, str | bool] | None = None

    @classmethod
    def parse(cls, url: str) -> Self:
        """
        Reads an address.

        Raises: ValueError with a message that does not repeat the address: it may hold a password.
        """
        try:
            parts = urlsplit(url)
        except ValueError:
            raise ValueError("is no address: encode [ and ] as %5B and %5D") from None
        if parts.scheme not in SCHEMES:
            raise ValueError(f"must begin with {', '.join(f'{each}://' for each in SCHEMES)}")
        if "#" in url or ("@" not in parts.netloc and "@" in url):
            raise ValueError(f"cannot be taken apart: {_ENCODE}")
        options = dict(parse_qsl(parts.query, keep_blank_values=True))
        path = "" if parts.scheme == "unix" else parts.path
        database = database_of(path, options.pop("db", None))
        tls = tls_of(parts.scheme, options)
        user, password = unquote(parts.username or ""), unquote(parts.password or "")
        if parts.scheme == "unix":
            if parts.hostname or not parts.path.strip("/"):
                raise ValueError("must be unix:// and the whole path of a socket, as unix:///run/redis.sock")
            return cls(unquote(parts.path), 0, database, user, password)
        try:
            port = parts.port
        except ValueError:
            raise ValueError("the port must be a number from 0 to 65535") from None
        return cls(unquote(parts.hostname or "localhost"), port or _PORT, database, user, password, tls)

    def for_client(self) -> str:
        """The address as redis-py reads it."""
        if not self.port:
            return f"unix://{self._user_and_password()}{quote(self.place)}?db={self.database}"
        options = {} if self.tls is None else dict(self.tls)
        return self._by_network(options)

    def for_celery(self) -> tuple[str, dict[str, str | bool] | None]:
        """The address for Celery's `broker_url`, and its `broker_use_ssl`."""
        if not self.port:
            return (
                f"redis+socket://{self._user_and_password()}{quote(self.place)}?virtual_host={self.database}",
                None,
            )
        if self.tls is None:
            return self._by_network({}), None
        # Without this kombu would accept any certificate.
        return self._by_network({}), {"ssl_cert_reqs": "required", **self.tls}

    def _by_network(self, options: Mapping[str, str | bool]) -> str:
        host = f"[{self.place}]" if ":" in self.place else quote(self.place, safe="")
        query = urlencode(options)
        scheme = "redis" if self.tls is None else "rediss"
        user = self._user_and_password()
        return f"{scheme}://{user}{host}:{self.port}/{self.database}{'?' if query else ''}{query}"

    def _user_and_password(self) -> str:
        return user_and_password(self.user, self.password)


def user_and_password(user: str, password: str) -> str:
    """User and password as written before a host; empty if there is neither."""
    if not user and not password:
        return ""
    return f"{quote(user, safe='')}{':' if password else ''}{quote(password, safe='')}@"


def database_of(path: str, option: str | None) -> int:
    """
    The database that an address names, 0 by default.

    Raises: ValueError with a message.
    """
    given = {each for each in (path.strip("/"), option) if each}
    if not given:
        return 0
    number = given.pop()
    if given or not is_whole_number(number) or len(number) > 5:
        raise ValueError("the database must be one number, such as /0")
    return int(number)


def tls_of(
    scheme: str, options: Mapping[str, str], others: Sequence[str] = ("db",)
) -> dict[str, str | bool] | None:
    """
    The certificate options of an address; None without TLS.

    Args:
        others: options that were parsed already, for the message about an unknown one.
    Raises: ValueError with a message.
    """
    with_tls = scheme in _WITH_TLS
    tls: dict[str, str | bool] = {}
    for name, value in options.items():
        if not with_tls or name not in TLS_OPTIONS:
            known = ", ".join((*others, *(TLS_OPTIONS if with_tls else ())))
            raise ValueError(f"has an option other than {known}: leave it out, the program sets the others")
        tls[name] = _option(name, value)
    return tls if with_tls else None


def _option(name: str, value: str) -> str | bool:
    if name == "ssl_cert_reqs":
        # kombu's spelling is known as well.
        word = value.lower().removeprefix("cert_")
        if word not in _REQUIREMENTS:
            raise ValueError("ssl_cert_reqs must be required, optional or none")
        return word
    if name == "ssl_check_hostname":
        if value.lower() not in _TRUTH:
            raise ValueError("ssl_check_hostname must be true or false")
        return _TRUTH[value.lower()]
    return value

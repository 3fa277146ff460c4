"""
Every setting: its name, default, unit and meaning, read once from a mapping.

The environment is read here and nowhere else. All problems are reported together, each with the
variable's own name. `docs/reference/settings.md` is generated from this module.

A secret may be given as `@FILE` instead: supervisors, containers and clusters can pass secrets as files, and
an environment is easily disclosed.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, Self, get_args
from urllib.parse import SplitResult, quote, urlsplit

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    SecretStr,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)
from pydantic.fields import FieldInfo

from provisioning.config import addresses
from provisioning.config.sentinel_address import with_sentinel_password
from provisioning.errors import ConfigurationError, InvalidInputError
from provisioning.health.heartbeat import FOLDER
from provisioning.library_messages import recognised
from provisioning.owner import DEFAULT, check_owner
from provisioning.pace import Rate
from provisioning.retention import Retention
from provisioning.text import AnyText, Text, joined

PREFIX = "PROVISION_"

_SERVERS = ("redis", "broker")
"""Settings that are an address with its own password."""

_BROKERS = (*addresses.SCHEMES, "amqp", "amqps")

Seconds = Annotated[float, Field(gt=0, allow_inf_nan=False)]


def _rate(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    try:
        return Rate.parse(value)
    except ConfigurationError as error:
        raise ValueError(f"{error.message}: {error.hint}") from error


def _owners(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    try:
        return frozenset(check_owner(name) for name in value.replace(",", " ").split())
    except InvalidInputError as error:
        raise ValueError(f"{error.message}: {error.hint}") from error


def _origins(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    origins = frozenset(text.rstrip("/") for text in value.replace(",", " ").split())
    for origin in origins:
        found = urlsplit(origin)
        if found.scheme not in ("http", "https") or not found.hostname or origin.count("/") != 2:
            raise ValueError(f"{origin} is not an origin, such as https://console.example")
    return origins


def _retention(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    try:
        return Retention.parse(value)
    except ConfigurationError as error:
        raise ValueError(f"{error.message}: {error.hint}") from error


class Settings(BaseModel):
    """All settings, frozen. Durations are seconds. Secrets are masked wherever the object is shown."""

    model_config = ConfigDict(frozen=True, extra="forbid", arbitrary_types_allowed=True)

    api_url: str = Field("https://api.jelou.ai", description="Base URL of the widget API.")
    client_id: str = Field("", description="Client id of the credential named `default`.")
    client_secret: SecretStr = Field(SecretStr(""), description="Client secret of the credential `default`.")
    credentials_file: Path | None = Field(
        None,
        description="TOML file with more credentials: one table per name, with client_id and client_secret.",
    )
    redis_url: SecretStr | None = Field(
        None,
        description="Redis that holds the ledger (redis://, rediss://, unix://, sentinel://, sentinels://)."
        " Unset: an embedded Valkey in PROVISION_HOME.",
    )
    redis_password: SecretStr = Field(
        SecretStr(""), description="Password for PROVISION_REDIS_URL, if the URL holds none."
    )
    redis_replicas: int = Field(
        0,
        ge=0,
        le=9,
        description="Replicas of the ledger's Redis that must confirm every acceptance, intent "
        "and answer. With at least one, a failover loses none of them.",
    )
    broker_url: SecretStr | None = Field(
        None,
        description="URL of the Celery broker: Redis as above, amqp:// or amqps://. Unset: the "
        "ledger's Redis.",
    )
    broker_password: SecretStr = Field(
        SecretStr(""), description="Password for PROVISION_BROKER_URL, if the URL holds none."
    )
    sentinel_password: SecretStr = Field(
        SecretStr(""),
        description="Password for the Sentinels themselves, if their address holds none.",
    )
    home: Path = Field(Path(".provision"), description="Folder of the embedded Valkey and its data.")
    heartbeats: Path | None = Field(
        None,
        description="Folder for worker heartbeats, read by `provision health`. Unset: heartbeats "
        "in PROVISION_HOME.",
    )
    rate: Annotated[Rate, BeforeValidator(_rate)] = Field(
        Rate(5.0),
        description="Pace (rate limit) per credential, over all workers: 5/s, 300/m or unlimited.",
    )
    max_in_flight: int = Field(
        500, ge=1, le=10_000, description="Maximum concurrency of one worker: POSTs in flight."
    )
    attempts: int = Field(
        6, ge=1, le=100, description="Maximum attempts per job; after them it is a dead letter."
    )
    backoff_base: Seconds = Field(
        0.5, description="Backoff: upper limit of the wait after the first failed attempt."
    )
    backoff_factor: float = Field(
        2.0,
        ge=1,
        allow_inf_nan=False,
        description="Backoff: factor by which that limit grows with each attempt.",
    )
    backoff_cap: Seconds = Field(30.0, description="Backoff: upper limit of the wait after any attempt.")
    backoff_budget: Seconds = Field(
        120.0, description="Retry budget: total time of the attempts and waits of one job."
    )
    retry_after_cap: Seconds = Field(
        60.0,
        description=(
            "Longest Retry-After that a worker waits itself; for a longer one the job returns to the queue."
        ),
    )
    connect_timeout: Seconds = Field(5.0, description="Time limit to connect to the API, including TLS.")
    write_timeout: Seconds = Field(10.0, description="Time limit to write the request.")
    read_timeout: Seconds = Field(
        30.0,
        description="Time limit for the next bytes of the answer; the whole answer may take twice as long.",
    )
    ca_file: Path | None = Field(None, description="File of additional trusted CA certificates (PEM).")
    on_in_doubt: Literal["hold", "retry"] = Field(
        "hold",
        description=(
            "After a POST without a conclusive answer: hold the job for a person, "
            "or retry (may create a second widget)."
        ),
    )
    stop_loss: int = Field(
        25,
        ge=0,
        description="Stop-loss: pause a batch when this many first jobs all die of one cause; 0 for never.",
    )
    lease: Seconds = Field(
        20.0,
        ge=2,
        description=(
            "Lease: a worker that does not renew it for this long loses its jobs to other "
            "workers. It is renewed every quarter of this time."
        ),
    )
    encryption_keys: SecretStr = Field(
        SecretStr(""),
        description="Fernet keys that encrypt request bodies and widgets at rest: newest first, "
        "separated by commas or newlines. Unset: no encryption.",
    )
    retention_days: Annotated[Retention, BeforeValidator(_retention)] = Field(
        Retention(),
        description="Retention: days to keep data after a job ended or a batch settled: "
        "payloads=7,results=90,dead=180,batches=365, or one number for all. Unset: "
        "keep forever.",
    )
    api_tokens: SecretStr = Field(
        SecretStr(""),
        description="API tokens in addition to those in the ledger: NAME:SCOPE+SCOPE:ID:SHA256[:OWNER], "
        "separated by commas or newlines.",
    )
    celery_owners: Annotated[frozenset[str], BeforeValidator(_owners)] = Field(
        frozenset([DEFAULT]),
        description="Owners that messages of the Celery intake may submit for, separated by commas. "
        "Whoever can write to the broker can submit for them.",
    )
    console: Literal["off", "read", "full"] = Field(
        "full",
        description="Pages of `provision serve` for browsers: `full`, `read` (they change nothing), `off`.",
    )
    console_origins: Annotated[frozenset[str], BeforeValidator(_origins)] = Field(
        frozenset(),
        description="Addresses by which browsers reach the pages through a proxy, such as "
        "https://console.example; separated by commas. Loopback is always one.",
    )
    api_max_body: int = Field(
        100 * 1024 * 1024, ge=1024, description="Maximum bytes of one upload to the HTTP API."
    )
    api_rate: Annotated[Rate, BeforeValidator(_rate)] = Field(
        Rate(200.0),
        description=(
            "Rate limit of one API token, over all servers; a burst may use ten seconds of it at once."
        ),
    )
    api_backlog: int = Field(
        1_000_000,
        ge=0,
        description=(
            "Backlog limit: the HTTP API refuses new jobs when this many are unsettled; 0 for no limit."
        ),
    )
    api_memory: float = Field(
        0.9,
        gt=0,
        le=1,
        description="The HTTP API refuses new jobs when Redis uses this share of its maxmemory.",
    )
    pull_token: SecretStr = Field(
        SecretStr(""), description="Bearer token for https:// addresses that plan and apply read."
    )
    flower_events: Literal["all", "problems", "none"] = Field(
        "problems",
        description="Jobs shown in Flower: all, only those with problems, or none.",
    )
    flower_auth: SecretStr = Field(
        SecretStr(""),
        description="Login for Flower, as USER:PASSWORD. Unset: a new password at each start.",
    )
    allow_private: bool = Field(
        False, description="Allow webhooks and pulls to addresses in private networks."
    )

    language: Literal["en", "es"] = Field(
        "en",
        description="Language of what commands print for people: en (English) or es (Spanish). JSON, "
        "outcome files, logs and help texts are English in both.",
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        "info", description="Lowest log level; commands that are not servers log warnings and above."
    )
    log_format: Literal["auto", "json", "text"] = Field(
        "auto", description="Log format: json or text; auto: text on a terminal, else JSON."
    )

    metrics_port: int | None = Field(
        None,
        ge=0,
        le=65535,
        description="Port for /metrics of a worker, different for each worker on a host; 0 for "
        "any free port. Unset: none. `provision serve` has /metrics on its own port.",
    )
    metrics_host: str = Field(
        "127.0.0.1",
        description="Address for /metrics of a worker. Unauthenticated: bind to a private address.",
    )

    @field_validator("api_url")
    @classmethod
    def _is_http(cls, value: str) -> str:
        parts = urlsplit(value)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError("must be an address such as https://api.jelou.ai")
        _check_port(parts)
        if parts.username or parts.password:
            raise ValueError("must not hold credentials; set PROVISION_CLIENT_ID and PROVISION_CLIENT_SECRET")
        return value.rstrip("/")

    @field_validator("flower_auth")
    @classmethod
    def _is_a_pair(cls, value: SecretStr) -> SecretStr:
        user, _, password = value.get_secret_value().partition(":")
        if value and not (user and password and value.get_secret_value().isascii()):
            raise ValueError("must be USER:PASSWORD, in ASCII")
        return value

    @field_validator("redis_url", "broker_url")
    @classmethod
    def _is_known_scheme(cls, value: SecretStr | None, info: ValidationInfo) -> SecretStr | None:
        known = addresses.SCHEMES if info.field_name == "redis_url" else _BROKERS
        if not value:
            return value
        # The address is not repeated: it may hold a password.
        url = value.get_secret_value()
        scheme = url.partition(":")[0].lower()
        if scheme not in known:
            raise ValueError(f"must be an address that begins with {', '.join(f'{s}://' for s in known)}")
        if addresses.is_of_redis(url):
            return SecretStr(addresses.parse(url).for_client())
        _check_port(urlsplit(url))
        return value

    @model_validator(mode="after")
    def _relations(self) -> Self:
        if self.backoff_base > self.backoff_cap:
            raise ValueError(
                f"PROVISION_BACKOFF_BASE ({self.backoff_base:g} s) is above"
                f" PROVISION_BACKOFF_CAP ({self.backoff_cap:g} s)"
            )
        if bool(self.client_id) != bool(self.client_secret.get_secret_value()):
            missing = "CLIENT_SECRET" if self.client_id else "CLIENT_ID"
            raise ValueError(f"PROVISION_{missing} is missing: a credential needs both id and secret")
        for name in _SERVERS:
            if getattr(self, f"{name}_password").get_secret_value() and not getattr(self, f"{name}_url"):
                name = name.upper()
                raise ValueError(f"PROVISION_{name}_PASSWORD is set and PROVISION_{name}_URL is not")
        urls = (url.get_secret_value() for url in (self.redis_url, self.broker_url) if url)
        if self.sentinel_password.get_secret_value() and not any(map(addresses.is_of_sentinels, urls)):
            raise ValueError(
                "PROVISION_SENTINEL_PASSWORD is set, but neither PROVISION_REDIS_URL nor PROVISION_BROKER_URL"
                " is a sentinel:// address"
            )
        return self

    @classmethod
    def from_env(cls, environ: Mapping[str, str]) -> Self:
        """
        Reads `PROVISION_*`; an empty variable counts as unset.

        Raises: ConfigurationError that lists every problem, one a line, by the variable's name.
        """
        given = {
            name.removeprefix(PREFIX).lower(): value
            for name, value in environ.items()
            if name.startswith(PREFIX) and value.strip()
        }
        problems: list[AnyText] = [_unknown(name) for name in given if name not in cls.model_fields]
        for name in given:
            if given[name].startswith("@") and _is_secret(cls.model_fields.get(name)):
                try:
                    given[name] = Path(given[name][1:]).read_text(encoding="utf-8").strip()
                    if not given[name]:
                        # A named file must hold a secret: an empty one would be ignored silently.
                        setting = f"{PREFIX}{name.upper()}"
                        problems.append(
                            Text("{setting}: the file named after the @ is empty", setting=setting)
                        )
                except (OSError, ValueError) as error:
                    given[name] = ""
                    problems.append(_unreadable(name, error))
        given = {name: value for name, value in given.items() if value}
        for name in _SERVERS:
            if f"{name}_url" in given and f"{name}_password" in given:
                given[f"{name}_url"] = _with_password(given[f"{name}_url"], given[f"{name}_password"])
            if addresses.is_of_sentinels(given.get(f"{name}_url", "")) and "sentinel_password" in given:
                given[f"{name}_url"] = with_sentinel_password(
                    given[f"{name}_url"], given["sentinel_password"]
                )
        try:
            settings = cls.model_validate(
                {name: value for name, value in given.items() if name in cls.model_fields}
            )
        except ValidationError as error:
            problems += [_problem(detail) for detail in error.errors(include_input=False, include_url=False)]
        if problems:
            raise ConfigurationError(
                joined("\n", problems), hint="docs/reference/settings.md lists every setting"
            )
        return settings

    @property
    def heartbeats_folder(self) -> Path:
        """Where workers write their heartbeats; probes call `heartbeat.folder_of` instead."""
        return self.heartbeats or self.home / FOLDER

    @property
    def masters(self) -> str:
        """The master keys as given; `ledger.encryption.load_masters` parses them."""
        return self.encryption_keys.get_secret_value()

    @property
    def broker(self) -> str | None:
        """Address of Celery's broker; the ledger's Redis unless another is set."""
        url = self.broker_url or self.redis_url
        return url.get_secret_value() if url else None

    @property
    def redis(self) -> str | None:
        """Address of the ledger's Redis; None means the embedded Valkey."""
        return self.redis_url.get_secret_value() if self.redis_url else None


def language_of(environ: Mapping[str, str]) -> str:
    """
    The language of PROVISION_LANGUAGE, before all settings are read; English if it is unset or unknown.

    >>> language_of({"PROVISION_LANGUAGE": "es"}), language_of({"PROVISION_LANGUAGE": "tlh"})
    ('es', 'en')
    """
    given = environ.get(f"{PREFIX}LANGUAGE", "").strip()
    return given if given in get_args(Settings.model_fields["language"].annotation) else "en"


def secret_settings() -> list[str]:
    """Names of the secret settings, in their order."""
    return [name for name, field in Settings.model_fields.items() if _is_secret(field)]


def _is_secret(field: FieldInfo | None) -> bool:
    return field is not None and SecretStr in (field.annotation, *get_args(field.annotation))


def _unreadable(name: str, error: Exception) -> Text:
    # The text after the @ is not repeated: it may be a secret that begins with one.
    return Text(
        "{setting}: the file named after the @ cannot be read: {reason}",
        setting=f"{PREFIX}{name.upper()}",
        reason=error.strerror if isinstance(error, OSError) else Text("it is not UTF-8"),
    )


def _with_password(url: str, password: str) -> str:
    """An address with a password, unless it has one; its user is kept."""
    # By hand: urlsplit refuses brackets after the comma of two hosts.
    scheme, slashes, rest = url.partition("://")
    network = re.split("[/?#]", rest, maxsplit=1)[0]
    user, colon, _ = network.rpartition("@")[0].partition(":")
    if colon or not slashes:
        return url
    place = network.rpartition("@")[2]
    return f"{scheme}://{user}:{quote(password, safe='')}@{place}{rest[len(network) :]}"


def _check_port(parts: SplitResult) -> None:
    try:
        _ = parts.port
    except ValueError:
        raise ValueError("the port must be a number from 0 to 65535") from None


def _unknown(name: str) -> Text:
    near = difflib.get_close_matches(name, Settings.model_fields, n=1)
    setting = f"{PREFIX}{name.upper()}"
    if not near:
        return Text("unknown setting {setting}", setting=setting)
    guess = f"{PREFIX}{near[0].upper()}"
    return Text("unknown setting {setting}; did you mean {guess}?", setting=setting, guess=guess)


def _problem(detail: Any) -> AnyText:
    if not detail["loc"]:
        return str(detail["msg"]).removeprefix("Value error, ")
    setting = f"{PREFIX}{str(detail['loc'][0]).upper()}"
    return Text("{setting}: {problem}", setting=setting, problem=recognised(str(detail["msg"])))

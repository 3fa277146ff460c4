"""
Passwords of users: what may be one, and how it is stored. Pure: salts arrive as arguments.

A password is normalised (NFKC), so that `ñ` is the same from every keyboard.

Source: NIST SP 800-63B, section 5.1.1.2 (length instead of composition, normalisation).
"""

from __future__ import annotations

import hashlib
import hmac
import unicodedata
from typing import Final

import msgspec

from provisioning.errors import InvalidInputError
from provisioning.text import Text

SHORTEST: Final = 12
"""Characters of the shortest password: NIST asks for 8, or 15 if it is all that a person shows."""

LONGEST: Final = 1000
"""Characters of the longest."""

N: Final = 2**16
R: Final = 8
P: Final = 2
"""
Parameters of scrypt: 64 MiB and about 0.3 s for one password.

Source: OWASP Password Storage Cheat Sheet, which rates this as strong as N=2**17, p=1. That needs 128 MiB,
and a pod of deploy/kubernetes has 512 MiB for everything.
"""

SALT_BYTES: Final = 16


class PasswordHash(msgspec.Struct, frozen=True):
    """
    The stored form of a password, with all that is needed to check one.

    Attributes:
        n, r, p: the parameters of scrypt; new ones apply to new passwords.
    """

    salt: bytes
    digest: bytes
    n: int = N
    r: int = R
    p: int = P

    def __repr__(self) -> str:
        return f"PasswordHash(n={self.n}, r={self.r}, p={self.p})"


OF_NOBODY: Final = PasswordHash(salt=bytes(SALT_BYTES), digest=bytes(32))
"""No password fits. It is checked for an unknown name, which then takes as long as a known one."""


def check_new_password(password: str, name: str) -> None:
    """
    Whether a user of this name may have this password.

    Raises: InvalidInputError if not; it does not repeat the password.
    """
    if any(unicodedata.category(character) in ("Cc", "Cs") for character in password):
        raise InvalidInputError(
            "the password has a line break or another character that no keyboard types",
            hint="use one line of text in UTF-8",
        )
    length = len(_normal(password))
    if length < SHORTEST:
        raise InvalidInputError(
            Text("the password is too short: at least {shortest} characters", shortest=SHORTEST),
            hint="four words with spaces are easy to remember; no digits or signs are needed",
        )
    if max(length, len(password)) > LONGEST:
        raise InvalidInputError(
            Text("the password is too long: at most {longest:,} characters", longest=LONGEST)
        )
    if _normal(password).casefold() == name.casefold():
        raise InvalidInputError("the password is the name of the user", hint="choose another")


def hash_password(password: str, salt: bytes, *, n: int = N, r: int = R, p: int = P) -> PasswordHash:
    """What is stored of a password; takes a core for as long as the parameters ask."""
    return PasswordHash(salt, _scrypt(password, salt, n, r, p), n, r, p)


def is_password(password: str, kept: PasswordHash) -> bool:
    """Whether this is the password; takes as long as `hash_password`, whatever the answer."""
    fits = hmac.compare_digest(_scrypt(password, kept.salt, kept.n, kept.r, kept.p), kept.digest)
    # HMAC pads a short key with NUL, so that scrypt does not tell `a` from `a\0`.
    return fits and "\0" not in password


def _scrypt(password: str, salt: bytes, n: int, r: int, p: int) -> bytes:
    text = _normal(password).encode("utf-8", "surrogatepass")
    # OpenSSL refuses to use more memory than 32 MiB unless it is told how much this needs.
    return hashlib.scrypt(text, salt=salt, n=n, r=r, p=p, maxmem=128 * r * (n + p + 2), dklen=32)


def _normal(password: str) -> str:
    return unicodedata.normalize("NFKC", password)

"""
Exceptions are broken promises; replies of the target API are values (see `attempt.Outcome`).

    ProvisioningError
    ├── ConfigurationError       a setting is missing, unreadable, or contradicts another
    ├── InvalidInputError        a producer's file or request cannot be read as a whole
    │   └── InvalidJobError      one job of it breaks a rule; carries row, field, value
    ├── NoRoomError              a temporary file of ours cannot be written
    ├── NotFoundError            a batch or job that the ledger does not know
    ├── LedgerUnavailableError   Redis cannot be reached, or refuses
    │   └── LedgerUnfitError     this Redis would lose jobs: waiting does not help
    ├── ContractError            a message or record that this version cannot read
    └── IllegalTransitionError   an event that the state does not know; carries both

A message says what happened and to which row, field, setting or id; `hint` says the way out.
"""

from __future__ import annotations


class ProvisioningError(Exception):
    """Something we promised did not hold; the message is fit for a person, `hint` is the way out."""

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class ConfigurationError(ProvisioningError):
    """A setting is missing, unreadable, or contradicts another."""


class InvalidInputError(ProvisioningError):
    """A producer's file or request cannot be read as a whole."""


class InvalidJobError(InvalidInputError):
    """
    One job breaks a rule.

    Args:
        row: 1-based number of the data row as a spreadsheet would count it (the header is row 1),
            None where the input has no rows.
        field: the column or dotted path; empty when the row as a whole is meant.
        value: what stood there, shortened for display.
    """

    def __init__(
        self, message: str, *, row: int | None = None, field: str = "", value: str = "", hint: str = ""
    ) -> None:
        super().__init__(message, hint=hint)
        self.row = row
        self.field = field
        self.value = value


class NoRoomError(ProvisioningError):
    """
    A temporary file of ours cannot be written: the fault is this machine's, not the input's.

    Args:
        purpose: what the file is for.
        error: what the system, or whoever writes the file, said.
    """

    def __init__(self, purpose: str, error: Exception) -> None:
        reason = getattr(error, "strerror", None) or error
        super().__init__(
            f"the temporary file for {purpose} cannot be written: {reason}",
            hint="set TMPDIR to a folder with enough space",
        )


class NotFoundError(ProvisioningError):
    """The ledger knows no such batch or job."""


class LedgerUnavailableError(ProvisioningError):
    """Redis cannot be reached, or refuses."""


class LedgerUnfitError(LedgerUnavailableError):
    """This Redis is too old, or throws keys away: it would lose jobs. Waiting does not help."""


class ContractError(ProvisioningError):
    """A message or record that this version cannot read."""


class IllegalTransitionError(ProvisioningError):
    """An event that the state does not know; nothing was changed."""

    def __init__(self, state: str, event: str) -> None:
        super().__init__(f"a job that is {state} cannot take the event {event!r}")
        self.state = state
        self.event = event

"""
Exceptions of this program; replies of the target API are values instead (see `attempt.Outcome`).

    ProvisioningError
    ├── ConfigurationError       a setting is missing, unreadable, or contradicts another
    ├── InvalidInputError        a producer's file or request cannot be read as a whole
    │   └── InvalidJobError      one job of it breaks a rule; carries row, field, value
    ├── NoRoomError              a temporary file of ours cannot be written
    ├── NotFoundError            a batch or job that the ledger does not know
    ├── LedgerUnavailableError   Redis cannot be reached, or refuses
    │   └── LedgerUnfitError     this Redis would lose jobs: waiting does not help
    ├── ContractError            a message or record that this version cannot read
    └── IllegalTransitionError   an event that the state does not allow; carries both

A message names what happened and the row, field, setting or id; `hint` is what to do.
"""

from __future__ import annotations

from provisioning.text import AnyText, Text


class ProvisioningError(Exception):
    """
    The base class; the message is written for a person, `hint` is what to do.

    Attributes:
        text: the message, to be translated; `message` is its English text.
        advice: the hint, to be translated; `hint` is its English text.
        notes: what else a person should know, such as how a file was read before the error.
    """

    def __init__(self, message: AnyText, *, hint: AnyText = "") -> None:
        super().__init__(message)
        self.text = message
        self.advice = hint
        self.notes: list[AnyText] = []

    @property
    def message(self) -> str:
        return str(self.text)

    @property
    def hint(self) -> str:
        return str(self.advice)


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
        field: the column or dotted path; empty for the row as a whole.
        value: the value there, shortened for display.
    """

    def __init__(
        self,
        message: AnyText,
        *,
        row: int | None = None,
        field: str = "",
        value: str = "",
        hint: AnyText = "",
    ) -> None:
        super().__init__(message, hint=hint)
        self.row = row
        self.field = field
        self.value = value


class NoRoomError(ProvisioningError):
    """
    A temporary file of ours cannot be written: the cause is this machine, not the input.

    Args:
        purpose: what the file is for.
        error: of the system, or of the code that writes the file.
    """

    def __init__(self, purpose: AnyText, error: Exception) -> None:
        reason = getattr(error, "strerror", None) or error
        super().__init__(
            Text(
                "the temporary file for {purpose} cannot be written: {reason}", purpose=purpose, reason=reason
            ),
            hint="set TMPDIR to a folder with enough space",
        )


class NotFoundError(ProvisioningError):
    """There is no such batch or job in the ledger."""


class LedgerUnavailableError(ProvisioningError):
    """Redis cannot be reached, or refuses."""


class LedgerUnfitError(LedgerUnavailableError):
    """This Redis is too old, or evicts keys: it would lose jobs. Waiting does not help."""


class ContractError(ProvisioningError):
    """A message or record that this version cannot read."""


class IllegalTransitionError(ProvisioningError):
    """An event that the state does not allow; nothing was changed."""

    def __init__(self, state: str, event: str) -> None:
        super().__init__(
            Text("a job that is {state} cannot take the event {event!r}", state=state, event=event)
        )
        self.state = state
        self.event = event

"""`user`: people who sign in to the web console with a name and a password."""

from __future__ import annotations

import asyncio
import getpass
import sys
from enum import StrEnum
from typing import Annotated, Final

import typer

from console.cli import person
from console.cli.display.standard_output import emit
from console.cli.language import tr
from console.cli.new_owner import warn_of_new_owner
from console.cli.shell import JsonFlag, cli, open_ledger, out
from provisioning import scopes
from provisioning.errors import InvalidInputError
from provisioning.ledger import Ledger
from provisioning.ledger.tokens import Scope
from provisioning.ledger.users import User
from provisioning.owner import DEFAULT
from provisioning.password import check_new_password


class UserAction(StrEnum):
    """Actions on users."""

    CREATE = "create"
    LIST = "list"
    PASSWORD = "password"  # noqa: S105 - a verb
    SCOPES = "scopes"
    DELETE = "delete"


NEEDS_SCOPE: Final = (UserAction.CREATE, UserAction.SCOPES)
NEEDS_PASSWORD: Final = (UserAction.CREATE, UserAction.PASSWORD)

MOST_READ: Final = 64 * 1024
"""Bytes of standard input: far more than the longest password, which is then found too long."""


@cli.command()
def user(
    action: Annotated[
        UserAction, typer.Argument(metavar="create|list|password|scopes|delete", help="Action.")
    ],
    name: Annotated[
        str | None, typer.Argument(metavar="NAME", help="Name of the person; shown in every job history.")
    ] = None,
    scope: Annotated[list[Scope] | None, typer.Option("--scope", help="What the person may do.")] = None,
    owner: Annotated[
        str, typer.Option("--owner", metavar="OWNER", help="Service whose jobs the person sees; no others.")
    ] = DEFAULT,
    all_owners: Annotated[
        bool, typer.Option("--all-owners", help="Let the person see and operate the jobs of all owners.")
    ] = False,
    password_stdin: Annotated[
        bool, typer.Option("--password-stdin", help="Read the password from standard input.")
    ] = False,
    json: JsonFlag = False,
) -> None:
    """
    Create, list, change or delete users of the web console.

    The password is asked for on the terminal. A new password or the deletion signs the person out everywhere.

    Example: provision user create ana --scope read --scope operate
    """
    if (name is None) != (action is UserAction.LIST):
        raise InvalidInputError(
            "list takes no NAME; all other actions need one", hint="provision user create ana --scope read"
        )
    if (action in NEEDS_SCOPE) != bool(scope):
        raise InvalidInputError(
            "create and scopes need at least one --scope; the other actions take none",
            hint="--scope read --scope operate",
        )
    if action is not UserAction.CREATE and (owner != DEFAULT or all_owners):
        raise InvalidInputError("--owner and --all-owners belong to create", hint="omit them")
    if action not in NEEDS_PASSWORD and password_stdin:
        raise InvalidInputError("--password-stdin belongs to create and password", hint="omit it")
    named = name or ""
    password = _password(named, from_stdin=password_stdin) if action in NEEDS_PASSWORD else ""
    listed = " ".join(sorted(scope or []))

    async def work() -> None:
        async with open_ledger() as ledger:
            match action:
                case UserAction.CREATE:
                    await warn_of_new_owner(ledger, owner)
                    made = await ledger.users.create(
                        named, password, scope or [], owner=owner, all_owners=all_owners
                    )
                    await _note(ledger, named, "created", owner="all" if all_owners else owner, scopes=listed)
                    said = tr("{name} created: sign in at /sign-in of the web console", name=named)
                    _show(made, json=json, said=said)
                case UserAction.PASSWORD:
                    await ledger.users.set_password(named, password)
                    await _note(ledger, named, "password set")
                    out.print(tr("{name} has a new password and is signed out", name=named))
                case UserAction.SCOPES:
                    await ledger.users.set_scopes(named, scope or [])
                    await _note(ledger, named, "scopes set", scopes=listed)
                    out.print(tr("{name} has the scopes {scopes}", name=named, scopes=listed))
                case UserAction.DELETE:
                    await ledger.users.delete(named)
                    await _note(ledger, named, "deleted")
                    out.print(tr("{name} deleted and signed out", name=named))
                case UserAction.LIST:
                    for each in await ledger.users.all():
                        _show(each, json=json, said=_line(each))

    asyncio.run(work())


def _password(name: str, *, from_stdin: bool) -> str:
    """
    The new password of a user; never shown, never an argument, which `ps` and the shell's history would show.

    Raises: InvalidInputError if there is none, or it may not be one.
    """
    if from_stdin:
        try:
            password = sys.stdin.buffer.read(MOST_READ).decode("utf-8").removesuffix("\n").removesuffix("\r")
        except UnicodeDecodeError:
            raise InvalidInputError("the password is not UTF-8 text", hint="use UTF-8") from None
        check_new_password(password, name)
        return password
    asking = person.person()
    if asking is None:
        raise InvalidInputError(
            "there is no terminal to ask for the password", hint="--password-stdin < FILE, or a pipe"
        )
    with asking:
        password = getpass.getpass(tr("Password: "))
        check_new_password(password, name)
        if getpass.getpass(tr("Once more: ")) != password:
            raise InvalidInputError("the two passwords differ; nothing was changed", hint="try again")
    return password


async def _note(ledger: Ledger, name: str, done: str, **facts: str) -> None:
    """Records in the audit who may do what from now on."""
    await ledger.operations.note(
        "user", actor=person.current_user(), on=scopes.of_user(name), facts={"done": done, **facts}
    )


def _line(user: User) -> str:
    owner = tr("all owners") if user.all_owners else user.owner
    return f"{user.name}  {owner}  {' '.join(sorted(user.scopes))}"


def _show(user: User, *, json: bool, said: str) -> None:
    if json:
        emit(user.public())
    else:
        out.print(said, soft_wrap=True)

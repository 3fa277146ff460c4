"""`doctor`: checks the installation."""

from __future__ import annotations

import asyncio
from typing import Annotated

import typer
from rich.text import Text as StyledText

from console.cli.display.standard_output import emit
from console.cli.language import tr
from console.cli.shell import JsonFlag, cli, out
from outcomes.words import amount, shown
from provisioning.checks.doctor import GROUPS, examine
from provisioning.checks.finding import Finding, Level
from provisioning.errors import InvalidInputError
from provisioning.text import Text

UNWELL = 2

_MARKS = {Level.OK: ("✓", "green"), Level.WARNING: ("!", "yellow"), Level.FATAL: ("✗", "red")}


@cli.command()
def doctor(
    only: Annotated[
        list[str] | None,
        typer.Option("--only", metavar="NAME", help=f"Only these checks: {', '.join(GROUPS)}."),
    ] = None,
    strict: Annotated[bool, typer.Option("--strict", help="Treat warnings as failures.")] = False,
    json: JsonFlag = False,
) -> None:
    """
    Check the installation and report what to fix; exit code 2 if a check fails.

    Example: provision doctor --strict
    """
    unknown = set(only or ()) - set(GROUPS)
    if unknown:
        raise InvalidInputError(
            Text("unknown check {check!r}", check=sorted(unknown)[0]),
            hint=Text("known checks: {names}", names=", ".join(GROUPS)),
        )
    found = asyncio.run(examine(only or GROUPS))
    if json:
        for finding in found:
            emit(finding.public())
    else:
        _show(found)
    bad = {Level.FATAL, Level.WARNING} if strict else {Level.FATAL}
    if any(finding.level in bad for finding in found):
        raise typer.Exit(UNWELL)


def _show(found: list[Finding]) -> None:
    width = max((len(finding.check) for finding in found), default=0)
    for finding in found:
        mark, style = _MARKS[finding.level]
        line = StyledText.assemble((mark, style), f" {finding.check:<{width}}  {shown(tr(finding.text))}")
        out.print(line, soft_wrap=True)
        if finding.advice:
            out.print(f"  {'':<{width}}  → {shown(tr(finding.way_out))}", soft_wrap=True)
    warnings = sum(finding.level is Level.WARNING for finding in found)
    fatal = sum(finding.level is Level.FATAL for finding in found)
    checks = amount(len(found), "check")
    out.print()
    out.print(
        tr(
            "{checks}: {fatal} fatal, {warnings}",
            checks=checks,
            fatal=fatal,
            warnings=amount(warnings, "warning"),
        )
        if fatal or warnings
        else tr("{checks}, no problems", checks=checks)
    )

"""Pages from templates: one environment a language, numbers and times as people write them."""

from __future__ import annotations

import time
from functools import cache
from typing import Any, Final

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from api.access_log import REQUEST_ID
from console.web.static_files import address_of
from console.web.visitor import Visitor
from console.words import LANGUAGES, choose, translations
from provisioning.attempt import Outcome
from provisioning.job import Verdict
from provisioning.ledger.schema import Move
from provisioning.lifecycle import State
from provisioning.printable import printable
from provisioning.version import version

LANGUAGE_COOKIE: Final = "provision_language"

ICONS: Final = {
    State.QUEUED: "○",
    State.CLAIMED: "◔",
    State.SENDING: "◑",
    State.SUCCEEDED: "✓",
    State.DEAD: "✕",
    State.IN_DOUBT: "?",
    State.CANCELLED: "–",
}


def language_of(request: Request) -> str:
    """The language that this browser is answered in."""
    return choose(request.cookies.get(LANGUAGE_COOKIE, ""), request.headers.get("accept-language", ""))


def page(
    request: Request, template: str, visitor: Visitor | None = None, *, status: int = 200, **given: Any
) -> Response:
    """A page; `given` is what its template shows."""
    language = language_of(request)
    text = (
        _environment(language)
        .get_template(template)
        .render(
            request=request,
            path=request.url.path,
            visitor=visitor,
            language=language,
            languages=LANGUAGES,
            version=version(),
            now=time.time(),
            request_id=request.scope.get(REQUEST_ID, ""),
            **given,
        )
    )
    return HTMLResponse(text, status, headers={"Cache-Control": "no-store"})


def fragment(language: str, template: str, macro: str, *given: Any, **named: Any) -> str:
    """What a macro of a template makes of values: a part of a page."""
    module = _environment(language).get_template(template).module
    return str(getattr(module, macro)(*given, **named))


@cache
def _environment(language: str) -> Environment:
    # Texts of tenants are on every page: whatever a template prints is escaped.
    environment = Environment(
        loader=PackageLoader("console.web"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        extensions=["jinja2.ext.i18n"],
    )
    words = translations(language)
    environment.install_gettext_translations(words, newstyle=True)  # type: ignore[attr-defined]
    environment.globals |= {"State": State, "icons": ICONS, "static": address_of}
    environment.filters |= {
        "number": lambda value: _number(value, language),
        "clock": _clock,
        "shown": printable,
        "lasting": _lasting,
        "day_clock": _day_clock,
        "state_word": lambda state: words.gettext(_STATE_WORDS[State(state)]),
        "outcome_word": lambda outcome: words.gettext(_OUTCOME_WORDS[Outcome(outcome)]),
        "act_word": lambda act: words.gettext(_ACT_WORDS.get(str(act), str(act))),
        "verdict_word": lambda verdict: words.gettext(_VERDICT_WORDS[Verdict(verdict)]),
        "meaning_word": lambda path: words.gettext(_MEANING_WORDS.get(str(path), str(path))),
        "move_word": lambda move: words.gettext(_MOVE_WORDS.get(str(move), str(move))),
    }
    return environment


def _number(value: float, language: str) -> str:
    """`1,234` in English, `1.234` in Spanish."""
    text = f"{value:,}"
    return text.replace(",", ".") if language == "es" else text


def _clock(at: float) -> Markup:
    """A time of the server's clock, with the whole of it for machines."""
    whole = time.strftime("%Y-%m-%dT%H:%M:%S%z", time.localtime(at))
    return Markup('<time datetime="{}">{}</time>').format(
        whole, time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(at))
    )


def _day_clock(at: float) -> str:
    """The time of day of the server's clock."""
    return time.strftime("%H:%M:%S", time.localtime(at))


def _lasting(seconds: float) -> str:
    """A duration in the symbols of its units, which are the same in all languages here."""
    if seconds < 90:
        return f"{max(1, round(seconds))} s"
    minutes = round(seconds / 60)
    if minutes < 90:
        return f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours < 48 else f"{hours // 24} d {hours % 24} h"


def _N(text: str) -> str:  # noqa: N802 - the name that collectors of texts know
    return text


_OUTCOME_WORDS: Final = {
    Outcome.CREATED: _N("created"),
    Outcome.REJECTED: _N("rejected"),
    Outcome.DENIED: _N("denied"),
    Outcome.MISDIRECTED: _N("wrong address"),
    Outcome.UNPROCESSED: _N("not processed"),
    Outcome.FAILED: _N("failed"),
    Outcome.IN_DOUBT: _N("in doubt"),
}

_MOVE_WORDS: Final[dict[str, str]] = {
    Move.ACCEPTED: _N("accepted"),
    Move.REPLACED: _N("replaced by another body"),
    Move.REDRIVEN: _N("redriven"),
    Move.CANCELLED: _N("cancelled"),
    Move.CALLED_OFF: _N("cancelled while it was sent"),
    Move.RESOLVED_CREATED: _N("found: the widget exists"),
    Move.RESOLVED_ABSENT: _N("found: there is no widget"),
}

_ACT_WORDS: Final = {
    "pause": _N("pause"),
    "resume": _N("resume"),
    "cancel": _N("cancel"),
    "redrive": _N("redrive"),
    "resolve": _N("resolve"),
    "reconcile": _N("reconcile"),
    "pace": _N("pace"),
    "purge": _N("purge"),
    "shred": _N("shred"),
    "token": _N("token"),
    "user": _N("user"),
    "webhook": _N("webhook"),
    "rotate-keys": _N("rotate-keys"),
    "accept-duplicates": _N("accept-duplicates"),
}
"""Actions in the audit, by the words that commands and JSON have for them."""

_VERDICT_WORDS: Final = {
    Verdict.NEW: _N("new"),
    Verdict.QUEUED: _N("queued already"),
    Verdict.REPLACED: _N("queued already, with another body"),
    Verdict.SUCCEEDED: _N("created already"),
    Verdict.DEAD: _N("dead: redrive them on their page"),
    Verdict.IN_DOUBT: _N("in doubt"),
    Verdict.CHANGED: _N("known with another body: nothing is changed"),
    Verdict.RISKY: _N("ended, and may have a widget: redrive them on their page"),
    Verdict.ENDED: _N("ended"),
    Verdict.REDRIVEN: _N("to be sent again"),
}

_MEANING_WORDS: Final = {
    "key": _N("key: your own reference of the tenant"),
    "label": _N("label: words for people"),
    "credential": _N("credential: whose account at Jelou"),
    "bot.id": _N("bot.id: the bot at Jelou"),
    "widget.properties.type": _N("type of the widget"),
    "widget.theme.position": _N("position on the page"),
    "widget.theme.status": _N("shown or not"),
    "widget.theme.font.name": _N("font"),
    "widget.theme.vars.color.primary": _N("first colour"),
    "widget.theme.vars.color.secondary": _N("second colour"),
    "widget.startButton.backgroundColor": _N("colour of the button"),
    "widget.startButton.logoUrl": _N("address of the logo"),
    "credentials.whiteList": _N("sites on which it may be used"),
    "credentials.blackList": _N("sites on which it may not be used"),
}
"""What the usual columns mean; the others have their paths."""

_STATE_WORDS: Final = {
    State.QUEUED: _N("queued"),
    State.CLAIMED: _N("claimed"),
    State.SENDING: _N("sending"),
    State.SUCCEEDED: _N("created"),
    State.DEAD: _N("dead"),
    State.IN_DOUBT: _N("in doubt"),
    State.CANCELLED: _N("cancelled"),
}

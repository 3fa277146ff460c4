"""
What a server does with files under way: keeps a copy at hand, checks it, submits its rows.

Any server can do so for any draft. Checking is started by whoever looks at the page; a file that is being
sent is continued by any server, from its first row: the ledger knows the rows that it has.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import re
import secrets
import tempfile
from collections import Counter, OrderedDict, defaultdict
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from threading import Event
from typing import Final

import msgspec

from console.web.draft_file import (
    Choices,
    Column,
    Findings,
    Problem,
    Words,
    columns_of,
    records,
    way_out,
    words_of,
)
from console.web.looks import Looks
from console.web.render import _N
from producers.batch_name import check_batch_name
from producers.files.reading import Reading
from producers.known_credentials import KnownCredentials, of_known
from producers.plan import Plan, checked, make_plan
from producers.submit import Submission, submit
from provisioning.errors import InvalidInputError, InvalidJobError, NotFoundError, ProvisioningError
from provisioning.ledger import Ledger, SourceFile, transitions
from provisioning.ledger.drafts import Draft, DraftState
from provisioning.observability.log_events import DRAFT_STALLED, LEDGER_LOST
from provisioning.observability.logs import log_event
from provisioning.pace import Rate
from provisioning.text import AnyText, Text

AT_HAND: Final = 8
"""Files of which a server keeps a copy; further ones are read from Redis again."""

AT_ONCE: Final = 2
"""Files that a server checks at the same time."""

NOTE_EVERY: Final = 0.5
"""Seconds between two notes of what checking has found so far."""

LOOK_EVERY: Final = 1.0
"""Seconds between looks for files that are to be sent."""

PROBLEMS: Final = 1000
"""Problems that are kept with their rows; all are counted."""

MOST_PROBLEMS: Final = 20_000
"""Problems after which checking ends: nobody corrects so many one by one."""


class Order(msgspec.Struct, frozen=True):
    """
    What a person has confirmed.

    Attributes:
        version: of the choices.
        at: when; Unix seconds by Redis' clock. Jobs that people have ended since then stay as they are.
        bad_rows: rows with problems, which were left out on the page.
        first: jobs that are sent before the rest waits for a yes; 0 for all at once.
    """

    version: int
    at: float
    bad_rows: int
    first: int = 0


def choices_of(text: bytes) -> Choices:
    """What a person has chosen, as it is stored."""
    return msgspec.json.decode(text, type=Choices) if text else Choices()


def findings_of(text: bytes, version: int) -> Findings:
    """What checking has found for a version of the choices."""
    found = msgspec.json.decode(text, type=Findings) if text else Findings(version)
    return found if found.version == version else Findings(version)


def batch_name_of(draft: Draft, choices: Choices) -> str:
    """The name of the batch that a draft becomes: the chosen one, or that of the file without its format."""
    if choices.name:
        return choices.name
    bare = re.sub(r"\.(gz|csv|tsv|txt|xlsx|jsonl|ndjson)$", "", draft.name, flags=re.IGNORECASE)
    return re.sub(r"[/\\]", "_", re.sub(r"\.(csv|tsv|txt|jsonl|ndjson)$", "", bare, flags=re.IGNORECASE))


class DraftWork:
    """
    The work of one server with files under way.

    Args:
        rate: the pace of a credential where nobody has set another one.
        notify: tells workers that a batch has queued jobs.
    """

    def __init__(
        self,
        ledger: Ledger,
        credentials: KnownCredentials,
        rate: Rate,
        notify: Callable[[str], None],
    ) -> None:
        self._ledger = ledger
        self._credentials = credentials
        self._rate = rate
        self._notify = notify
        self._name = secrets.token_hex(8)
        self._folder = tempfile.TemporaryDirectory(prefix="drafts-")
        self._files: OrderedDict[str, Path] = OrderedDict()
        self._copying: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)
        self._checks: dict[str, tuple[int, asyncio.Task[None]]] = {}
        self._room = asyncio.Semaphore(AT_ONCE)
        self._sending: dict[str, asyncio.Task[None]] = {}
        self._woken = asyncio.Event()

    async def run(self, closing: asyncio.Event) -> None:
        """Sends what people have confirmed, until `closing`; waits while Redis is unavailable."""
        ended = asyncio.create_task(closing.wait())
        while not closing.is_set():
            try:
                for id_ in await self._ledger.drafts.sending():
                    self._begin_sending(id_)
            except ProvisioningError as error:
                log_event(LEDGER_LOST, doing="files", delay_s=LOOK_EVERY, error=error)
            self._woken.clear()
            woken = asyncio.create_task(self._woken.wait())
            await asyncio.wait((ended, woken), timeout=LOOK_EVERY, return_when=asyncio.FIRST_COMPLETED)
            woken.cancel()
        ended.cancel()
        tasks = [*self._sending.values(), *(task for _, task in self._checks.values())]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._folder.cleanup()

    def wake(self) -> None:
        """Looks for confirmed files at once."""
        self._woken.set()

    # -- a copy at hand ------------------------------------------------------------------------------

    async def file_of(self, draft: Draft) -> Path:
        """
        The content of a draft as a file, under its name.

        Raises: NotFoundError if the content is gone, also while it is read.
        """
        async with self._copying[draft.id]:
            known = self._files.get(draft.id)
            if known is not None and known.exists():
                self._files.move_to_end(draft.id)
                return known
            folder = Path(self._folder.name) / draft.id
            folder.mkdir(exist_ok=True)
            part, path = folder / ".part", folder / file_name(draft.name)
            with part.open("wb") as out:
                async for chunk in self._ledger.drafts.content(draft.id):
                    await asyncio.to_thread(out.write, chunk)
            if part.stat().st_size != draft.size:
                part.unlink()
                raise NotFoundError("the content of the file is gone")
            part.replace(path)
            self._files[draft.id] = path
        while len(self._files) > AT_HAND:
            self.drop(next(iter(self._files)))
        return path

    def drop(self, id_: str) -> None:
        """Deletes the copy of a draft."""
        if old := self._files.pop(id_, None):
            old.unlink(missing_ok=True)
        self._copying.pop(id_, None)

    # -- checking ------------------------------------------------------------------------------------

    def check(self, draft: Draft, choices: Choices) -> None:
        """Checks a file with these choices in the background, unless that is under way."""
        version, task = self._checks.get(draft.id, (-1, None))
        if task is not None and not task.done():
            if version == draft.version:
                return
            task.cancel()
        task = asyncio.create_task(self._check(draft, choices))
        self._checks[draft.id] = (draft.version, task)
        task.add_done_callback(lambda done: self._forget_check(draft.id, done))

    def _forget_check(self, id_: str, task: asyncio.Task[None]) -> None:
        if id_ in self._checks and self._checks[id_][1] is task:
            del self._checks[id_]

    async def _check(self, draft: Draft, choices: Choices) -> None:
        found = Findings(draft.version)
        try:
            async with self._room:
                path = await self.file_of(draft)
                columns = await asyncio.to_thread(columns_of, path, choices)
                if choices.maps is None and _needs_mapping(columns):
                    draft, choices = await self._with_recalled(draft, choices, columns)
                    columns = await asyncio.to_thread(columns_of, path, choices)
                found = Findings(draft.version, columns=columns)
                if choices.maps is None and _needs_mapping(columns):
                    found = msgspec.structs.replace(found, unmapped=True, ended=True)
                else:
                    found = await self._plan(draft, choices, path, found)
        except InvalidInputError as error:
            found = msgspec.structs.replace(
                found, ended=True, error=words_of(error.text), hint=way_out(error)
            )
        except ProvisioningError as error:  # Redis is away; whoever loads the page again starts it again
            log_event(LEDGER_LOST, doing="files", delay_s=LOOK_EVERY, error=error)
            return
        with contextlib.suppress(ProvisioningError):
            await self._ledger.drafts.note_findings(draft.id, msgspec.json.encode(found))

    async def _with_recalled(
        self, draft: Draft, choices: Choices, columns: list[Column]
    ) -> tuple[Draft, Choices]:
        """The draft with what its headers meant before, if the owner has said so."""
        maps = await self._ledger.drafts.recall(draft.owner, [column.header for column in columns])
        known = msgspec.structs.replace(choices, maps=maps, recalled=True)
        changed = await self._ledger.drafts.choose(draft, msgspec.json.encode(known)) if maps else None
        if changed is None:
            return draft, choices
        if draft.id in self._checks:
            self._checks[draft.id] = (changed.version, self._checks[draft.id][1])
        return changed, known

    async def _plan(self, draft: Draft, choices: Choices, path: Path, found: Findings) -> Findings:
        problems: list[Problem] = []
        kinds: Counter[tuple[str, str]] = Counter()
        named: dict[str, Words] = {}
        plan = Plan()
        stop = Event()

        def note(problem: InvalidJobError) -> None:
            kind = kind_of(problem.message)
            kinds[problem.field, kind] += 1
            if kind not in named and len(named) < PROBLEMS:
                named[kind] = {lang: kind_of(text) for lang, text in words_of(problem.text).items()}
            if len(problems) < PROBLEMS:
                problems.append(Problem.of(problem))
            if kinds.total() > MOST_PROBLEMS:
                raise InvalidInputError(
                    Text("more than {most:,} problems: the rest was not read", most=MOST_PROBLEMS),
                    hint=_N("is a column mapped wrongly?"),
                )

        def so_far(notes: tuple[AnyText, ...] = (), *, ended: bool = False) -> Findings:
            return msgspec.structs.replace(
                found,
                ended=ended,
                rows=plan.rows,
                bad_rows=plan.bad_rows,
                problem_count=kinds.total(),
                problems=problems,
                kinds=[
                    (field, named.get(kind, words_of(kind)), count)
                    for (field, kind), count in kinds.most_common(50)
                ],
                verdicts={str(verdict): count for verdict, count in plan.verdicts.items()},
                to_send=plan.to_send,
                seconds=plan.seconds,
                notes=[words_of(note) for note in notes],
            )

        def take(now: Plan) -> None:
            nonlocal plan
            plan = now

        looks = Looks()
        async with self._noted(draft, so_far):
            try:
                reading = await asyncio.to_thread(Reading, path, choices.options, stop)
                with reading:
                    plan = await make_plan(
                        self._ledger,
                        looks.through(reading),
                        rate=self._rate,
                        known_credentials=await self._credentials.names(),
                        owner=draft.owner,
                        on_problem=note,
                        on_chunk=take,
                        stop=stop,
                    )
                    notes = (*looks.notes(), *reading.notes, *plan.notes)
                    found = msgspec.structs.replace(
                        found,
                        format=str(reading.format),
                        encoding=reading.encoding,
                        delimiter=reading.delimiter,
                    )
            except InvalidInputError as error:
                broken = so_far(tuple(error.notes), ended=True)
                return msgspec.structs.replace(broken, error=words_of(error.text), hint=way_out(error))
            finally:
                stop.set()
        return so_far(notes, ended=True)

    @contextlib.asynccontextmanager
    async def _noted(self, draft: Draft, so_far: Callable[[], Findings]) -> AsyncIterator[None]:
        """Notes what is found while the block runs."""

        async def notes() -> None:
            last = b""
            while True:
                await asyncio.sleep(NOTE_EVERY)
                now = msgspec.json.encode(so_far())
                if now != last:
                    last = now
                    await self._ledger.drafts.note_findings(draft.id, now)

        task = asyncio.create_task(notes())
        try:
            yield
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    # -- sending -------------------------------------------------------------------------------------

    def _begin_sending(self, id_: str) -> None:
        if id_ not in self._sending:
            task = asyncio.create_task(self._send(id_))
            self._sending[id_] = task
            task.add_done_callback(lambda _: self._sending.pop(id_, None))

    async def _send(self, id_: str) -> None:
        """Submits the rows of a draft, if no other server does so."""
        drafts = self._ledger.drafts
        try:
            if not await drafts.take(id_, self._name):
                return
            draft = await drafts.find(id_, None)
            if draft.state is DraftState.SENDING:
                await self._submit_or_tell(draft)
            self.drop(id_)
            await drafts.forget(id_)
            await drafts.leave(id_)
        except NotFoundError:
            await drafts.forget(id_)
        except Exception as error:  # noqa: BLE001 - it is tried again, by whoever can
            log_event(DRAFT_STALLED, delay_s=LOOK_EVERY, error=error)
            await asyncio.sleep(LOOK_EVERY)

    async def _submit_or_tell(self, draft: Draft) -> None:
        """Submits the rows; if these cannot be sent, the draft is open again and says why."""
        drafts = self._ledger.drafts
        choices = choices_of(await drafts.choices(draft.id))
        order = msgspec.json.decode(await drafts.order(draft.id), type=Order)
        try:
            bad = await self._submit(draft, choices, order)
        except InvalidInputError as error:
            await drafts.end(draft, problem=msgspec.json.encode(words_of(error.text)))
            return
        if bad > order.bad_rows:
            text = Text(
                _N("rows that were good when you confirmed have problems now: {count:,}; the rest is sent"),
                count=bad - order.bad_rows,
            )
            await drafts.end(draft, problem=msgspec.json.encode(words_of(text)))
            return
        await drafts.end(draft)

    async def _submit(self, draft: Draft, choices: Choices, order: Order) -> int:
        """Submits the rows. Returns: how many of them have a problem. Raises: InvalidInputError."""
        path = await self.file_of(draft)
        known = await self._credentials.names()
        name = check_batch_name(batch_name_of(draft, choices))
        began = Began()
        stop = Event()
        async with self._kept(draft, began):
            try:
                with await asyncio.to_thread(Reading, path, choices.options, stop) as reading:
                    bad: set[int | None] = set()
                    jobs = checked(of_known(reading, known), lambda problem: bad.add(problem.row))
                    submission = await submit(
                        self._ledger,
                        jobs,
                        name=name,
                        actor=draft.actor,
                        owner=draft.owner,
                        notify=self._notify,
                        meta={"source": draft.name, "by": draft.actor},
                        ended_before=order.at,
                        first=order.first or None,
                        on_chunk=began.see,
                    )
                    source = SourceFile(draft.name, reading.sha256, reading.rows, draft.actor)
            finally:
                stop.set()
        if choices.corrections:  # its rows are not those of the file with this hash
            corrected = source.sha256.encode() + msgspec.json.encode(choices.corrections)
            source = msgspec.structs.replace(source, sha256=hashlib.sha256(corrected).hexdigest())
        await note_source(self._ledger, submission, source)
        await self._ledger.drafts.note_batch(draft.id, await self._batch_of(submission))
        return len(bad)

    async def _batch_of(self, submission: Submission) -> str:
        """The batch to show: that of the file, or the one that has its jobs."""
        if await self._ledger.queries.status_or_none(submission.batch) or not submission.elsewhere:
            return submission.batch
        return submission.elsewhere.most_common(1)[0][0]

    @contextlib.asynccontextmanager
    async def _kept(self, draft: Draft, began: Began) -> AsyncIterator[None]:
        """Renews the reservation while the block runs, and notes the batch as soon as there is one."""

        async def renew() -> None:
            noted = ""
            while True:
                await asyncio.sleep(LOOK_EVERY)
                await self._ledger.drafts.take(draft.id, self._name)
                if began.batch != noted:
                    noted = began.batch
                    await self._ledger.drafts.note_batch(draft.id, noted)

        task = asyncio.create_task(renew())
        try:
            yield
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


class Began:
    """The batch of a submission, once it has begun."""

    def __init__(self) -> None:
        self.batch = ""

    def see(self, submission: Submission) -> None:
        """Called after each chunk."""
        self.batch = submission.batch


async def note_source(ledger: Ledger, submission: Submission, source: SourceFile) -> None:
    """Records the file with every batch that it has changed, as `provision apply` does."""
    for home in {submission.batch, *submission.touched}:
        if await ledger.queries.status_or_none(home):  # a new batch that remained empty is gone
            await ledger.do(transitions.add_source(home, source))


def _needs_mapping(columns: list[Column]) -> bool:
    meant = {column.meaning for column in columns}
    return bool(columns) and (not all(column.understood for column in columns) or "bot.id" not in meant)


def cell_at(path: Path, choices: Choices, row: int, header: str) -> str:
    """
    What a cell of the file holds, before any correction.

    Raises: InvalidInputError if there is no such row or column.
    """
    for record, headers in records(path, choices):
        if record.number == row and header in headers:
            return record.cells[headers.index(header)]
        if record.number > row:
            break
    raise InvalidInputError(Text("the file has no row {row} with a column of this name", row=row))


def kind_of(message: str) -> str:
    """What is wrong, without the value: problems that differ in it alone are of one kind."""
    return re.sub(r"'[^']*'|\"[^\"]*\"|\d+", "…", message)


def file_name(given: str) -> str:
    """The name that a browser gives a file, as one that any system takes; its end has the format."""
    name = re.sub(r"[^\w .()-]", "_", Path(given).name)
    return name.encode()[-100:].decode(errors="ignore").strip(". ") or "file"

"""A form with a file, read up to a limit; the file is on disk if it is large."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from dataclasses import dataclass
from typing import BinaryIO

from starlette.datastructures import UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import Request

from api.problem import Kind, ProblemError
from api.request import check_length, too_large

MOST_FIELDS = 30


@dataclass(frozen=True, slots=True)
class UploadedForm:
    """
    Attributes:
        fields: those that are no file.
        name: of the file, as the browser gives it; empty if none was chosen.
        file: its content; None if none was chosen.
    """

    fields: dict[str, str]
    name: str
    file: BinaryIO | None


async def uploaded_form(request: Request, most: int) -> UploadedForm:
    """
    The form of a request.

    Args:
        most: bytes of the whole form.
    Raises: ProblemError if it is larger, or no such form.
    """
    check_length(request, most)
    try:
        form = await MultiPartParser(
            request.headers, _counted(request, most), max_files=1, max_fields=MOST_FIELDS
        ).parse()
    except (MultiPartException, KeyError):
        raise ProblemError(Kind.BAD_REQUEST, "the form could not be read: load the page again") from None
    fields = {name: value for name, value in form.multi_items() if isinstance(value, str)}
    files = [value for _, value in form.multi_items() if isinstance(value, UploadFile)]
    if not files or not files[0].filename:
        return UploadedForm(fields, "", None)
    return UploadedForm(fields, files[0].filename, files[0].file)


async def _counted(request: Request, most: int) -> AsyncGenerator[bytes, None]:
    size = 0
    async for part in request.stream():
        size += len(part)
        if size > most:
            raise too_large(most)
        yield part

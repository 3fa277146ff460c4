"""Query parameters that say which jobs are meant; the same for every route."""

from __future__ import annotations

from typing import Annotated

from fastapi import Query

Reason = Annotated[str, Query(min_length=1, max_length=200, description="Only those with this cause.")]
CredentialName = Annotated[
    str, Query(min_length=1, max_length=200, description="Only those of this credential.")
]
Key = Annotated[
    str,
    Query(min_length=1, max_length=200, description="The tenant's reference; `abc*` for all that begin so."),
]
Since = Annotated[
    float | None, Query(ge=0, le=1e11, description="Only those that got there since; Unix seconds.")
]
Until = Annotated[
    float | None, Query(ge=0, le=1e11, description="Only those that got there before; Unix seconds.")
]

Because = Annotated[
    str,
    Query(min_length=1, max_length=500, description="Why; shown wherever it shows, and kept in the audit."),
]

"""Query parameters that select jobs; the same for every route."""

from __future__ import annotations

from typing import Annotated

from fastapi import Query

Reason = Annotated[str, Query(min_length=1, max_length=200, description="Only jobs with this cause.")]
CredentialName = Annotated[
    str, Query(min_length=1, max_length=200, description="Only jobs of this credential.")
]
Key = Annotated[
    str,
    Query(
        min_length=1,
        max_length=200,
        description="The tenant's reference; `abc*` for every key that starts with abc.",
    ),
]
Since = Annotated[
    float | None,
    Query(
        ge=0, le=1e11, description="Only jobs that reached this state at or after this time; Unix seconds."
    ),
]
Until = Annotated[
    float | None,
    Query(ge=0, le=1e11, description="Only jobs that reached this state before this time; Unix seconds."),
]

Justification = Annotated[
    str,
    Query(
        alias="because",
        min_length=1,
        max_length=500,
        description="Reason; shown with the result and recorded in the audit.",
    ),
]

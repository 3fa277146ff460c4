"""Examples and schemas of the submitted bodies, for OpenAPI."""

from __future__ import annotations

from typing import Any

from producers.files.body import MAX_CREDENTIAL_LENGTH, MAX_LABEL_LENGTH
from provisioning.job import MAX_KEY_LENGTH

JOB: dict[str, Any] = {
    "key": "tenant-42",
    "credential": "default",
    "label": "Café Central",
    "bot": {"id": "100200342"},
    "widget": {"properties": {"type": "normal"}, "theme": {"vars": {"color": {"primary": "#00b3c7"}}}},
    "credentials": {"whiteList": ["central.example"]},
}

JOB_SCHEMA: dict[str, Any] = {
    "type": "object",
    "description": "The request body of the widget API, plus the members of the job.",
    "properties": {
        "key": {
            "type": ["string", "null"],
            "minLength": 1,
            "maxLength": MAX_KEY_LENGTH,
            "description": (
                "The tenant's own reference. `key` and `credential` together identify a job permanently."
            ),
        },
        "credential": {
            "type": ["string", "null"],
            "maxLength": MAX_CREDENTIAL_LENGTH,
            "description": "Name of the company's credential, never the client id or secret.",
        },
        "label": {"type": ["string", "null"], "maxLength": MAX_LABEL_LENGTH, "description": "For people."},
        "bot": {
            "type": "object",
            "description": "The bot that the widget belongs to.",
            "properties": {"id": {"type": "string", "minLength": 1}},
        },
        "widget": {"type": "object", "description": "As documented by the widget API."},
        "credentials": {
            "type": "object",
            "description": "Who may show the widget, as documented by the widget API.",
            "properties": {
                "whiteList": {
                    "type": "array",
                    "items": {"type": "string"},
                    "description": "Hosts that may show the widget.",
                }
            },
        },
    },
    "additionalProperties": False,
}

BATCH_SCHEMA: dict[str, Any] = {
    "type": "object",
    "description": "Jobs with settings; a setting here must not be a query parameter too.",
    "required": ["jobs"],
    "properties": {
        "name": {
            "type": ["string", "null"],
            "maxLength": 200,
            "description": "Name of the batch; an existing batch continues.",
        },
        "credential": {
            "type": ["string", "null"],
            "maxLength": MAX_CREDENTIAL_LENGTH,
            "description": "Credential for jobs that name none.",
        },
        "defaults": {
            "type": ["object", "null"],
            "description": "Default body; the members of a job override it.",
        },
        "new_bots": {
            "type": ["boolean", "null"],
            "description": "Create a new bot for a job without bot.id.",
        },
        "jobs": {"type": "array", "items": {"$ref": "#/components/schemas/NewJob"}},
    },
    "additionalProperties": False,
}

SCHEMAS: dict[str, dict[str, Any]] = {"NewJob": JOB_SCHEMA, "NewBatch": BATCH_SCHEMA}
"""The schemas of bodies, by their names in the document."""

CSV = "key,bot.id,widget.properties.type\ntenant-42,100200342,normal\n"
LINES = '{"key":"tenant-42","bot":{"id":"100200342"},"widget":{"properties":{"type":"normal"}}}\n'

ONE_JOB: dict[str, Any] = {
    "application/json": {
        "schema": {"$ref": "#/components/schemas/NewJob"},
        "examples": {"tenant": {"value": JOB}},
    }
}


def _text(media_type: str, description: str) -> dict[str, Any]:
    # Bytes, because a table may have any text encoding; generators know them by this format.
    return {
        "type": "string",
        "format": "binary",
        "contentMediaType": media_type,
        "description": description,
    }


# CSV is the last: openapi-python-client sends the last type of several whose bodies are files.
BATCH_BODIES: dict[str, Any] = {
    "application/json": {
        "schema": {"$ref": "#/components/schemas/NewBatch"},
        "examples": {"tenants": {"value": {"name": "tenants", "jobs": [JOB]}}},
    },
    "application/x-ndjson": {
        "schema": _text("application/x-ndjson", f"One job a line, as JSON (NewJob): {LINES.strip()}")
    },
    "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet": {
        "schema": _text(
            "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
            "An Excel workbook (.xlsx), of which one sheet is read as a table like text/csv.",
        )
    },
    "text/tab-separated-values": {
        "schema": _text("text/tab-separated-values", "As text/csv, with tabs."),
        "examples": {"tenants": {"value": CSV.replace(",", "\t")}},
    },
    "text/csv": {
        "schema": _text(
            "text/csv", "A header row, whose cells are paths in a job (NewJob); then one job a row."
        ),
        "examples": {"tenants": {"value": CSV}},
    },
}

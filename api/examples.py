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
        "bot": {"type": "object", "properties": {"id": {"type": "string", "minLength": 1}}},
        "widget": {"type": "object", "description": "As documented by the widget API."},
        "credentials": {
            "type": "object",
            "properties": {"whiteList": {"type": "array", "items": {"type": "string"}}},
        },
    },
    "additionalProperties": False,
}

BATCH_SCHEMA: dict[str, Any] = {
    "type": "object",
    "required": ["jobs"],
    "properties": {
        "name": {"type": ["string", "null"], "maxLength": 200},
        "credential": {"type": ["string", "null"], "maxLength": MAX_CREDENTIAL_LENGTH},
        "defaults": {
            "type": ["object", "null"],
            "description": "Default body; the members of a job override it.",
        },
        "new_bots": {"type": ["boolean", "null"]},
        "jobs": {"type": "array", "items": JOB_SCHEMA},
    },
    "additionalProperties": False,
}

CSV = "key,bot.id,widget.properties.type\ntenant-42,100200342,normal\n"
LINES = '{"key":"tenant-42","bot":{"id":"100200342"},"widget":{"properties":{"type":"normal"}}}\n'

ONE_JOB: dict[str, Any] = {"application/json": {"schema": JOB_SCHEMA, "examples": {"tenant": {"value": JOB}}}}

BATCH_BODIES: dict[str, Any] = {
    "application/json": {
        "schema": BATCH_SCHEMA,
        "examples": {"tenants": {"value": {"name": "tenants", "jobs": [JOB]}}},
    },
    "application/x-ndjson": {
        "schema": {"type": "string", "description": f"One job per line: {LINES.strip()}"}
    },
    "text/csv": {"schema": {"type": "string"}, "examples": {"tenants": {"value": CSV}}},
    "text/tab-separated-values": {
        "schema": {"type": "string"},
        "examples": {"tenants": {"value": CSV.replace(",", "\t")}},
    },
}

"""Holds answers and webhook deliveries to the OpenAPI document: nothing missing, nothing undocumented."""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

import httpx
import jsonschema

Schema = dict[str, Any]

OF_BODIES = ("NewJob", "NewBatch")
"""Schemas of requests."""


class Answers:
    """
    Compares answers with a document, and counts what it has seen.

    Attributes:
        seen: operations with the status of their answers.
        members: by schema, the members that some answer had.
    """

    def __init__(self, document: Schema) -> None:
        self.document = copy.deepcopy(document)
        for each in self.document["components"]["schemas"].values():
            _close(each)
        self.seen: set[tuple[str, int]] = set()
        self.members: dict[str, set[str]] = {}
        self._operations = [
            (method.upper(), re.compile(re.sub(r"\{\w+\}", "[^/]+", path)), operation)
            for path, methods in document["paths"].items()
            for method, operation in methods.items()
        ]

    def check(self, response: httpx.Response) -> None:
        """Asserts that an answer is as its operation says; a hook of httpx."""
        response.read()
        request = response.request
        status = response.status_code
        operation = next(
            operation
            for method, path, operation in self._operations
            if (method == request.method or status == 405) and path.fullmatch(request.url.path)
        )
        name = operation["operationId"]
        assert str(status) in operation["responses"], (name, status, response.text)
        answer = operation["responses"][str(status)]
        self._check_headers(answer["headers"], response.headers)
        if "content" in answer:
            media_type = response.headers["content-type"].partition(";")[0]
            assert media_type in answer["content"], (name, status, media_type)
            value = response.json() if media_type.endswith("json") else response.text
            self.check_value(value, answer["content"][media_type]["schema"])
            if media_type == "text/event-stream":
                self._check_events(response.text)
        else:
            assert not response.content, (name, status)
        self.seen.add((name, status))

    def check_delivery(self, headers: Mapping[str, str], body: bytes) -> str:
        """Asserts that a webhook's delivery is as its event says. Returns: the event."""
        value = json.loads(body)
        operation = self.document["webhooks"][value["type"]]["post"]
        for parameter in operation["parameters"]:
            self.check_value(headers[parameter["name"]], parameter["schema"])
        self.check_value(value, operation["requestBody"]["content"]["application/json"]["schema"])
        return str(value["type"])

    def check_value(self, value: object, schema: Schema) -> None:
        """Asserts that a value fits a schema without a member that is not in it."""
        jsonschema.validate(value, {**schema, "components": self.document["components"]})
        self._note(value, schema)

    def unseen(self) -> set[str]:
        """Documented members that no answer had, as `Schema.member`."""
        return {
            f"{name}.{member}"
            for name, schema in self.document["components"]["schemas"].items()
            for member in schema.get("properties", {})
            if name not in OF_BODIES and member not in self.members.get(name, set())
        }

    def _check_headers(self, documented: Schema, headers: httpx.Headers) -> None:
        for name, each in documented.items():
            header = self.document["components"]["headers"][each["$ref"].rpartition("/")[2]]
            if name not in headers:
                assert not header.get("required"), name
                continue
            value: object = headers[name]
            if header["schema"]["type"] == "integer":
                value = int(headers[name])
            jsonschema.validate(value, header["schema"])

    def _check_events(self, stream: str) -> None:
        for lines in stream.strip().split("\n\n"):
            event = dict(line.split(": ", 1) for line in lines.split("\n"))
            if "" not in event:  # else it is a comment
                self.check_value(event, _reference("StreamEvent"))
                self.check_value(json.loads(event["data"]), _reference("Batch"))

    def _named(self, name: str) -> Schema:
        found: Schema = self.document["components"]["schemas"][name]
        return found

    def _note(self, value: object, schema: Schema) -> None:
        if "$ref" in schema:
            name = schema["$ref"].rpartition("/")[2]
            if isinstance(value, dict):
                self.members.setdefault(name, set()).update(value)
            self._note(value, self._named(name))
        elif "anyOf" in schema:  # a null, or what else it may be
            for each in schema["anyOf"]:
                if isinstance(value, dict) and "$ref" in each:
                    self._note(value, each)
        elif isinstance(value, list):
            for item in value:
                self._note(item, schema.get("items", {}))
        elif isinstance(value, dict):
            for member, held in value.items():
                others = schema.get("additionalProperties") or {}
                self._note(held, schema.get("properties", {}).get(member, others))


def _reference(name: str) -> Schema:
    return {"$ref": f"#/components/schemas/{name}"}


def _close(schema: Schema) -> None:
    """Forbids members that a schema does not name."""
    for each in _objects(schema):
        each.setdefault("additionalProperties", False)


def _objects(schema: Any) -> Iterator[Schema]:
    if isinstance(schema, dict):
        if isinstance(schema.get("properties"), dict):
            yield schema
        for each in schema.values():
            yield from _objects(each)
    elif isinstance(schema, list):
        for each in schema:
            yield from _objects(each)

# SPDX-License-Identifier: Apache-2.0
"""The document that describes the API (OpenAPI 3.1.1), made of the table of verbs."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any, Final

from armgs_server import __version__
from armgs_server.administration import Verb
from armgs_server.administration.fields import Field
from armgs_server.administration.tokens import EVERYTHING, READ, needed

PREFIX: Final = "/api/v1"
CHANGES: Final = "/changes"
_NAMED: Final = re.compile(r"\{(\w+)\}")
_PROBLEM: Final = "#/components/schemas/Problem"
_REFUSALS: Final = {
    "400": "An argument is wrong.",
    "401": "Nobody has logged in, or the token is not good; WWW-Authenticate says more.",
    "403": "Not permitted, or not within the scopes of the token.",
    "404": "It is not there, or not yours.",
    "409": "It exists already, or contradicts what is there.",
    "405": "Not done this way; Allow says how.",
    "413": "Too large.",
    "414": "Too long an address.",
    "415": "A body is application/json.",
    "431": "Too large a header.",
    "429": "Too many failed log-ins.",
    "503": "Not now; later perhaps.",
    "507": "No room.",
}
_PREVIEW: Final = Field("boolean", "Show what it would bring about, and do nothing.")
_EXPECT: Final = Field("string", "Do it only if its effects are those of the preview with this digest.")
_STEPS: Final = Field("steps", "Verbs by name with their arguments; all are done or none.", required=True)


def document(verbs: Iterable[Verb]) -> dict[str, Any]:
    """All of it, for JSON."""
    paths: dict[str, Any] = {}
    for verb in verbs:
        paths.setdefault(verb.path, {})[verb.method.lower()] = _operation(verb)
    paths[CHANGES] = {"post": _changes()}
    return {
        "openapi": "3.1.1",
        "info": {
            "title": "armgs_server",
            "version": __version__,
            "description": "What administrators do, as JSON. People log in with an app password, programs by"
            " a token. Who administers one department sees nothing of another.",
        },
        "servers": [{"url": PREFIX}],
        "paths": paths,
        "components": {
            "securitySchemes": {
                "basic": {
                    "type": "http",
                    "scheme": "basic",
                    "description": "An address and an app password.",
                },
                "bearer": {
                    "type": "http",
                    "scheme": "bearer",
                    "description": "A token of `tokens.create` (RFC 6750). It needs the scope that stands at"
                    f" the operation, or that without {READ}, or {EVERYTHING} instead of the group.",
                },
            },
            "schemas": {
                "Problem": {
                    "type": "object",
                    "required": ["title", "status"],
                    "properties": {
                        "title": {"type": "string"},
                        "status": {"type": "integer"},
                        "detail": {"type": "string"},
                    },
                },
                "Effects": _effects(),
            },
        },
    }


def _operation(verb: Verb) -> dict[str, Any]:
    in_path = _NAMED.findall(verb.path)
    others = {name: field for name, field in verb.arguments.items() if name not in in_path}
    has_body = verb.method in ("POST", "PUT", "PATCH")
    parameters = [_parameter("path", name, verb.arguments[name]) for name in in_path]
    if not has_body:
        parameters += [_parameter("query", name, field) for name, field in others.items()]
    if verb.has_preview:
        parameters += [_parameter("query", "preview", _PREVIEW), _parameter("query", "expect", _EXPECT)]
    operation: dict[str, Any] = {
        "operationId": verb.name,
        "summary": verb.summary,
        "tags": [verb.name.partition(".")[0]],
        "parameters": parameters,
        "security": _security(verb),
        "responses": _responses(),
    }
    if has_body:
        operation["requestBody"] = _body(others)
    return operation


def _changes() -> dict[str, Any]:
    return {
        "operationId": "changes",
        "summary": "Does several things in one transaction, or shows what they would bring about",
        "tags": ["changes"],
        "security": [{"basic": []}, {"bearer": []}],  # the scopes are those of its steps
        "requestBody": _body({"steps": _STEPS, "preview": _PREVIEW, "expect": _EXPECT}),
        "responses": _responses(),
    }


def _security(verb: Verb) -> list[dict[str, list[str]]]:
    """OpenAPI 3.1.1 §4.8.30: the names are those of the scopes that are needed."""
    least = needed(verb)
    return [{"basic": []}, {"bearer": [least]}] if least else [{"basic": []}]


def _parameter(place: str, name: str, field: Field) -> dict[str, Any]:
    schema = field.schema()
    text = schema.pop("description")
    if schema["type"] == "array":  # as parse_text takes it: separated by commas
        schema = {"type": "string"}
    required = place == "path" or field.required
    return {"name": name, "in": place, "required": required, "description": text, "schema": schema}


def _body(arguments: dict[str, Field]) -> dict[str, Any]:
    schema = {
        "type": "object",
        "properties": {name: field.schema() for name, field in arguments.items()},
        "required": [name for name, field in arguments.items() if field.required],
        "additionalProperties": False,
    }
    return {"required": bool(schema["required"]), "content": {"application/json": {"schema": schema}}}


def _responses() -> dict[str, Any]:
    done = {
        "description": "Done; with `preview` what would be.",
        "content": {"application/json": {"schema": {"type": "object"}}},
    }
    problem = {"application/problem+json": {"schema": {"$ref": _PROBLEM}}}
    refusals = {status: {"description": text, "content": problem} for status, text in _REFUSALS.items()}
    return {"200": done, **refusals}


def _effects() -> dict[str, Any]:
    change = {
        "type": "array",
        "items": {
            "type": "object",
            "properties": {
                "address": {"type": "string"},
                "gains": {"type": "integer"},
                "gained": {"type": "array", "items": {"type": "string"}},
                "loses": {"type": "integer"},
                "lost": {"type": "array", "items": {"type": "string"}},
            },
        },
    }
    kinds = ("rosters", "rooms", "lists", "rights", "address_books", "calendars")
    return {
        "type": "object",
        "properties": {
            **dict.fromkeys(kinds, change),
            "people": {"type": "integer"},
            "missed": {"type": "integer"},
            "digest": {"type": "string"},
        },
    }

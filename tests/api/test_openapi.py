# SPDX-License-Identifier: Apache-2.0
"""The document that the API serves, and schemathesis, which tries all it says with good and bad arguments."""

from __future__ import annotations

import asyncio
import base64
import http.client
import json
import re
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from hypothesis.errors import Unsatisfiable
from schemathesis import GenerationMode

from armgs_server.administration import VERBS
from armgs_server.api import openapi
from tests.api.conftest import ADMIN, Api
from tests.world import PETROVA

EXAMPLES = 4  # of good and of bad arguments for each operation
SETTINGS = settings(
    max_examples=EXAMPLES,
    deadline=None,
    database=None,
    phases=(Phase.generate,),
    derandomize=True,
    suppress_health_check=list(HealthCheck),
)


async def test_every_verb_is_described(api: Api) -> None:
    document = (await api("GET", "/../openapi.json", as_="")).body
    assert document == json.loads(json.dumps(openapi.document(VERBS)))
    described = {
        operation["operationId"] for methods in document["paths"].values() for operation in methods.values()
    }
    assert described == {verb.name for verb in VERBS} | {"changes"}
    for path, methods in document["paths"].items():
        for operation in methods.values():
            named = (
                {each["name"] for each in operation["parameters"] if each["in"] == "path"}
                if path != "/changes"
                else set()
            )
            assert named == set(re.findall(r"\{(\w+)\}", path)), path


async def test_schemathesis_finds_no_fault_of_ours(api: Api) -> None:
    """Whatever is sent, the answer is one that the document tells of, and never a 5xx."""
    unit = (await api("POST", "/units", {"domain": "digital.example", "name": "Unit"})).body["number"]
    await api("POST", "/groups", {"address": "all@digital.example", "members": [PETROVA]})
    made = await api("POST", "/tokens", {"name": "program", "scopes": ["*"]})
    known = {"address": (PETROVA, "all@digital.example"), "unit": (unit,)}
    tried = await asyncio.to_thread(try_all, api, made.body["token"], known)
    assert sum(tried.values()) > 5 * len(VERBS)
    assert await api.world.directory.by_address(ADMIN) is not None


def try_all(api: Api, token: str, known: dict[str, tuple[Any, ...]]) -> dict[str, int]:
    """How often each operation was tried; half of the time with names and numbers that are there, and half of
    the time by a program with a token."""
    schema = schemathesis.openapi.from_dict(openapi.document(VERBS))
    operations = [found.ok() for found in schema.get_all_operations()]
    return {
        f"{operation.label} {mode.value}": try_operation(api, token, operation, mode, known)
        for operation in operations
        for mode in GenerationMode
    }


def try_operation(
    api: Api, token: str, operation: Any, mode: GenerationMode, known: dict[str, tuple[Any, ...]]
) -> int:
    documented = set(operation.definition.raw["responses"])
    tried = 0

    @SETTINGS
    @given(operation.as_strategy(generation_mode=mode), st.booleans(), st.booleans())
    def attempt(case: Any, is_real: bool, by_token: bool) -> None:
        nonlocal tried
        tried += 1
        if is_real:
            put_known(case, known)
        status = send(api, case, token if by_token else "")
        assert str(status) in documented and status < 500, (operation.label, status, case.body)

    try:
        attempt()
    except Unsatisfiable:  # an operation without arguments has no bad ones
        return 0
    return tried


def put_known(case: Any, known: dict[str, tuple[Any, ...]]) -> None:
    """Some arguments are those of somebody who is there."""
    for part in (case.path_parameters, case.body if isinstance(case.body, dict) else {}):
        for name, values in known.items():
            if name in (part or {}):
                part[name] = values[len(repr(case.body)) % len(values)]


def send(api: Api, case: Any, token: str) -> int:
    """By a plain client; the status."""
    made = case.as_transport_kwargs(base_url=api.world.url("/api/v1"))
    basic = base64.b64encode(f"{ADMIN}:{api.passwords[ADMIN]}".encode()).decode()
    shown = f"Bearer {token}" if token else f"Basic {basic}"
    headers = {"Authorization": shown, "Content-Type": "application/json"}
    data = made.get("data")
    body = json.dumps(made["json"]).encode() if "json" in made else data if isinstance(data, bytes) else None
    url = urlsplit(made["url"])
    query = urlencode(made.get("params") or {}, doseq=True)
    connection = http.client.HTTPConnection(url.hostname or "", url.port, timeout=60)
    try:
        path = quote(url.path, safe="/%@:!$&'()*+,;=~-._")
        connection.request(case.method, f"{path}?{query}" if query else path, body, headers)
        return connection.getresponse().status
    finally:
        connection.close()

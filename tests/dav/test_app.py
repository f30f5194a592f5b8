# SPDX-License-Identifier: Apache-2.0
"""Who may ask at all, and what an answer to a wrong request is."""

from __future__ import annotations

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from armgs_server.dav.app import parse_basic
from tests.dav.client import Client
from tests.dav.conftest import FILES, IVANOV, PETROVA, Site


def basic(text: str) -> str:
    return "Basic " + base64.b64encode(text.encode()).decode()


def test_basic() -> None:
    assert parse_basic(basic("user:pass:word")) == ("user", "pass:word")
    assert parse_basic("basic  " + base64.b64encode("я:п".encode()).decode()) == ("я", "п")
    for header in (None, "", "Basic", "Bearer x", "Basic !", basic("nocolon"), basic(":p"), "Basic /w=="):
        assert parse_basic(header) is None
    assert parse_basic("Basic " + "A" * 5000) is None


@given(st.text(max_size=50))
def test_any_header_is_taken_or_not(header: str) -> None:
    for text in (
        header,
        f"Basic {header}",
        f"Basic {base64.b64encode(header.encode('utf-8', 'replace')).decode()}",
    ):
        result = parse_basic(text)
        assert result is None or (result[0] and ":" not in result[0])


@pytest.mark.parametrize("path", ["/", "/dav/", FILES, "/dav/none", f"/dav/files/{PETROVA}/x"])
async def test_nothing_is_told_without_log_in(site: Site, path: str) -> None:
    anonymous, wrong, nobody = site.client(), site.client(IVANOV, "wrong"), site.client("x@y.example")
    for client in (anonymous, wrong, nobody):
        for method in ("PROPFIND", "OPTIONS", "PUT") if path != "/" else ("PROPFIND", "OPTIONS"):
            answer = await client.request(method, path)
            assert answer.status == 401
            assert answer.headers["www-authenticate"] == 'Basic realm="armgs_server", charset="UTF-8"'


async def test_the_log_in_name_may_be_spelled_in_capitals(site: Site) -> None:
    client = Client(site.port, IVANOV.upper(), "test-password")
    answer = await client.request("PROPFIND", "/dav/", headers={"Depth": "0"})
    await client.close()
    assert answer.status == 207


async def test_unknown_methods_and_paths(site: Site) -> None:
    client = site.ivanov
    assert (await client.request("POST", f"{FILES}/a")).status in (404, 405)
    assert (await client.request("TRACE", "/dav/")).status in (405, 501)
    assert (await client.request("PROPFIND", "/dav/other/")).status == 404
    assert (await client.request("PROPFIND", f"{FILES}/none")).status == 404
    wrong = await client.request("PUT", "/dav/")
    assert wrong.status == 405 and "PROPFIND" in wrong.headers["allow"]


async def test_the_whole_server_is_asked_with_an_asterisk(site: Site) -> None:
    answer = await site.ivanov.request("OPTIONS", "/")
    assert answer.headers["dav"].startswith("1, 2, 3")


async def test_a_folder_named_without_its_slash(site: Site) -> None:
    answer = await site.ivanov.request("PROPFIND", FILES, headers={"Depth": "0"})
    assert answer.headers["content-location"] == f"{FILES}/"
    assert answer.hrefs == [f"{FILES}/"]


async def test_a_body_above_the_limit(site: Site) -> None:
    answer = await site.ivanov.request("PROPFIND", FILES, b" " * (1 << 20) + b"<x/>")
    assert answer.status == 413

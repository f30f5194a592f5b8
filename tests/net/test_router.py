# SPDX-License-Identifier: Apache-2.0
"""Which handler answers which path."""

from __future__ import annotations

import pytest

from armgs_server.net.http import Handler, Request, Response, Router


def named(name: str) -> Handler:
    async def handler(request: Request) -> Response:
        return Response(200, [], name.encode())

    return handler


async def answered_by(router: Router, path: str, method: str = "GET") -> bytes:
    response = await router(Request(method, path, [], peer="", is_tls=False))
    assert isinstance(response.body, bytes)
    return response.body if response.status == 200 else b"%d" % response.status


async def test_longest_prefix_of_whole_segments() -> None:
    router = Router()
    for prefix in ("/dav", "/dav/files/", "/.well-known/caldav"):
        router.add(prefix, named(prefix))
    for path, handler in (
        ("/dav", b"/dav"),
        ("/dav/", b"/dav"),
        ("/dav/calendars/a/", b"/dav"),
        ("/dav/files", b"/dav/files/"),
        ("/dav/files/a/b", b"/dav/files/"),
        ("/dav/filesystem", b"/dav"),
        ("/davx", b"404"),
        ("/", b"404"),
        ("/.well-known/caldav", b"/.well-known/caldav"),
        ("*", b"404"),
    ):
        assert await answered_by(router, path) == handler, path


async def test_root_takes_the_rest_and_a_method_its_path() -> None:
    router = Router()
    router.add("/", named("root"))
    router.add("/dav", named("dav"))
    router.add("PROPFIND /", named("propfind"))
    assert await answered_by(router, "/other/path") == b"root"
    assert await answered_by(router, "/dav/x") == b"dav"
    assert await answered_by(router, "/", "PROPFIND") == b"propfind"
    assert await answered_by(router, "/other", "PROPFIND") == b"root"
    assert await answered_by(router, "*", "OPTIONS") == b"root"


def test_two_handlers_for_one_place() -> None:
    router = Router()
    router.add("/dav", named("a"))
    with pytest.raises(ValueError, match="two handlers for /dav/"):
        router.add("/dav/", named("b"))

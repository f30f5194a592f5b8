# SPDX-License-Identifier: Apache-2.0
"""Refusals: one status for each domain error, and the condition in the body."""

from __future__ import annotations

import pytest

from armgs_server import errors
from armgs_server.dav.errors import REASONS, DavError, describe, from_domain


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (errors.NotFound(), 404),
        (errors.AlreadyExists(), 409),
        (errors.Denied(), 403),
        (errors.Conflict(), 409),
        (errors.OverQuota(), 507),
        (errors.TooLarge(), 413),
        (errors.Invalid("x", 3), 400),
        (errors.Throttled(), 429),
        (errors.Temporary(), 503),
    ],
)
def test_domain_errors(error: errors.DomainError, status: int) -> None:
    refusal = from_domain(error)
    assert refusal.status == status and status in REASONS
    assert (("Retry-After", "30") in refusal.headers) == (status in (429, 503))
    assert (refusal.condition == "{DAV:}quota-not-exceeded") == (status == 507)


def test_bodies() -> None:
    assert DavError(404).body() == ("text/plain; charset=utf-8", b"Not Found\n")
    content_type, body = DavError(403, "why <", condition="{u:x}y", content="<D:href>/</D:href>").body()
    assert content_type == "application/xml; charset=utf-8"
    # RFC 4918 §16: what stands directly inside DAV:error is a condition, so the sentence stands inside it.
    said = b"<D:responsedescription>why &lt;</D:responsedescription>"
    assert b'<x:y xmlns:x="u:x"><D:href>/</D:href>' + said + b"</x:y></D:error>" in body


def test_for_the_log() -> None:
    assert describe(DavError(403, condition="{DAV:}need-privileges")) == "403 need-privileges"
    assert describe(DavError(404, "nothing")) == "404 nothing"

# SPDX-License-Identifier: Apache-2.0
"""`armgs queue`: what waits is seen, held, released, cancelled; a daemon beside it hears of it."""

from __future__ import annotations

import pytest

from armgs_server.cli.workplace import Workplace
from armgs_server.storage import queue
from armgs_server.storage.queue import Destination
from tests.cli.conftest import Armgs

NOW = 1_790_000_000_000_000
TEXT = b"Return-Path: <a@b.example>\r\nSubject: =?utf-8?q?x?=\r\n\r\nbody\r\n"
SKIP = TEXT.index(b"Subject")


@pytest.fixture
def filled(armgs: Armgs) -> Armgs:
    async def work(workplace: Workplace) -> None:
        ref = workplace.store.blobs.small(TEXT)
        destinations = [
            Destination(f"{name}@{domain}", domain, {"skip": SKIP, "size": len(TEXT)})
            for name, domain in (("x", "other.example"), ("y", "other.example"), ("z", "third.example"))
        ]
        await workplace.store.write(
            lambda tx: queue.enqueue(
                tx, ref, destinations, owner=0, sender="a@b.example", now=NOW, lifetime=60_000_000
            )
        )

    armgs.work(work)
    return armgs


def listed(armgs: Armgs, *options: str) -> dict[str, str]:
    """Recipient and next attempt."""
    return {each["recipient"]: each["next"] for each in armgs("queue", "list", *options, "--json").json}


def id_of(armgs: Armgs, recipient: str) -> str:
    [found] = armgs("queue", "list", "--recipient", recipient, "--json").json
    return str(found["id"])


def test_what_waits_is_listed(filled: Armgs) -> None:
    assert listed(filled) == dict.fromkeys(
        ("x@other.example", "y@other.example", "z@third.example"), "2026-09-21 14:13:20"
    )
    assert set(listed(filled, "--domain", "third.example")) == {"z@third.example"}
    assert listed(filled, "--sender", "nobody@b.example") == {}
    assert "x@other.example" in filled("queue", "list").out


def test_one_message_is_shown(filled: Armgs) -> None:
    shown = filled("queue", "show", id_of(filled, "z@third.example"), "--json").json
    assert (shown["sender"], shown["attempts"], shown["size"]) == ("a@b.example", 0, len(TEXT))
    assert shown["header"] == "Subject: =?utf-8?q?x?="
    assert shown["expires"] == "2026-09-21 14:14:20"


def test_held_and_released(filled: Armgs) -> None:
    assert filled("queue", "hold", "--domain", "other.example").code == 0
    assert filled("queue", "retry", "--all").code == 0
    assert listed(filled, "--held") == {"x@other.example": "held", "y@other.example": "held"}
    assert filled("queue", "release", id_of(filled, "x@other.example")).code == 0
    assert set(listed(filled, "--held")) == {"y@other.example"}
    assert listed(filled)["x@other.example"] > "2026-11"
    shown = filled("queue", "show", id_of(filled, "x@other.example"), "--json").json
    assert shown["expires"] > shown["next"]  # it has its lifetime before it


def test_cancelled(filled: Armgs) -> None:
    assert filled("queue", "cancel", id_of(filled, "x@other.example")).code == 0
    assert set(listed(filled)) == {"y@other.example", "z@third.example"}
    assert filled("queue", "cancel", "--domain", "third.example", "--return").code == 0

    async def work(workplace: Workplace) -> list[bool]:
        found = await workplace.store.read(lambda tx: queue.scan(tx, domain="third.example"))
        return [bool(entry.data.get("cancelled")) for entry in found]

    assert filled.work(work) == [True]  # the relay makes the report
    assert filled("queue", "cancel", "--all").code == 0
    assert listed(filled) == {}


def test_refusals(filled: Armgs) -> None:
    assert filled("queue", "hold").code == 2
    assert filled("queue", "show", "xyz").code == 5
    assert filled("queue", "show", "1").code == 3
    assert filled("queue", "cancel", "1").code == 3

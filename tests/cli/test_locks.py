# SPDX-License-Identifier: Apache-2.0
"""`armgs lock`: who has what locked, and taking a lock away."""

from __future__ import annotations

from armgs_server.cli.workplace import Workplace
from armgs_server.storage import clock, collections, items, locks
from armgs_server.storage.locks import Lock
from armgs_server.storage.tx import Tx
from tests.cli.conftest import IVANOV, Armgs

PATH = f"/dav/files/{IVANOV}/отчёт.odt"
ROOT = f"/dav/files/{IVANOV}/%D0%BE%D1%82%D1%87%D1%91%D1%82.odt"
OWNER = "<D:owner><D:href>Иван &amp; LibreOffice</D:href></D:owner>"


async def take(workplace: Workplace) -> None:
    owner = (await workplace.principal(IVANOV)).id

    async def work(tx: Tx) -> None:
        root = await collections.by_role(tx, owner, "files", "root")
        assert root is not None
        item = await items.add(tx, root, workplace.store.blobs.small(b"x"), name="отчёт.odt")
        end = clock.now() + clock.HOUR
        made = Lock(owner, root.id, item.uid, "urn:uuid:1", "exclusive", 0, owner, OWNER, end, ROOT)
        assert await locks.take(tx, made, [root.id]) == []

    await workplace.store.write(work)


def test_listed_and_taken_away(armgs: Armgs) -> None:
    armgs.work(take)
    (found,) = armgs("lock", "list", IVANOV, "--json").json
    assert (found["path"], found["by"], found["scope"]) == (PATH, IVANOV, "exclusive")
    assert found["client"] == "Иван & LibreOffice"
    assert armgs("lock", "remove", IVANOV, "/dav/files/other").code != 0
    assert armgs("lock", "remove", IVANOV, PATH).code == 0
    assert armgs("lock", "list", IVANOV, "--json").json == []
    assert armgs("lock", "list", "nobody@digital.example").code != 0

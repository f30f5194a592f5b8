# SPDX-License-Identifier: Apache-2.0
"""cli/doctor_acme.py: what the doctor says of the CA, in both languages."""

from __future__ import annotations

from pathlib import Path

from armgs_server.cli.doctor_acme import authority
from armgs_server.cli.doctor_texts import TEXTS
from armgs_server.config import Config, TlsSettings
from armgs_server.storage import Store, acme
from armgs_server.storage.acme import State

CONFIG = Config(Path("."), tls=TlsSettings(acme_directory="https://ca.example/dir"))


async def said(store: Store, state: State | None) -> list[tuple[str, str]]:
    if state is not None:
        await store.write(lambda tx: acme.keep_state(tx, state))
    found = await authority(CONFIG, store)
    assert all(each.as_record(TEXTS, "ru")["detail"] for each in found)
    return [(each.status, each.as_record(TEXTS, "en")["detail"]) for each in found]


async def test_the_doctor_knows_how_it_stands(store: Store) -> None:
    assert await authority(Config(Path(".")), store) == []
    assert await said(store, None) == [("warning", "it has made no certificate yet")]
    made = State(directory="https://ca.example/dir", done=1, renew=1_800_000_000_000_000)
    assert await said(store, made) == [("ok", "the next certificate on 2027-01-15")]
    failed = State(done=1, failures=3, error="no answer")
    assert await said(store, failed) == [("warning", "no certificate after 3 attempts: no answer")]
    refused = State(done=1, renew=1_800_000_000_000_000, refused={"a.example": "no such host"})
    assert (await said(store, refused))[1] == ("warning", "does not vouch for a.example: no such host")

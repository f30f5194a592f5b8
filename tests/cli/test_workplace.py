# SPDX-License-Identifier: Apache-2.0
"""Which workplace a command is about, and that root does not spoil somebody else's store."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from armgs_server.cli.workplace import Workplace, config_file, public_url
from armgs_server.errors import NotFound
from tests.cli.conftest import IVANOV, Armgs


def test_the_configuration_that_is_meant(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "armgs.toml"
    monkeypatch.chdir(tmp_path)
    if not Path("/etc/armgs/armgs.toml").exists():
        with pytest.raises(NotFound):
            config_file(None)
    file.touch()
    assert config_file(None) == Path("armgs.toml")
    assert config_file(tmp_path) == file
    assert config_file(tmp_path / "other.toml") == tmp_path / "other.toml"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can be somebody else's root")
def test_root_leaves_the_store_of_another_user_alone(armgs: Armgs) -> None:
    os.chown(armgs.path / "data", 65534, 65534)
    refused = armgs("user", "list")
    assert refused.code == 6
    assert "run this as that user" in refused.err


def test_a_databases_password_is_not_shown() -> None:
    assert public_url("postgresql://armgs:secret@db.example/armgs") == "postgresql://armgs@db.example/armgs"
    assert public_url("postgresql://armgs@/armgs?host=/run") == "postgresql://armgs@/armgs?host=/run"
    assert public_url("sqlite") == "sqlite"


def test_units_are_found_in_any_case(armgs: Armgs) -> None:
    async def work(workplace: Workplace) -> tuple[int, int, int]:
        department = workplace.directory.domains["digital.example"]
        made = await workplace.unit(department, "Отдел разработки")
        return (
            made,
            await workplace.unit(department, "отдел РАЗРАБОТКИ"),
            await workplace.unit(department, ""),
        )

    made, again, none = armgs.work(work)
    assert made == again > 0
    assert none == 0


def test_a_principal_of_the_wrong_kind(armgs: Armgs) -> None:
    async def work(workplace: Workplace) -> None:
        await workplace.principal(IVANOV, "group", "room")

    with pytest.raises(NotFound, match="there is no group or room ivanov"):
        armgs.work(work)


def test_a_running_daemon_hears_of_changes(armgs: Armgs) -> None:
    """What a command changes lies in the store as hints, for the daemon to publish."""
    armgs("user", "disable", IVANOV)

    async def topics(workplace: Workplace) -> set[str]:
        rows = await workplace.store.read(lambda tx: tx.rows("SELECT topic FROM hint"))
        return {row[0] for row in rows}

    assert armgs.work(topics) >= {"directory", "kick"}

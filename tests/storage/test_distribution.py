# SPDX-License-Identifier: Apache-2.0
"""etc/cluster/citus.sql fits the schema: all tables are named, unique keys hold the distribution column."""

from __future__ import annotations

import re
from pathlib import Path

from armgs_server.storage.migrations import schema, tables

STATEMENTS = (Path(__file__).parents[2] / "etc" / "cluster" / "citus.sql").read_text()
REFERENCE = set(re.findall(r"create_reference_table\('(\w+)'\)", STATEMENTS))
DISTRIBUTED = dict(re.findall(r"create_distributed_table\('(\w+)', '(\w+)'", STATEMENTS))


def test_every_table_is_spread_or_on_every_node() -> None:
    assert REFERENCE | DISTRIBUTED.keys() == {table.name for table in tables()}
    assert not REFERENCE & DISTRIBUTED.keys()


def test_keys_lead_with_the_distribution_column() -> None:
    for table in tables():
        if table.name in DISTRIBUTED:
            assert table.key[0] == DISTRIBUTED[table.name], table.name


def test_unique_indexes_hold_the_distribution_column() -> None:
    for statement in schema():
        index = re.match(r"CREATE UNIQUE INDEX IF NOT EXISTS \w+ ON (\w+) \(([^)]*)\)", statement)
        if index and index[1] in DISTRIBUTED:
            assert DISTRIBUTED[index[1]] in re.split(r"\s*,\s*", index[2]), index[0]
        table = re.match(r"CREATE TABLE IF NOT EXISTS (\w+)", statement)
        if table and table[1] in DISTRIBUTED:
            assert not re.search(r"\bUNIQUE\b", statement), f"{table[1]}: a column unique by itself"

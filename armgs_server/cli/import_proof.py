# SPDX-License-Identifier: Apache-2.0
"""What `armgs import dav` tells and remembers: proofs, and the state from which it goes on."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import click

from armgs_server.cli.output import print_json, print_table
from armgs_server.cli.report import Report
from armgs_server.errors import Invalid

SAVED_EVERY = 200  # resources


@dataclass(slots=True)
class Proof:
    """One collection: what there is at the other server, by key the hash of its bytes, and what is here."""

    collection: str
    source: dict[str, str] = field(default_factory=dict)
    here: dict[str, str] = field(default_factory=dict)
    listed: int = 0

    def as_record(self) -> dict[str, Any]:
        return {
            "collection": self.collection,
            "listed": self.listed,
            "source": len(self.source),
            "here": len(self.here),
            "source_hash": digest(self.source.items()),
            "here_hash": digest(self.here.items()),
        }


@dataclass(slots=True)
class DavReport(Report):
    """The report with its proofs."""

    proofs: list[Proof] = field(default_factory=list)

    def as_record(self) -> dict[str, Any]:
        return {**Report.as_record(self), "proofs": [each.as_record() for each in self.proofs]}

    def finish(self, as_json: bool, things: str) -> None:
        """Prints the proofs before the rest."""
        if as_json:
            print_json(self.as_record())
            click.get_current_context().exit(self.code)
        records = [each.as_record() for each in self.proofs]
        columns = ("collection", "listed", "source", "here", "source_hash", "here_hash")
        print_table("Proof", columns, ([record[name] for name in columns] for record in records))
        Report.finish(self, as_json, things)


class State:
    """What was taken, by path: entity tag, key and hash; kept in a file if there is to be one."""

    def __init__(self, file: Path | None) -> None:
        self._file = file
        self._taken: dict[str, list[str]] = {}
        if file is not None and file.exists():
            try:
                self._taken = {
                    str(path): list(map(str, each)) for path, each in json.loads(file.read_bytes()).items()
                }
            except (ValueError, AttributeError, TypeError) as error:
                raise Invalid(f"{file} is not the state of an import") from error
        self._unsaved = 0

    def taken(self, path: str, etag: str) -> tuple[str, str] | None:
        """Key and hash of a resource that is there unchanged."""
        known = self._taken.get(path)
        return (known[1], known[2]) if known and etag and known[0] == etag else None

    def note(self, path: str, etag: str, key: str, hash_: str) -> None:
        self._taken[path] = [etag, key, hash_]
        self._unsaved += 1
        if self._unsaved >= SAVED_EVERY:
            self.save()

    def save(self) -> None:
        """Whole or not at all."""
        if self._file is not None:
            draft = self._file.with_name(self._file.name + ".new")
            draft.write_text(json.dumps(self._taken, ensure_ascii=False))
            os.replace(draft, self._file)
        self._unsaved = 0


def digest(pairs: Iterable[tuple[str, str]]) -> str:
    """SHA-256 over `KEY HASH` lines in the order of the keys."""
    return hashlib.sha256("".join(f"{key} {hash_}\n" for key, hash_ in sorted(pairs)).encode()).hexdigest()

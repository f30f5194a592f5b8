# SPDX-License-Identifier: Apache-2.0
"""What a restore of parts is asked for, and what it tells of each collection."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from armgs_server.directory.languages import is_russian
from armgs_server.directory.model import Principal
from armgs_server.storage.collections import Collection

SHOWN: Final = 1000  # things named of one collection; the counts are of all
_LABELS: Final = {True: "Восстановлено", False: "Restored"}
_STANDARD: Final = {  # what a calendar is called whose owner has not named it
    "calendar": {True: "Календарь", False: "Calendar"},
    "tasks": {True: "Задачи", False: "Tasks"},
    "addressbook": {True: "Контакты", False: "Contacts"},
}


@dataclass(frozen=True, slots=True)
class Wish:
    """How things come back. Beside what is there unless `in_place`."""

    created: datetime  # of the generation
    in_place: bool = False
    replace: bool = False  # in place: what is there with other bytes gets those it had
    missing: bool = False  # beside: only what is not there any more

    @property
    def stamp(self) -> str:
        """In the names of calendars and address books, which are part of URLs."""
        return f"restored-{self.created:%Y%m%dT%H%M%SZ}"

    def label(self, person: Principal) -> str:
        """What people see: no character in it troubles a client or a disk."""
        return f"{_LABELS[is_russian(person)]} {self.created.astimezone():%Y-%m-%d %H.%M}"

    def title(self, collection: Collection, person: Principal) -> str:
        """The same for a calendar or an address book."""
        given = collection.data.get("displayname")
        names = _STANDARD.get(collection.kind, {}) if collection.role == "default" else {}
        name = given or names.get(is_russian(person)) or collection.name
        return f"{name} ({self.label(person)})"


@dataclass(slots=True)
class Told:
    """What becomes, or would become, of one collection."""

    owner: str
    kind: str
    path: str
    into: str
    new: int = 0
    same: int = 0  # is there as it was
    differs: int = 0  # is there with other bytes
    brought: int = 0  # of the new ones, and of those that differ
    bytes: int = 0  # of what is brought
    refused: list[dict[str, str]] = field(default_factory=list)
    things: list[dict[str, Any]] = field(default_factory=list)

    def count(self, id_: str, title: str, size: int, state: str) -> None:
        """One thing that was looked at; state: new, same, differs."""
        self.new += state == "new"
        self.same += state == "same"
        self.differs += state == "differs"
        self.name(id_, title, size, state)

    def name(self, id_: str, title: str, size: int, state: str) -> None:
        if len(self.things) < SHOWN:
            self.things.append({"id": id_, "title": title, "bytes": size, "state": state})

    def refuse(self, id_: str, title: str, reason: str) -> None:
        self.refused.append({"id": id_, "title": title, "reason": reason})

    def as_record(self) -> Mapping[str, Any]:
        return {
            "owner": self.owner,
            "kind": self.kind,
            "path": self.path,
            "into": self.into,
            "new": self.new,
            "same": self.same,
            "differs": self.differs,
            "brought": self.brought,
            "bytes": self.bytes,
            "refused": self.refused,
            "things": self.things,
        }


@dataclass(slots=True)
class Result:
    """All of one restore."""

    collections: list[Told] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)

    @property
    def brought(self) -> int:
        return sum(each.brought for each in self.collections)

    @property
    def bytes(self) -> int:
        return sum(each.bytes for each in self.collections)

    @property
    def refused(self) -> int:
        return sum(len(each.refused) for each in self.collections)

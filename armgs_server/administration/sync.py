# SPDX-License-Identifier: Apache-2.0
"""A department's people and units as another system has them, again and again: what is different is changed.

Units are known by their code, people by their address; what the table does not tell stays as it is. A trial
does all of it in one transaction that is undone, so it refuses and counts what the real run would. `strict`:
one refusal, and nothing is done; else rows that can be taken are taken, some at a time.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Literal

from armgs_server.administration.table_file import Refusal, Row, Table
from armgs_server.directory import addressbook, group_rules, lookup, people, structure, succession
from armgs_server.directory.directory import Directory
from armgs_server.directory.effects import undone
from armgs_server.directory.model import Principal, check_address, check_name
from armgs_server.directory.people import Change
from armgs_server.directory.surroundings import Surroundings
from armgs_server.errors import Conflict, DomainError, Invalid, OverQuota, Temporary
from armgs_server.storage import acts
from armgs_server.storage.tx import Tx

UNITS_NEED: Final = ("code", "name")
PEOPLE_NEED: Final = ("address",)
UNIT_COLUMNS: Final = (*UNITS_NEED, "parent", "address")
PEOPLE_COLUMNS: Final = ("address", "name", "unit", "post", "head")
ATTRIBUTES: Final = ("telephone", "mobile", "family", "given", "additional")
CODE: Final = "code"  # of a unit's data
AT_ONCE: Final = 500  # rows in one transaction
_TRUE: Final = ("1", "yes", "true", "да")
Missing = Literal["keep", "suspend"]


@dataclass(slots=True)
class Report:
    """What was done, or would be."""

    units_added: int = 0
    units_changed: int = 0
    added: int = 0
    changed: int = 0
    unchanged: int = 0
    suspended: int = 0
    refusals: list[Refusal] = field(default_factory=list)


class _Strict(Conflict):
    """Rows were refused."""

    def __init__(self, report: Report) -> None:
        super().__init__(f"{len(report.refusals)} rows are refused, so nothing was done")
        self.report = report


class Sync:
    """One run. `progress` is told how many rows are done."""

    def __init__(
        self,
        directory: Directory,
        department: Principal,
        units: Table | None,
        people_: Table | None,
        *,
        missing: Missing = "keep",
        progress: Callable[[int], None] = lambda count: None,
    ) -> None:
        self._directory = directory
        self._department = department
        self._units = units
        self._people = people_
        self._missing = missing
        self._progress = progress
        self._numbers: dict[str, int] = {}  # of units, by code and by name

    async def run(self, actor: str, *, is_trial: bool, strict: bool) -> Report:
        """Does it. A trial has the report of what would be."""
        if is_trial or strict:

            async def whole(tx: Tx) -> Report:
                report = self._new_report()
                await self._do_units(tx, report)
                await self._do_people(tx, report, self._people.rows if self._people else ())
                await self._do_missing(tx, report)
                if strict and report.refusals and not is_trial:
                    raise _Strict(report)
                await self._note(tx, actor, report)
                return report

            try:
                return await (
                    undone(self._directory.store, whole) if is_trial else self._directory.apply(whole)
                )
            except _Strict as refused:
                return Report(refusals=refused.report.refusals)
        return await self._in_parts(actor)

    async def _in_parts(self, actor: str) -> Report:
        report = self._new_report()
        await self._part(report, self._do_units)
        rows = self._people.rows if self._people else ()
        for start in range(0, len(rows), AT_ONCE):
            part = rows[start : start + AT_ONCE]
            await self._part(report, lambda tx, one, part=part: self._do_people(tx, one, part))  # type: ignore[misc]
            self._progress(len(part))
        await self._part(report, self._do_missing)
        await self._directory.store.write(lambda tx: self._note(tx, actor, report))
        return report

    async def _part(self, report: Report, work: Callable[[Tx, Report], Awaitable[None]]) -> None:
        """One transaction; it may be run again, so its report is its own."""

        async def part(tx: Tx) -> Report:
            own = Report()
            await work(tx, own)
            return own

        done = await self._directory.apply(part)
        for name in ("units_added", "units_changed", "added", "changed", "unchanged", "suspended"):
            setattr(report, name, getattr(report, name) + getattr(done, name))
        report.refusals += done.refusals

    def _new_report(self) -> Report:
        read = [table for table in (self._units, self._people) if table is not None]
        return Report(refusals=[refusal for table in read for refusal in table.refusals])

    # Units

    async def _do_units(self, tx: Tx, report: Report) -> None:
        found = await lookup.of_kind(tx, self._department.id, "unit")
        by_code = {str(each.data[CODE]): each for each in found if CODE in each.data}
        if self._units is not None:
            waiting: Sequence[Row] = self._units.rows
            done: set[str] = set()
            while waiting:
                later = [row for row in waiting if not self._is_ready(row, done)]
                if len(later) == len(waiting):
                    for row in later:
                        reason = "no such unit, or units above each other in a circle"
                        report.refusals.append(self._units.refuse(row, "parent", reason))
                    break
                for row in waiting:
                    if self._is_ready(row, done):
                        await self._do_unit(tx, report, self._units, row, by_code)
                done |= {row.fields["code"] for row in waiting if self._is_ready(row, done)}
                waiting = later
            if report.units_added:
                await addressbook.put_heads(
                    tx, self._department.id, {0, *(each.id for each in by_code.values())}
                )
        names = await lookup.of_kind(tx, self._department.id, "unit")
        self._numbers = {each.name: each.id for each in reversed(names)}
        self._numbers |= {code: each.id for code, each in by_code.items()}

    def _is_ready(self, row: Row, done: set[str]) -> bool:
        parent = row.fields.get("parent", "")
        return not parent or parent in done

    async def _do_unit(
        self, tx: Tx, report: Report, table: Table, row: Row, by_code: dict[str, Principal]
    ) -> None:
        code, name = row.fields["code"], row.fields["name"]
        above = by_code.get(row.fields.get("parent", ""))
        parent = above.id if above is not None else 0
        try:
            if not code:
                raise Invalid("a unit has a code")
            check_name(name)
            before = by_code.get(code)
            if before is None:
                address = row.fields.get("address", "")
                made = await structure.add_unit(tx, self._department.id, name, parent, address, {CODE: code})
                by_code[code] = made
                report.units_added += 1
            elif (before.name, before.unit) != (name, parent):
                by_code[code] = await people.update(tx, before.id, Change(name=name, unit=parent))
                report.units_changed += 1
        except Temporary:
            raise
        except DomainError as error:  # each is found before anything of the row is written
            report.refusals.append(
                table.refuse(row, "parent" if "below" in error.text else "code", error.text)
            )

    # People

    async def _do_people(self, tx: Tx, report: Report, rows: Sequence[Row]) -> None:
        table = self._people
        if table is None:
            return
        seen: set[str] = set()
        around = Surroundings()  # the units have been done
        known = await around.note_addresses(tx, (row.fields["address"] for row in rows))
        for row in rows:
            column = "address"
            try:
                address = check_address(row.fields["address"])
                if address in seen:
                    raise Invalid(f"{address} stands here twice")
                seen.add(address)
                column = "unit"
                wanted = self._wanted(row)
                column = "name"
                check_name(wanted.name or "")
                column = "post"
                check_name(wanted.post or "")
                column = "address"
                if await around.department_of(tx, address) != self._department.id:
                    raise Invalid(f"{address} is an address of another department")
                await self._do_person(tx, report, address, known.get(address), wanted, around)
            except (OverQuota, Temporary):  # found when a part of the row is written
                raise
            except DomainError as error:  # each is found before anything of the row is written
                report.refusals.append(table.refuse(row, column, error.text))

    def _wanted(self, row: Row) -> Change:
        fields = row.fields
        unit = fields.get("unit")
        if unit and unit not in self._numbers:
            raise Invalid(f"there is no unit {unit[:100]}")
        data = {name: fields[name] or None for name in ATTRIBUTES if name in fields}
        return Change(
            name=fields.get("name") or None,
            unit=None if unit is None else self._numbers.get(unit, 0),
            post=fields.get("post"),
            head=fields["head"].lower() in _TRUE if "head" in fields else None,
            data=data,
        )

    async def _do_person(
        self,
        tx: Tx,
        report: Report,
        address: str,
        before: Principal | None,
        wanted: Change,
        around: Surroundings,
    ) -> None:
        if before is None:
            await people.create(
                tx,
                address,
                wanted.name or "",
                unit=wanted.unit or 0,
                post=wanted.post or "",
                head=bool(wanted.head),
                data={key: value for key, value in (wanted.data or {}).items() if value is not None},
                credentials=(),
                quota=self._directory.config.limits.quota,
                around=around,
            )
            report.added += 1
            return
        if before.kind != "person" or before.address != address:
            raise Conflict(f"{address} is no person's own address")
        if before.disabled:
            await succession.restore(tx, before)
        if "own" in before.data:  # a post says these
            wanted = Change(name=wanted.name, data=wanted.data)
        if before.disabled or _differs(before, wanted):
            await people.update(tx, before.id, wanted)
            report.changed += 1
        else:
            report.unchanged += 1

    async def _do_missing(self, tx: Tx, report: Report) -> None:
        """Who is not in the table any more; rows that were refused count as being there."""
        if self._people is None or self._missing == "keep":
            return
        named = {row.fields["address"].casefold() for row in self._people.rows}
        refused = any(refusal.column == 1 or not refusal.column for refusal in self._people.refusals)
        if refused:
            return
        for person in await lookup.of_kind(tx, self._department.id, "person"):
            if person.address not in named and not person.disabled:
                await succession.suspend(tx, person, None)
                report.suspended += 1
        await group_rules.follow_tree(tx, self._department.id)

    async def _note(self, tx: Tx, actor: str, report: Report) -> None:
        told: dict[str, Any] = {
            name: getattr(report, name)
            for name in ("units_added", "units_changed", "added", "changed", "unchanged", "suspended")
        }
        await acts.append(tx, self._department.id, actor, "sync", told | {"refused": len(report.refusals)})


def _differs(before: Principal, wanted: Change) -> bool:
    """Whether anything would be written."""
    for name in ("name", "unit", "post", "head"):
        value = getattr(wanted, name)
        if value is not None and value != getattr(before, name):
            return True
    return any(before.data.get(key) != value for key, value in (wanted.data or {}).items())

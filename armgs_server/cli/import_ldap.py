# SPDX-License-Identifier: Apache-2.0
"""`armgs import ldap`: a department's units and people from LDAP or Active Directory, again and again.

What is read becomes the tables that `armgs sync` takes from files, so both are tried, applied and told alike.
Units are the organizationalUnit entries below the base that have people somewhere below them, known by the
number that the other server gave them; or, with --units attribute, what people's department or ou says.
"""

from __future__ import annotations

import ssl
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Literal

import click

from armgs_server.administration.sync import Missing, Report, Sync
from armgs_server.administration.table_file import Refusal, Row, Table
from armgs_server.cli.output import Bar
from armgs_server.cli.sync import finish
from armgs_server.cli.workplace import Workplace, config_option, json_option, read_password, work_on
from armgs_server.errors import Invalid
from armgs_server.ldap.client import Client, Found, Url, all_of, any_of, equals, parse_url
from armgs_server.ldap.dn import Dn, parse_dn

Units = Literal["tree", "attribute", "none"]
PEOPLE: Final = any_of(
    equals("objectClass", "inetOrgPerson"),
    # Active Directory: computers are of the class user, too, but not of this category
    all_of(equals("objectCategory", "person"), equals("objectClass", "user")),
)
UNITS: Final = equals("objectClass", "organizationalUnit")
_UNIT_ATTRIBUTES: Final = ("ou", "objectGUID", "entryUUID", "managedBy")
_ADDRESSES: Final = ("mail", "userprincipalname")
# Column of the table → attributes of which the first that is there counts; Active Directory's own are last.
_COLUMNS: Final[Mapping[str, tuple[str, ...]]] = {
    "name": ("displayname", "cn"),
    "post": ("title",),
    "telephone": ("telephonenumber",),
    "mobile": ("mobile",),
    "family": ("sn",),
    "given": ("givenname",),
    "additional": ("middlename",),
}
_DEPARTMENT: Final = ("department", "ou")
_PERSON_ATTRIBUTES: Final = (
    *_ADDRESSES, *(name for names in _COLUMNS.values() for name in names), *_DEPARTMENT, "userAccountControl"
)  # fmt: skip
_ACCOUNT_DISABLED: Final = 2  # a bit of userAccountControl


@dataclass(frozen=True, slots=True)
class EntryTable(Table):
    """A table whose rows are entries: what is refused is told by the entry's name."""

    names: Sequence[str] = field(default=())

    def refuse(self, row: Row, column: str, reason: str) -> Refusal:
        return Refusal(self.names[row.line - 1], 0, 0, f"{column}: {reason}")


@click.command("ldap")
@click.argument("url")
@click.argument("domain")
@click.option("--bind", "bind_name", default="", help="The name to log in with; else nobody is logged in.")
@click.option("--password-stdin", is_flag=True, help="Read its password from standard input.")
@click.option(
    "--ca", type=click.Path(path_type=Path, exists=True, dir_okay=False), help="CA of the server, PEM."
)
@click.option("--clear-text", is_flag=True, help="Speak ldap:// without StartTLS.")
@click.option(
    "--units",
    "units_from",
    type=click.Choice(["tree", "attribute", "none"]),
    default="tree",
    show_default=True,
    help="What units are made of.",
)
@click.option(
    "--missing",
    type=click.Choice(["keep", "suspend"]),
    default="keep",
    show_default=True,
    help="What becomes of people who are not there.",
)
@click.option("--dry-run", is_flag=True, help="Tell what would be done, and do nothing.")
@click.option("--strict", is_flag=True, help="One entry that is refused, and nothing is done.")
@config_option
@json_option
def ldap(
    url: str,
    domain: str,
    bind_name: str,
    password_stdin: bool,
    ca: Path | None,
    clear_text: bool,
    units_from: Units,
    missing: Missing,
    dry_run: bool,
    strict: bool,
    config_path: Path | None,
    as_json: bool,
) -> int:
    """Brings the department of DOMAIN in step with what is below the base of an ldap:// or ldaps:// URL."""
    where = parse_url(url)
    if bind_name and not password_stdin:
        raise Invalid("--bind needs --password-stdin")
    if where.secure and clear_text:
        raise Invalid("--clear-text does not go with ldaps://")
    password = read_password() if password_stdin else ""
    tls = None if clear_text else ssl.create_default_context(cafile=str(ca) if ca is not None else None)

    async def work(workplace: Workplace) -> Report:
        department = await workplace.principal(domain, "department")
        units, people = await fetch(where, tls, bind_name, password, units_from)
        tables = to_tables(url, where.base, units, people, domains_of(workplace, department.id), units_from)
        with Bar("Bringing in step", len(tables[1].rows)) as bar:
            run = Sync(workplace.directory, department, *tables, missing=missing, progress=bar.advance)
            report = await run.run(workplace.office.actor, is_trial=dry_run, strict=strict)
        if not dry_run:
            await workplace.store.analyse()
        return report

    return finish(work_on(config_path, work), as_json)


def domains_of(workplace: Workplace, department: int) -> frozenset[str]:
    """The domains whose addresses people of the department may have."""
    domains = workplace.directory.domains
    return frozenset(domain for domain, number in domains.items() if number == department)


async def fetch(
    where: Url, tls: ssl.SSLContext | None, name: str, password: str, units_from: Units
) -> tuple[list[Found], list[Found]]:
    """Units and people as the other server has them."""
    client = await Client.connect(where, tls)
    try:
        if name:
            await client.bind(name, password)
        units: list[Found] = []
        if units_from == "tree":
            units = [found async for found in client.search(where.base, UNITS, _UNIT_ATTRIBUTES)]
        people = [found async for found in client.search(where.base, PEOPLE, _PERSON_ATTRIBUTES)]
    finally:
        await client.close()
    return units, people


def to_tables(
    url: str,
    base: str,
    units: Iterable[Found],
    people: Iterable[Found],
    domains: frozenset[str],
    units_from: Units,
) -> tuple[Table | None, Table]:
    """The tables for a sync: of units, which there may be none of, and of people.

    Left out: accounts that Active Directory has disabled, and people without an address of the department,
    which are accounts of programs mostly.
    """
    there = [
        (found, _name(found.dn), address)
        for found in people
        if not _is_disabled(found) and (address := _address(found, domains))
    ]
    if units_from == "tree":
        tree = _Tree(parse_dn(base), units, [name for _, name, _ in there])
        unit_of = [tree.code_above(name) for _, name, _ in there]
        unit_table: Table | None = tree.table(url)
        heads = tree.heads
    else:
        unit_of = [found.text(*_DEPARTMENT) if units_from == "attribute" else "" for found, _, _ in there]
        names = [name for name in dict.fromkeys(unit_of) if name]
        rows = [Row(at, {"code": f"ldap:{name}", "name": name}) for at, name in enumerate(names, 1)]
        unit_table = EntryTable(url, ("code", "name"), rows, (), names) if units_from == "attribute" else None
        heads = frozenset()
    rows = []
    for at, ((found, name, address), unit) in enumerate(zip(there, unit_of, strict=True), 1):
        fields = {"address": address} | {column: found.text(*names) for column, names in _COLUMNS.items()}
        if units_from != "none":
            fields["unit"] = unit
        if heads:
            fields["head"] = "yes" if name in heads else ""
        rows.append(Row(at, fields))
    header = (*rows[0].fields,) if rows else ("address",)
    return unit_table, EntryTable(url, header, rows, (), [found.dn for found, _, _ in there])


class _Tree:
    """The organizationalUnit entries strictly below the base that have people below them."""

    def __init__(self, base: Dn, units: Iterable[Found], people: Iterable[Dn]) -> None:
        known = {_name(found.dn): found for found in units}
        known.pop(base, None)
        used = {name[at:] for name in people for at in range(1, len(name))}
        self._units = {name: found for name, found in known.items() if name in used}
        managers = (found.text("managedby") for found in self._units.values())
        self.heads = frozenset(_name(manager) for manager in managers if manager)

    def code_above(self, name: Dn) -> str:
        """The code of the nearest unit above; "" for none."""
        for at in range(1, len(name)):
            found = self._units.get(name[at:])
            if found is not None:
                return _code(found)
        return ""

    def table(self, url: str) -> Table:
        rows = [
            Row(
                at,
                {
                    "code": _code(found),
                    "name": found.text("ou"),
                    "parent": self.code_above(name),
                    "address": "",
                },
            )
            for at, (name, found) in enumerate(self._units.items(), 1)
        ]
        names = [found.dn for found in self._units.values()]
        return EntryTable(url, ("code", "name", "parent", "address"), rows, (), names)


def _name(dn: str) -> Dn:
    """Who has a name that cannot be read is in no unit."""
    try:
        return parse_dn(dn)
    except Invalid:
        return ()


def _code(unit: Found) -> str:
    """What stays when the unit is renamed or moved: the other server's own number of it."""
    for value in unit.attributes.get("objectguid", ()):
        return value.hex()
    return unit.text("entryuuid") or unit.dn


def _address(found: Found, domains: frozenset[str]) -> str:
    """The first address of the department's domains."""
    for name in _ADDRESSES:
        for value in found.attributes.get(name, ()):
            address = value.decode("utf-8", "replace").strip().lower()
            if address.rpartition("@")[2] in domains:
                return address
    return ""


def _is_disabled(found: Found) -> bool:
    control = found.text("useraccountcontrol")
    return control.isdecimal() and bool(int(control) & _ACCOUNT_DISABLED)

# SPDX-License-Identifier: Apache-2.0
"""Many people at once: departments of a thousand, units of twenty with a head each, one password for all.

They are made by the directory's own functions, some hundreds to a transaction; only the hashes of the
password are made once and shared, which is what takes the time of a real import.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from armgs_server.directory import Directory, people
from armgs_server.directory.people import Credential
from armgs_server.storage import Store
from armgs_server.storage.tx import Tx
from bench.common import PASSWORD, address

DEPARTMENT = 1000
UNIT = 20
AT_ONCE = 500


def address_of(number: int) -> str:
    """The address of one of the people; those of the first department are bench.common's."""
    department, local = divmod(number, DEPARTMENT)
    return address(local) if department == 0 else f"user{local}@d{department}.example"


async def make(count: int, store: Store, directory: Directory) -> None:
    """`count` people, in units. The first department is there already."""
    credentials = await directory.auth.passwords.credentials(PASSWORD)
    unit = 0
    for first in range(0, count, AT_ONCE):
        department, local = divmod(first, DEPARTMENT)
        if local == 0 and department > 0:
            await directory.create_department(f"Department {department}", [f"d{department}.example"])
        units: list[int] = []
        owner = directory.domains[address_of(first).partition("@")[2]]
        for number in range(AT_ONCE // UNIT):
            unit += 1
            made = await directory.create_unit(owner, f"Unit {unit}.{number}")
            units.append(made.id)
        numbers = range(first, min(first + AT_ONCE, count))
        await store.write(partial(_create, numbers=numbers, units=units, credentials=credentials))
    directory.forget_all()


async def _create(
    tx: Tx, *, numbers: Sequence[int], units: Sequence[int], credentials: Sequence[Credential]
) -> None:
    for place, number in enumerate(numbers):
        await people.create(
            tx,
            address_of(number),
            f"User {number}",
            unit=units[place // UNIT],
            post="specialist",
            head=place % UNIT == 0,
            data={},
            credentials=credentials,
            quota=0,
        )

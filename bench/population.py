# SPDX-License-Identifier: Apache-2.0
"""Many people at once: departments of a thousand, units of twenty with a head each, one password for all.

They are made by the directory's own functions, some hundreds to a transaction; only the hashes of the
password are made once and shared, which is what takes the time of a real import.
"""

from __future__ import annotations

from collections.abc import Sequence

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
    """`count` people in departments and units. The first department is there already."""
    credentials = await directory.auth.passwords.credentials(PASSWORD)
    for first in range(0, count, AT_ONCE):
        department, local = divmod(first, DEPARTMENT)
        if local == 0 and department > 0:
            await directory.create_department(f"Department {department}", [f"d{department}.example"])
        numbers = range(first, min(first + AT_ONCE, count))
        addresses = [address_of(number) for number in numbers]
        await _in_units(store, directory, addresses, UNIT, credentials)


async def make_strangers(count: int, store: Store, directory: Directory) -> None:
    """`count` people of the first department who have no colleagues: they are in no unit."""
    credentials = await directory.auth.passwords.credentials(PASSWORD)
    await _in_units(store, directory, [address(number) for number in range(count)], 0, credentials)


async def _in_units(
    store: Store,
    directory: Directory,
    addresses: Sequence[str],
    size: int,
    credentials: Sequence[Credential],
) -> None:
    """People of one domain, so many to a unit, each unit with a head; with `size` 0 in no unit."""
    department = directory.domains[addresses[0].partition("@")[2]]
    units = [
        (await directory.create_unit(department, f"Unit of {addresses[first]}")).id
        for first in range(0, len(addresses), size or len(addresses))
        if size
    ]

    async def work(tx: Tx) -> None:
        for place, each in enumerate(addresses):
            await people.create(
                tx,
                each,
                each.partition("@")[0],
                unit=units[place // size] if size else 0,
                post="specialist",
                head=bool(size) and place % size == 0,
                data={},
                credentials=credentials,
                quota=0,
            )

    await store.write(work)

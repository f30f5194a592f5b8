# SPDX-License-Identifier: Apache-2.0
"""A calendar object as it was, beside one of the same UID that is there now.

Two objects of one UID may not be in the calendars of one person (RFC 6638 §3.2.4.1), and what is done to a
copy must be told to nobody: it gets a UID of its own and loses the people that it names.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from armgs_server.formats import icalendar, itip
from armgs_server.storage import Store, calindex
from armgs_server.storage.blobs import BlobRef
from armgs_server.storage.returned import Returning
from armgs_server.storage.tx import Row

_PEOPLE = ("ORGANIZER", "ATTENDEE", "REQUEST-STATUS")


async def copied(
    each: Returning, uid: str, source: Store, target: Store, refs: dict[bytes, BlobRef]
) -> Returning:
    """The object under another UID; its bytes are added to `refs`."""
    found = icalendar.check(await source.blobs.read(each.item.blob))
    members = [itip.with_line(itip.without(member, *_PEOPLE), ("UID", "", uid)) for member in found.members]
    made = itip.replaced(found, members)
    ref = await target.blobs.put(itip.data_of(made.calendar))
    refs[ref.hash] = ref
    item = each.item._replace(blob=ref.hash, size=ref.size, name=f"{uid}.ics", keywords="")
    entry = calindex.entry(made)
    event = (
        entry.component,
        entry.ical_uid,
        entry.summary,
        entry.starts,
        entry.ends,
        entry.recurring,
        entry.expanded_from,
        entry.expanded,
    )
    beside: dict[str, Sequence[Row]] = {
        "event": [event],
        "instance": entry.instances,
        "property": each.beside.get("property", ()),
    }
    held = [attachment._replace(ical_uid=uid) for attachment in each.attachments]
    return replace(each, item=item, beside=beside, attachments=held)

# SPDX-License-Identifier: Apache-2.0
"""CS:share of a sharer and CS:invite-reply of a sharee (caldav-sharing §5.3.2, §5.4.1). Pure."""

from __future__ import annotations

from dataclasses import dataclass

from armgs_server.dav.errors import DavError
from armgs_server.dav.names import dav
from armgs_server.dav.notifications import cs
from armgs_server.dav.xml import Element, hrefs_of, name_of, text_of
from armgs_server.storage import shares

SHARE, REPLY = cs("share"), cs("invite-reply")
MAX_SUMMARY = 1000  # characters
VALID_REQUEST = cs("valid-request")


@dataclass(frozen=True, slots=True)
class Order:
    """CS:set with an access, or CS:remove without one; `address` as it was given."""

    address: str
    access: str
    summary: str = ""


@dataclass(frozen=True, slots=True)
class Reply:
    """CS:invite-reply; `uid` is that of the invitation."""

    uid: str
    is_accepted: bool
    summary: str


def parse_share(root: Element, limit: int) -> list[Order]:
    """The orders in document order; of several about one address the last one counts."""
    if len(root) > limit:
        raise _refusal(f"At most {limit} people at once.")
    orders: dict[str, Order] = {}
    for child in root:
        name = name_of(child)
        if name == cs("set"):
            order = _parse_set(child)
        elif name == cs("remove"):
            order = Order(_href_of(child), "")
        else:
            raise _refusal("CS:set or CS:remove expected.")
        orders.pop(order.address, None)
        orders[order.address] = order
    if not orders:
        raise _refusal("CS:share changes nothing.")
    return list(orders.values())


def _parse_set(child: Element) -> Order:
    access = [level for level in ("read", "read-write") if child.find(cs(level)) is not None]
    if len(access) != 1:
        raise _refusal("CS:read or CS:read-write expected.")
    return Order(_href_of(child), access[0], _summary_of(child))


def parse_reply(root: Element) -> Reply:
    """What somebody answers to an invitation."""
    if root.tag != REPLY:
        raise DavError(400, "CS:invite-reply expected.")
    is_accepted = root.find(cs("invite-accepted")) is not None
    uid, host = root.find(cs("in-reply-to")), root.find(f"{cs('hosturl')}/{dav('href')}")
    if is_accepted == (root.find(cs("invite-declined")) is not None) or uid is None or host is None:
        raise _refusal("The answer, CS:hosturl and CS:in-reply-to expected.")
    return Reply(text_of(uid), is_accepted, _summary_of(root))


def status_element(status: str) -> str:
    """CS:invite-noresponse, -accepted or -declined."""
    assert status in (shares.NO_RESPONSE, shares.ACCEPTED, shares.DECLINED)
    return f"<CS:invite-{status}/>"


def _href_of(child: Element) -> str:
    found = hrefs_of(child)
    if len(found) != 1 or not found[0]:
        raise _refusal("DAV:href expected.")
    return found[0]


def _summary_of(child: Element) -> str:
    found = child.find(cs("summary"))
    return text_of(found)[:MAX_SUMMARY] if found is not None else ""


def _refusal(text: str) -> DavError:
    return DavError(403, text, condition=VALID_REQUEST)

# SPDX-License-Identifier: Apache-2.0
"""Groups, units and departments as mail lists: who may post, what their fields say, and who looks after them.

A list's rules are kept in its principal's data under `list`; without any, everybody may write to it, as to a
person. Its copies come from LIST-owner@ (RFC 5321 §3.9.2: failures go to who looks after the list, not to
the author), and LIST-request@ takes requests (RFC 2142 §6).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal, get_args
from urllib.parse import quote

from armgs_server.directory.model import Principal
from armgs_server.errors import Invalid
from armgs_server.formats import addresses
from armgs_server.formats.addresses import Address
from armgs_server.service import Core
from armgs_server.smtp import replies
from armgs_server.smtp.replies import Reply

Posters = Literal["anyone", "inside", "members", "moderators"]
KINDS = ("group", "unit", "department")
KEY = "list"
OWNER, REQUEST = "-owner", "-request"
ARCHIVE_LIMIT = 500


@dataclass(frozen=True, slots=True)
class Rules:
    """What a list allows. Who looks after it: the moderators, or the heads of its department."""

    post: Posters = "anyone"
    is_moderated: bool = False  # what others post waits for a moderator instead of being refused
    moderators: tuple[str, ...] = ()
    may_join: bool = False
    may_leave: bool = False
    archive: str = ""  # where earlier messages are


@dataclass(frozen=True, slots=True)
class MailList:
    """A list among the recipients of a message."""

    id: int
    address: str
    name: str
    rules: Rules

    @property
    def owner_address(self) -> str:
        """Where failures go."""
        local, _, domain = self.address.rpartition("@")
        return f"{local}{OWNER}@{domain}"

    @property
    def request_address(self) -> str:
        """Where requests go."""
        local, _, domain = self.address.rpartition("@")
        return f"{local}{REQUEST}@{domain}"

    def fields(self) -> bytes:
        """RFC 2369 §3: what a program can do with the list, beside its List-Id: and List-Post:."""
        request = _mailto(self.request_address)
        lines = [f"List-Help: <{request}?subject=help>", f"List-Owner: <{_mailto(self.owner_address)}>"]
        if self.rules.may_leave:
            lines.append(f"List-Unsubscribe: <{request}?subject=unsubscribe>")
        if self.rules.may_join:
            lines.append(f"List-Subscribe: <{request}?subject=subscribe>")
        if self.rules.archive:
            lines.append(f"List-Archive: <{self.rules.archive}>")
        return "".join(f"{line}\r\n" for line in lines).encode("ascii")


def rules_of(data: Mapping[str, Any]) -> Rules:
    """The rules in a principal's data; what is not understood there is as if it were not there."""
    kept = data.get(KEY)
    if not isinstance(kept, dict):
        return Rules()
    return Rules(
        post=next((each for each in get_args(Posters) if each == kept.get("post")), "anyone"),
        is_moderated=kept.get("is_moderated") is True,
        moderators=tuple(each for each in kept.get("moderators", ()) if isinstance(each, str)),
        may_join=kept.get("may_join") is True,
        may_leave=kept.get("may_leave") is True,
        archive=str(kept.get("archive", "")),
    )


def serialise_rules(rules: Rules) -> dict[str, Any]:
    """As they are kept; only what is not the default."""
    default = asdict(Rules())
    return {key: value for key, value in asdict(rules).items() if value != default[key]}


def check_archive(url: str) -> str:
    """A web address that can stand in List-Archive:. Invalid."""
    is_web = url.startswith(("https://", "http://"))
    if url and not (is_web and url.isascii() and url.isprintable() and not set(url) & set("<> ")):
        raise Invalid(f"{url!r} is not a web address")
    if len(url) > ARCHIVE_LIMIT:
        raise Invalid(f"an address has at most {ARCHIVE_LIMIT} characters")
    return url


def list_of(group: Principal, reached: str) -> MailList:
    """The list that a group, unit or department is; one that is reached by an alias alone is called by it."""
    address = group.address if "@" in group.address else reached
    return MailList(group.id, address, group.name or address, rules_of(group.data))


async def check_poster(core: Core, found: MailList, author: Principal | None) -> Reply | None:
    """Whether the author's message goes to the members; HELD_250 where a moderator decides.

    Who has not logged in is a stranger, whatever address the message claims.
    """
    rules = found.rules
    if rules.post == "anyone" or (author is not None and await _may_post(core, found, author)):
        return None
    return replies.HELD_250 if rules.is_moderated else replies.NOT_A_POSTER_550


async def caretakers(core: Core, group: Principal) -> tuple[int, ...]:
    """Who looks after a list: its moderators, or else those who lead its department."""
    found: set[int] = set()
    for address in rules_of(group.data).moderators:
        person = await core.directory.resolve(address)
        if person is not None and person.kind == "person" and not person.disabled:
            found.add(person.id)
    if not found:
        found = {head.id for head in await core.directory.heads(group.department) if not head.disabled}
    return tuple(sorted(found))


async def outside(core: Core, group: Principal) -> tuple[str, ...]:
    """Where mail to a list goes beside its people: the first address of each contact in it."""
    return tuple(dict.fromkeys(each.mails[0] for each in await core.directory.contacts(group)))


async def find_service(core: Core, address: Address) -> tuple[Principal, str] | None:
    """The list behind LIST-owner@ or LIST-request@, and which of the two it is."""
    for suffix in (OWNER, REQUEST):
        local = address.local.lower()
        if not local.endswith(suffix) or local == suffix:
            continue
        found = await core.directory.resolve(Address(local.removesuffix(suffix), address.domain).normalised)
        if found is not None and found.kind in KINDS:
            return found, suffix
    return None


async def _may_post(core: Core, found: MailList, author: Principal) -> bool:
    group = await core.directory.by_id(found.id)
    if group is None:
        return False
    if author.id in await caretakers(core, group):
        return True
    if found.rules.post == "inside":
        return True
    members = await core.directory.members(group) if found.rules.post == "members" else ()
    return any(member.id == author.id for member in members)


def _mailto(address: str) -> str:
    """RFC 6068 §2."""
    local, _, domain = address.rpartition("@")
    return f"mailto:{quote(local)}@{addresses.to_ascii(domain)}"

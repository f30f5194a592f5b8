# SPDX-License-Identifier: Apache-2.0
"""`armgs import chat`: people and their chat from the portable format of XMPP servers (XEP-0227).

People who are missing are added, with their password or the SCRAM keys that stand for it (§4.2). What is
there already stays as it is, so an import may be repeated. Each part of a person is one transaction,
messages go some hundred at a time.
"""

from __future__ import annotations

from pathlib import Path

from armgs_server.cli import import_chat_parts, portable
from armgs_server.cli.import_chat_messages import Messages
from armgs_server.cli.output import Bar
from armgs_server.cli.portable import PortablePart, PortableUser
from armgs_server.cli.report import Report, reason
from armgs_server.cli.workplace import Workplace
from armgs_server.directory import Principal
from armgs_server.directory.model import check_address
from armgs_server.errors import DomainError, Invalid, Temporary

MESSAGES_AT_ONCE = 500


async def run(workplace: Workplace, file: Path) -> Report:
    """Reads to the end, or to what is not well-formed; what was read till then is stored."""
    taking, report = _Import(workplace), Report()
    taking.report = report
    with Bar("Importing chat") as bar:
        try:
            for piece in portable.read(file):
                bar.advance()
                if isinstance(piece, PortableUser):
                    await taking.begin(piece)
                else:
                    await taking.take(piece)
        except Invalid as error:
            report.refuse(file, error.line or 0, reason(error))
        await taking.flush()
    return report


class _Import:
    """One run; the report counts people, contacts, documents, nodes and messages."""

    def __init__(self, workplace: Workplace) -> None:
        self.report = Report()
        self._workplace = workplace
        self._person: Principal | None = None
        self._messages: Messages | None = None

    async def begin(self, user: PortableUser) -> None:
        """What follows is of this person, who is added if missing; if that cannot be, nobody gets it."""
        await self.flush()
        self._person = self._messages = None
        directory = self._workplace.directory
        try:
            address = check_address(user.address)
            found = await directory.by_address(address)
            if found is None:
                if not directory.is_local(address.rpartition("@")[2]):
                    raise Invalid(f"{user.host} is not a domain of this server")
                found = await directory.create_person(
                    address, password=user.password or None, is_taken_over=True
                )
                self.report.accepted += 1
            elif found.kind != "person":
                raise Invalid(f"{address} is no person")
        except Temporary:
            raise
        except DomainError as error:
            self.report.refuse(user.file, user.line, reason(error))
            return
        self._person = found
        self._messages = Messages(self._workplace, found, self.report)

    async def take(self, part: PortablePart) -> None:
        """One part of the person, or one message."""
        if self._person is None or self._messages is None:
            return
        if part.place:
            self._messages.add(part)
            if len(self._messages) >= MESSAGES_AT_ONCE:
                await self._messages.flush()
            return
        handle = import_chat_parts.PARTS.get(str(part.element.tag))
        if handle is None:
            self.report.ignored.append(f"{part.file}:{part.line}: {part.element.tag}")
            return
        try:
            outcome = await handle(self._workplace, self._person, part.element)
        except Temporary:
            raise
        except DomainError as error:
            self.report.refuse(part.file, part.line, reason(error))
            return
        self.report.accepted += outcome.accepted
        self.report.unchanged += outcome.unchanged
        for text in outcome.refused:
            self.report.refuse(part.file, part.line, text)

    async def flush(self) -> None:
        """Stores the messages that wait."""
        if self._messages is not None:
            await self._messages.flush()

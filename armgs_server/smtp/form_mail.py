# SPDX-License-Identifier: Apache-2.0
"""Mail to the address of a self-service form: filled in, decided and withdrawn as on the page and in chat.

An empty message gets the form to reply to; one with its lines hands it in; a reply to the letter of a request
decides it, or takes the own one back. Only who has logged in is heard, and to nobody else is the address
there. Programs are not answered (RFC 3834 §2): the transaction has refused what they send. What is done, the
answer and the note that this message was dealt with are one transaction: one that comes twice is done once.
"""

from __future__ import annotations

import hashlib
from typing import Final

from armgs_server import log
from armgs_server.directory import form_letters, request_letters, requests
from armgs_server.directory.forms import Form, WrongField
from armgs_server.directory.model import Principal
from armgs_server.directory.request_letters import Key
from armgs_server.errors import AlreadyExists, Conflict, Denied, Invalid, NotFound
from armgs_server.formats import mime, preview
from armgs_server.service import Core
from armgs_server.smtp import header
from armgs_server.smtp.form_texts import ANSWERS, GRANT, REFUSE, SUBJECTS, WITHDRAW
from armgs_server.storage import clock, letters, mail, traces
from armgs_server.storage import requests as rows
from armgs_server.storage.blobs import BlobRef
from armgs_server.storage.letters import Letter
from armgs_server.storage.requests import Request
from armgs_server.storage.tx import Tx

LETTER_LIMIT: Final = 1024 * 1024  # octets of a message that fills in a form; its text has 40,000 at most
_REMEMBERED: Final = 7 * clock.DAY  # how long a client may try to send the same message again
_TRACE: Final = "form"

_log = log.get("smtp")


def is_of_a_program(head: bytes) -> bool:
    """RFC 3834 §5: anything but `no` in Auto-Submitted:; what a list sends on is no word of its author."""
    said = [value.split(b";")[0].strip().lower() for value in header.fields(head, "auto-submitted")]
    return any(each != b"no" for each in said) or bool(header.list_ids(head))


async def handle(
    core: Core, form: Form, author: Principal, head: bytes, ref: BlobRef, message_id: str
) -> None:
    """Does what a message asks, and answers it. Temporary where the store cannot."""
    mail_ = _Mail(core, form, author, message_id, header.subject(head))
    text = await _text(core, ref)
    words = form_letters.own_words(text)
    key = _key(head, mail_.subject)
    try:
        if key is not None:
            await mail_.decide(key, words)
        else:
            await mail_.fill_in(text)
    except AlreadyExists:
        _log.info("form mail came twice", form=form.name, account=author.address)


class _Mail:
    """One message to a form."""

    def __init__(self, core: Core, form: Form, author: Principal, message_id: str, subject: str) -> None:
        self._core = core
        self._directory = core.directory
        self._form = form
        self._author = author
        self._message_id = message_id
        self.subject = subject
        self._language = request_letters.language_of(author)

    async def fill_in(self, text: str) -> None:
        """A request is handed in; or the form goes back, with what is wrong."""
        form, language = self._form, self._language
        found = form_letters.understand(form, text)
        wrong = form_letters.problems(form, found.given, language)
        wrong += [
            ANSWERS[language]["unknown"].format(number=number, line=line) for number, line in found.unknown
        ]
        if found.is_empty:
            await self._answer("blank", blank=form_letters.blank(form, language, {}))
        elif wrong:
            await self._answer_wrong(wrong, found)
        else:
            await self._hand_in(found)

    async def _answer_wrong(self, wrong: list[str], found: form_letters.Understood) -> None:
        blank = form_letters.blank(self._form, self._language, found.given)
        await self._answer("wrong", wrong="\n".join(f"- {each}" for each in wrong), blank=blank)

    async def _hand_in(self, found: form_letters.Understood) -> None:
        try:
            made = await requests.hand_in(
                self._directory, self._author, self._form, found.given, also=self._told("handed_in")
            )
        except WrongField as error:  # the file of forms was changed meanwhile
            await self._answer_wrong([error.field], found)
        except Conflict:
            await self._answer("too_many")
        except Invalid:
            await self._answer("nobody")
        else:
            _log.info(
                "form handed in by mail", form=self._form.name, account=self._author.address, request=made.id
            )

    async def decide(self, key: Key, words: list[str]) -> None:
        """A decision, where the author is one of who decide; the own request is taken back."""
        verb, comment = _verb(self.subject, words)
        request = await self._core.store.read(lambda tx: rows.get(tx, key.owner, key.id))
        form = self._directory.forms.all().get(request.form) if request is not None else None
        if request is None or form is None:
            await self._answer("gone")
            return
        try:
            if key.owner == self._author.id:
                if verb != "withdraw":
                    await self._answer("how_to_withdraw")
                    return
                await requests.withdraw(self._directory, self._author, key.id, also=self._told("withdrawn"))
            elif verb not in ("grant", "refuse"):
                await self._answer("how_to_decide")
                return
            else:
                await requests.decide(
                    self._directory,
                    self._author,
                    form,
                    key.owner,
                    key.id,
                    yes=verb == "grant",
                    comment=comment,
                    at_step=key.step,
                    also=self._told(verb),
                )
        except (NotFound, Denied):
            await self._answer("gone")
        except Conflict:
            await self._answer("decided")
        except Invalid:
            await self._answer("comment", limit=requests.COMMENT_LIMIT)
        else:
            _log.info("request answered by mail", request=key.id, said=verb, account=self._author.address)

    def _told(self, answer: str) -> requests.Also:
        """Within the transaction that does it."""

        async def also(tx: Tx, request: Request) -> None:
            form = self._directory.forms.all().get(request.form, self._form)
            said = request_letters.said(form, request, self._language)
            name = answer if answer != "handed_in" or request.state != "granted" else "granted_at_once"
            text = ANSWERS[self._language][name].format(said=said, file=request.file)
            host = self._core.config.server.hostname
            own = request_letters.message_id(request, self._author, host) if name == "handed_in" else ""
            await self._put(tx, name, text, own)

        return also

    async def _answer(self, name: str, **values: object) -> None:
        text = ANSWERS[self._language][name].format(**values)
        await self._core.store.write(lambda tx: self._put(tx, name, text))

    async def _put(self, tx: Tx, name: str, text: str, message_id: str = "") -> None:
        """The answer; AlreadyExists where this message has had one, which undoes all that was to be done."""
        now = clock.now()
        mark = hashlib.sha256(self._message_id.encode()).hexdigest()
        if not await traces.leave(tx, self._author.id, _TRACE, mark, now + _REMEMBERED, now):
            raise AlreadyExists()
        title = self._form.title[self._language]
        letter = Letter(
            self._author.id,
            request_letters.address_of(self._form, self._author),
            SUBJECTS[self._language].get(name, "{title}").format(title=title),
            text,
            message_id,
            self._message_id,
        )
        await letters.add(tx, letter, now)


def _key(head: bytes, subject: str) -> Key | None:
    """Which request a message is about: by its subject, as the links of letters write it, or as a reply."""
    words = subject.split()
    if len(words) == 2 and words[0].lower() in ("grant", "refuse", "withdraw"):
        return request_letters.key_of(words[1])
    for name in ("in-reply-to", "references"):
        for value in reversed(header.fields(head, name)):
            for each in reversed(value.decode("utf-8", "replace").split()[-20:]):
                if each.startswith("<request.") and (key := request_letters.key_of(each)) is not None:
                    return key
    return None


def _verb(subject: str, words: list[str]) -> tuple[str, str]:
    """What is asked, "" where that is not clear, and the comment to it."""
    first = subject.split()[0].lower() if subject.split() else ""
    if first in ("grant", "refuse", "withdraw"):
        return first, "\n".join(words)
    if not words:
        return "", ""
    word, _, rest = words[0].partition(" ")
    said = word.casefold().strip(".,:;!—–-")
    if said == "не" and rest.casefold().startswith("соглас"):
        said, rest = "отказать", ""
    comment = "\n".join((rest.strip(" .,:;!—–-"), *words[1:])).strip()
    for verb, known in (("grant", GRANT), ("refuse", REFUSE), ("withdraw", WITHDRAW)):
        if said in known:
            return verb, comment
    return "", ""


async def _text(core: Core, ref: BlobRef) -> str:
    """What a message says."""
    data = ref.data if ref.data is not None else await core.store.blobs.read(ref.hash)
    index = await mail.read_index(core.store.blobs, ref)
    return preview.lines(data, mime.unpack(index.parts, index.header_size, len(data)))

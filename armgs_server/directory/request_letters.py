# SPDX-License-Identifier: Apache-2.0
"""What people are told of requests by mail, where a form has an address: who is to decide, and in the end the
asker. Their Message-ID says which request and which step it is, so that a reply is a decision.

A Message-ID is no secret: who may decide is known by who has logged in to send the reply.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final
from urllib.parse import quote

from armgs_server.directory.forms import Form
from armgs_server.directory.languages import is_russian
from armgs_server.directory.model import Principal
from armgs_server.formats.addresses import to_ascii
from armgs_server.storage.letters import Letter
from armgs_server.storage.requests import Request

LARGEST: Final = 1 << 63  # numbers of rows have 63 bits
_KEY: Final = re.compile(r"([0-9a-f]{1,16})[.-]([0-9a-f]{1,16})[.-]([0-9]{1,4})")
_OURS: Final = re.compile(r"<request\.([0-9a-f.]{3,60})@")

_ASKED: Final = {
    "ru": (
        "Ждёт Вашего решения: {title}\n{asker} <{address}>\n\n{values}\n\n"
        "Ответьте на это письмо одним словом: «согласовать» или «отказать»; что стоит после него, —\n"
        "примечание. Или нажмите и отправьте:\n\n"
        "Согласовать: {grant}\nОтказать: {refuse}\n\nВсе заявления: {url}\n"
    ),
    "en": (
        "Waits for your decision: {title}\n{asker} <{address}>\n\n{values}\n\n"
        "Reply to this message with one word: “grant” or “refuse”; what follows it is a comment.\n"
        "Or click and send:\n\n"
        "Grant: {grant}\nRefuse: {refuse}\n\nAll requests: {url}\n"
    ),
}
_RESULT: Final = {
    ("ru", "granted"): "согласовано",
    ("ru", "refused"): "отказано",
    ("en", "granted"): "granted",
    ("en", "refused"): "refused",
}
_FILE: Final = {"ru": "Лежит в Ваших файлах: {file}\n", "en": "It lies in your files: {file}\n"}
_YES: Final = {"ru": ("нет", "да"), "en": ("no", "yes")}


@dataclass(frozen=True, slots=True)
class Key:
    """A request, and which step of it."""

    owner: int
    id: int
    step: int


def key_of(text: str) -> Key | None:
    """What a Message-ID of ours names, or a word `OWNER-ID-STEP` of a subject."""
    found = _OURS.search(text)
    key = _KEY.match(found[1] if found is not None else text)
    if key is None:
        return None
    made = Key(int(key[1], 16), int(key[2], 16), int(key[3]))
    return made if made.owner < LARGEST and made.id < LARGEST else None


def language_of(person: Principal) -> str:
    """In which of the languages of forms a person is written to."""
    return "ru" if is_russian(person) else "en"


def address_of(form: Form, person: Principal) -> str:
    """Where the person writes to."""
    return f"{form.address}@{person.domain}"


def ask(form: Form, request: Request, asker: Principal, person: Principal, host: str, url: str) -> Letter:
    """For somebody who is to decide."""
    language, title = language_of(person), form.title[language_of(person)]
    number = f"{request.owner:x}-{request.id:x}-{request.step}"
    text = _ASKED[language].format(
        title=title,
        asker=asker.name,
        address=asker.address,
        values=said(form, request, language),
        grant=_link(form, person, f"grant {number}"),
        refuse=_link(form, person, f"refuse {number}"),
        url=url,
    )
    return Letter(
        person.id,
        address_of(form, person),
        f"{title}: {asker.name}",
        text,
        message_id(request, person, host),
    )


def tell_result(form: Form, request: Request, asker: Principal, url: str) -> Letter:
    """For the asker, in the end."""
    language = language_of(asker)
    result = _RESULT[language, request.state]
    subject = f"{form.title[language]}: {result}"
    comment = request.decisions[-1].comment if request.decisions else ""
    file = _FILE[language].format(file=request.file) if request.file else ""
    text = f"{subject}\n{comment and comment + chr(10)}{file}\n{said(form, request, language)}\n\n{url}\n"
    return Letter(asker.id, address_of(form, asker), subject, text)


def message_id(request: Request, person: Principal, host: str) -> str:
    """Of the letter that asks a person for a decision, or tells the asker what was handed in."""
    return f"<request.{request.owner:x}.{request.id:x}.{request.step}.{person.id:x}@{host}>"


def said(form: Form, request: Request, language: str) -> str:
    """What was filled in, a line for each field."""
    lines = []
    for field in form.fields:
        value = request.values.get(field.name, "")
        shown = _YES[language][bool(value)] if field.kind == "yes" else value
        lines.append(f"{field.title[language]}: {shown or '—'}")
    return "\n".join(lines)


def _link(form: Form, person: Principal, subject: str) -> str:
    return f"mailto:{quote(form.address)}@{to_ascii(person.domain)}?subject={quote(subject)}"

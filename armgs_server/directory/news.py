# SPDX-License-Identifier: Apache-2.0
"""News of a department: written once, read on the page, as mail, as Atom and in chat.

One transaction writes the post and, into the mailbox `News` of the department, which all its people may read,
the message that shows it; chat publishes it at the department's node (xmpp/news.py). Who may write: the
department's administrators, and those whom it lists (`armgs news editors`). Who must read and has not is
reminded in chat, so often and after such times as the settings say.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP, SMTPUTF8
from email.utils import format_datetime
from functools import partial
from typing import TYPE_CHECKING, Final

from armgs_server.config import Config
from armgs_server.directory import lookup
from armgs_server.directory.access import READ_ONLY, put_grant
from armgs_server.directory.administrators import is_administrator
from armgs_server.directory.languages import is_russian
from armgs_server.directory.model import Principal
from armgs_server.directory.people import Change
from armgs_server.errors import Invalid, NotFound
from armgs_server.formats import addresses, mime
from armgs_server.storage import Store, clock, collections, items, mail, news, notices
from armgs_server.storage.collections import Collection
from armgs_server.storage.news import Post
from armgs_server.storage.tx import Tx

if TYPE_CHECKING:
    from armgs_server.directory.directory import Directory

EDITORS: Final = "news_editors"  # of a department's data: people and groups, by number
ROLE: Final = "news"
MAILBOX: Final = "News"
TITLE_LIMIT: Final = 200
TEXT_LIMIT: Final = 50_000
REMINDED_AT_ONCE: Final = 20  # posts
_PORT: Final = 443
_ASKED: Final = {
    True: "Прочтите, пожалуйста, новость «{}» и отметьте, что прочли:",
    False: "Please read the news \u201c{}\u201d and say that you have:",
}


async def may_write(directory: Directory, person: Principal, department: Principal) -> bool:
    """Whether a person writes news of a department."""
    if person.disabled:
        return False
    if await is_administrator(directory, person, department.id):
        return True
    editors = department.data.get(EDITORS, ())
    return not (await directory.groups_of(person)).isdisjoint(editors)


async def set_editors(directory: Directory, department: Principal, ids: Sequence[int]) -> Principal:
    """Makes people and groups, by number, those who may write news; nobody else may but administrators."""
    return await directory.update(department.id, Change(data={EDITORS: sorted(set(ids)) or None}))


def url(config: Config, post: Post) -> str:
    """Its page."""
    port = config.port(_PORT)
    authority = config.server.hostname + ("" if port == _PORT else f":{port}")
    return f"https://{authority}/news?post={post.id}"


async def write(
    store: Store,
    config: Config,
    department: Principal,
    author: Principal,
    title: str,
    text: str,
    *,
    must: bool,
) -> Post:
    """A new post, durable and in the mailbox when this returns. Invalid."""
    title, text = title.strip(), "\n".join(text.splitlines()).strip()
    if not 0 < len(title) <= TITLE_LIMIT or not title.isprintable():
        raise Invalid(f"a title has 1 to {TITLE_LIMIT} printable characters")
    if not 0 < len(text) <= TEXT_LIMIT or not _is_text(text):
        raise Invalid(f"a text has 1 to {TEXT_LIMIT} characters, and no control characters")
    now = clock.now()
    remind = now + int(config.http.news_remind_after * clock.SECOND) if must else 0
    if not config.http.news_reminders:
        remind = 0
    post = Post(
        department.id, clock.unique_id(), author.id, now, title, text, int(must), remind, 0, "new", 0, 0, 0
    )
    data = message(config, department, author, post)
    ref, index = await store.blobs.put(data), mime.index(data)

    async def work(tx: Tx) -> Post:
        mailbox = await _mailbox(tx, department)
        item = await mail.append(tx, mailbox, ref, index, created=now)
        placed = post._replace(mailbox=mailbox.id, uid=item.uid)
        await news.add(tx, placed)
        return placed

    return await store.write(work)


async def remove(store: Store, owner: int, id_: int) -> None:
    """Takes a post back everywhere. NotFound."""

    async def work(tx: Tx) -> None:
        post = await news.get(tx, owner, id_)
        if post is None:
            raise NotFound()
        mailbox = await collections.by_role(tx, owner, "mail", ROLE)
        if mailbox is not None and mailbox.id == post.mailbox:
            await items.remove(tx, mailbox, [post.uid])
        await news.let_go(tx, post)

    await store.write(work)


async def acquaintance(tx: Tx, post: Post) -> list[tuple[Principal, int]]:
    """Everybody who is to read a post, and when each has said to have done so, 0 for not yet."""
    read = await news.readers(tx, post.owner, post.id)
    people = await lookup.of_kind(tx, post.owner, "person")
    found = [(person, read.get(person.id, 0)) for person in people if not person.disabled]
    return sorted(found, key=lambda each: (each[1] != 0, each[0].name))


async def remind(store: Store, config: Config) -> int:
    """Tells in chat who has not read what they must; how many were told."""
    now, count = clock.now(), 0
    for post in await store.read(lambda tx: news.to_remind(tx, now, REMINDED_AT_ONCE)):
        count += await store.write(partial(_remind, config=config, post=post, now=now))
    return count


async def _remind(tx: Tx, config: Config, post: Post, now: int) -> int:
    is_last = post.reminders + 1 >= config.http.news_reminders
    next_ = 0 if is_last else now + int(config.http.news_remind_after * clock.SECOND)
    if not await news.reminded(tx, post, next_):
        return 0
    late = [person for person, read in await acquaintance(tx, post) if not read and person.id != post.author]
    for person in late:
        asked = _ASKED[is_russian(person)].format(post.title)
        await notices.add(tx, person.id, person.address, post.title, f"{asked}\n{url(config, post)}", now)
    return len(late)


def message(config: Config, department: Principal, author: Principal, post: Post) -> bytes:
    """The post as mail (RFC 5322, or RFC 6532 where the author's address needs it), of its department's list
    (RFC 2919)."""
    local, _, domain = author.address.rpartition("@")
    made = EmailMessage(policy=SMTP if local.isascii() else SMTPUTF8)
    made["From"] = Address(author.name, local, addresses.to_ascii(domain))
    made["Subject"] = post.title
    made["Date"] = format_datetime(datetime.fromtimestamp(post.created // clock.SECOND, UTC))
    home = addresses.to_ascii(department.address)
    made["Message-ID"] = f"<news-{post.id:x}@{home}>"
    made["List-Id"] = f"<news.{home}>"
    made["Archived-At"] = f"<{url(config, post)}>"  # RFC 5064
    if post.must_read:
        made["Importance"] = "high"  # RFC 2156 §5.3.4
    made.set_content(post.text + "\n", cte=None if post.text.isascii() else "base64")
    return made.as_bytes()


async def _mailbox(tx: Tx, department: Principal) -> Collection:
    """Where the department's news lie as mail; its people may read it."""
    found = await collections.by_role(tx, department.id, "mail", ROLE)
    if found is None:
        found = await collections.create(tx, department.id, "mail", MAILBOX, role=ROLE, subscribed=1)
        await put_grant(tx, found, department.id, READ_ONLY)
    return found


def _is_text(text: str) -> bool:
    return all(character.isprintable() or character in "\n\t" for character in text)

# SPDX-License-Identifier: Apache-2.0
"""News: the posts of a department, and who has read those that all must read, as rows.

A post is written with the mail that shows it (directory.news); chat learns of it afterwards, by lease, and
of its removal, with which the row goes.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from armgs_server.storage.tx import Tx

# Published on the bus when chat has something to tell.
TOPIC: Final = "news"
UNREAD: Final = 50  # posts that are shown at once as not read
_LAST: Final = (1 << 63) - 1  # above every id
_COLUMNS = "owner, id, author, created, title, text, must_read, remind, reminders, state, due, mailbox, uid"


class Post(NamedTuple):
    """One post. `state`: new, told (to chat), gone (to be taken back there)."""

    owner: int  # the department
    id: int  # clock.unique_id()
    author: int
    created: int
    title: str
    text: str
    must_read: int
    remind: int  # when who has not read it is reminded; 0 = never again
    reminders: int  # how many there were
    state: str
    due: int  # when chat may take it
    mailbox: int  # where it lies as mail
    uid: int


async def add(tx: Tx, post: Post) -> None:
    """A new post; chat hears of it."""
    marks = ", ".join("?" * len(post))
    await tx.execute(f"INSERT INTO news ({_COLUMNS}) VALUES ({marks})", *post)
    tx.publish(TOPIC, b"")


async def get(tx: Tx, owner: int, id_: int) -> Post | None:
    """A post that is not gone."""
    row = await tx.row(
        f"SELECT {_COLUMNS} FROM news WHERE owner = ? AND id = ? AND state <> 'gone'", owner, id_
    )
    return None if row is None else Post(*row)


async def page(tx: Tx, owner: int, *, before: int = 0, limit: int) -> list[Post]:
    """Posts of a department, the newest first; `before` is the id of the last one seen."""
    rows = await tx.rows(
        f"SELECT {_COLUMNS} FROM news WHERE owner = ? AND state <> 'gone' AND id < ?"
        " ORDER BY id DESC LIMIT ?",
        owner,
        before or _LAST,
        limit,
    )
    return [Post(*row) for row in rows]


async def let_go(tx: Tx, post: Post) -> None:
    """It is shown no more; chat takes it back."""
    await tx.execute(
        "UPDATE news SET state = 'gone', due = 0, remind = 0 WHERE owner = ? AND id = ?", post.owner, post.id
    )
    tx.publish(TOPIC, b"")


# For chat


async def claim(tx: Tx, now: int, lease: int, limit: int) -> list[Post]:
    """Takes up to `limit` posts of which chat has something to tell; they are ours for `lease`."""
    rows = await tx.rows(
        "UPDATE news SET due = ? WHERE state <> 'told' AND due <= ? AND (owner, id) IN"
        " (SELECT owner, id FROM news WHERE state <> 'told' AND due <= ? ORDER BY id LIMIT ?)"
        f" RETURNING {_COLUMNS}",
        now + lease,
        now,
        now,
        limit,
    )
    return sorted((Post(*row) for row in rows), key=lambda post: post.id)


async def finish(tx: Tx, post: Post) -> None:
    """Chat has told it; what is gone goes for good."""
    key = post.owner, post.id
    if post.state == "gone":
        await tx.execute("DELETE FROM news_reader WHERE owner = ? AND post = ?", *key)
        await tx.execute("DELETE FROM news WHERE owner = ? AND id = ? AND state = 'gone'", *key)
        return
    await tx.execute("UPDATE news SET state = 'told' WHERE owner = ? AND id = ? AND state = 'new'", *key)


# Who has read it


async def acknowledge(tx: Tx, post: Post, person: int, now: int) -> bool:
    """Somebody says to have read it; False where that was said before."""
    return (
        await tx.execute(
            "INSERT INTO news_reader (owner, post, person, read) VALUES (?, ?, ?, ?)"
            " ON CONFLICT (owner, post, person) DO NOTHING",
            post.owner,
            post.id,
            person,
            now,
        )
        > 0
    )


async def readers(tx: Tx, owner: int, id_: int) -> dict[int, int]:
    """Who has read a post, and when."""
    rows = await tx.rows("SELECT person, read FROM news_reader WHERE owner = ? AND post = ?", owner, id_)
    return {person: read for person, read in rows}


async def read_by(tx: Tx, owner: int, person: int) -> dict[int, int]:
    """The posts a person has said to have read, and when."""
    rows = await tx.rows("SELECT post, read FROM news_reader WHERE owner = ? AND person = ?", owner, person)
    return {post: read for post, read in rows}


async def is_any_to_read(tx: Tx, owner: int) -> bool:
    """Whether the department has posts that must be read."""
    sql = "SELECT 1 FROM news WHERE owner = ? AND must_read = 1 AND state <> 'gone' LIMIT 1"
    return await tx.value(sql, owner) is not None


async def unread(tx: Tx, owner: int, person: int) -> list[Post]:
    """What a person must read and has not said to have read, the newest first."""
    rows = await tx.rows(
        f"SELECT {_COLUMNS} FROM news n WHERE owner = ? AND must_read = 1 AND state <> 'gone' AND NOT EXISTS"
        " (SELECT 1 FROM news_reader r WHERE r.owner = n.owner AND r.post = n.id AND r.person = ?)"
        " ORDER BY id DESC LIMIT ?",
        owner,
        person,
        UNREAD,
    )
    return [Post(*row) for row in rows]


async def to_remind(tx: Tx, now: int, limit: int) -> list[Post]:
    """Posts of which somebody is to be reminded by now."""
    rows = await tx.rows(
        f"SELECT {_COLUMNS} FROM news WHERE remind > 0 AND remind <= ? ORDER BY remind LIMIT ?", now, limit
    )
    return [Post(*row) for row in rows]


async def reminded(tx: Tx, post: Post, next_: int) -> bool:
    """It was done; when next, 0 for never. False where another was faster."""
    sql = "UPDATE news SET remind = ?, reminders = reminders + 1 WHERE owner = ? AND id = ? AND remind = ?"
    return await tx.execute(sql, next_, post.owner, post.id, post.remind) > 0

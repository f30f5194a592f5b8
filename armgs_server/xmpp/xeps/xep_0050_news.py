# SPDX-License-Identifier: Apache-2.0
"""XEP-0050: news that must be read (directory.news), read in chat and acknowledged there, as on the page."""

from __future__ import annotations

from typing import Final

from armgs_server.directory.model import Principal
from armgs_server.storage import clock
from armgs_server.storage import news as rows
from armgs_server.storage.news import Post
from armgs_server.xmpp.iq import Query
from armgs_server.xmpp.xeps import xep_0004_forms as forms
from armgs_server.xmpp.xeps.xep_0004_forms import Field
from armgs_server.xmpp.xeps.xep_0050_commands import Ask, Call, Command, Done, bad_payload
from armgs_server.xmpp.xeps.xep_0133_admin import asker

NODE: Final = "armgs#news"
_NAME: Final = ("Ознакомиться с новостями", "Read news")


async def _has_news(query: Query) -> bool:
    """People of a department that has anything they must read."""
    if query.session.is_outside:
        return False
    department = asker(query).department
    return await query.server.store.read(lambda tx: rows.is_any_to_read(tx, department))


async def _choose(call: Call) -> Ask | Done:
    """Which of those that are not read."""
    found = await _unread(call, asker(call.query))
    if not found:
        return Done(notes=(("info", call.say("Всё прочитано.", "Everything is read.")),))
    options = tuple((post.title, str(post.id)) for post in found)
    field = Field("post", "list-single", call.say("Новость", "Post"), options=options, required=True)
    return Ask(forms.form(NODE, (field,), title=call.say(*_NAME)), _show, is_last=False)


async def _show(call: Call) -> Ask:
    """Its text; to complete the command is to have read it."""
    post = await _chosen(call, call.required("post"))
    call.state["post"] = str(post.id)
    field = Field("text", "fixed", values=(post.text,))
    text = call.say("Завершите команду, если ознакомились.", "Complete the command when you have read it.")
    return Ask(forms.form(NODE, (field,), title=post.title, instructions=text), _acknowledge)


async def _acknowledge(call: Call) -> Done:
    post = await _chosen(call, call.state["post"])
    person, now = asker(call.query).id, clock.now()
    await call.query.server.store.write(lambda tx: rows.acknowledge(tx, post, person, now))
    return Done(notes=(("info", call.say("Отмечено: прочитано.", "Noted: you have read it.")),))


async def _chosen(call: Call, number: str) -> Post:
    for post in await _unread(call, asker(call.query)):
        if str(post.id) == number:
            return post
    raise bad_payload("there is no such post, or it is read already")


async def _unread(call: Call, person: Principal) -> list[Post]:
    return await call.query.server.store.read(lambda tx: rows.unread(tx, person.department, person.id))


COMMANDS: Final = tuple(Command(NODE, _NAME, at, _choose, _has_news) for at in ("account", "server"))

# SPDX-License-Identifier: Apache-2.0
"""XEP-0050: Ad-Hoc Commands: what a command is, and the run of one from its first stage to its last.

A command is a chain of stages. A stage gets what was filled in and answers with `Ask` (a form, and which
stage reads it) or `Done`. Runs live in the process of the asker's session and end with a time-out: who
comes with one that is gone is told `session-expired` and begins anew.
"""

from __future__ import annotations

import secrets
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

from lxml import etree

from armgs_server.errors import DomainError
from armgs_server.storage import clock
from armgs_server.xmpp.iq import Query
from armgs_server.xmpp.stanza import XML_LANG, StanzaError, element, text_element
from armgs_server.xmpp.xeps import xep_0004_forms as forms

NAMESPACE = "http://jabber.org/protocol/commands"
FEATURES = (NAMESPACE,)
ACTIONS = frozenset({"", "execute", "next", "prev", "complete", "cancel"})

# Of one asker; the oldest makes room. A client has one or two dialogs open.
RUNS_AT_ONCE = 10
# A dialog that nobody has answered for this long has been closed without a word.
RUN_LIFETIME = 15 * 60 * clock.SECOND


@dataclass(frozen=True, slots=True)
class Call:
    """What a stage gets: the query, the fields that were filled in, and what earlier stages left."""

    query: Query
    values: Mapping[str, tuple[str, ...]]
    state: dict[str, Any]

    def value(self, name: str) -> str:
        """The only value of a field; empty where it was not filled in."""
        return next(iter(self.values.get(name, ())), "")

    def required(self, name: str) -> str:
        """As `value`; a field that must be filled in."""
        found = self.value(name).strip()
        if not found:
            raise bad_payload(f"{name} is missing")
        return found

    def say(self, russian: str, english: str) -> str:
        """The text in the asker's language (§3.7): Russian unless the client speaks another."""
        return russian if speaks_russian(self.query) else english


@dataclass(frozen=True, slots=True)
class Ask:
    """A form for the asker; `then` reads it. Without `is_last` another stage follows."""

    form: bytes
    then: Stage
    is_last: bool = True


@dataclass(frozen=True, slots=True)
class Done:
    """The end: a form of results, notes of (type, text), or neither. A failure is a note "error" (§3.6)."""

    form: bytes = b""
    notes: tuple[tuple[Literal["info", "warn", "error"], str], ...] = ()


# Whose commands: the server's, the asker's own account's, or those of pubsub.DOMAIN.
Place = Literal["server", "account", "pubsub"]
Stage: TypeAlias = "Callable[[Call], Awaitable[Ask | Done]]"


@dataclass(frozen=True, slots=True)
class Command:
    """One command at one place; `name` is (Russian, English)."""

    node: str
    name: tuple[str, str]
    at: Place
    first: Stage
    is_allowed: Callable[[Query], Awaitable[bool]]

    def title(self, query: Query) -> str:
        return self.name[0] if speaks_russian(query) else self.name[1]


@dataclass(slots=True)
class Run:
    """A command under way: the forms asked so far, the last of which waits for its answer."""

    node: str
    expires: int
    asked: list[Ask] = field(default_factory=list)
    state: dict[str, Any] = field(default_factory=dict)


class Runs:
    """The runs of one process, by the asker's full JID and the `sessionid`."""

    def __init__(self) -> None:
        self._runs: dict[str, dict[str, Run]] = {}

    def add(self, jid: str, session_id: str, run: Run) -> None:
        """Keeps a run for its next stage, and lets go of what has ended everywhere."""
        now = clock.now()
        for asker in tuple(self._runs):
            alive = {key: each for key, each in self._runs[asker].items() if each.expires > now}
            if alive:
                self._runs[asker] = alive
            else:
                del self._runs[asker]
        mine = self._runs.setdefault(jid, {})
        mine[session_id] = run
        while len(mine) > RUNS_AT_ONCE:
            del mine[next(iter(mine))]

    def take(self, jid: str, session_id: str) -> Run | None:
        """The run, which is put back with `add` when it goes on."""
        run = self._runs.get(jid, {}).pop(session_id, None)
        return run if run is not None and run.expires > clock.now() else None


def speaks_russian(query: Query) -> bool:
    """The language of the IQ, the command or the stream, the first that is named (§3.7)."""
    lang = query.stanza.attributes.get(XML_LANG) or query.payload.get(f"{{{_XML}}}lang") or query.session.lang
    return not lang or lang.lower().startswith("ru")


def bad_payload(text: str) -> StanzaError:
    return _bad_request("bad-payload", text)


async def run(query: Query, command: Command, runs: Runs) -> bytes:
    """One `<command/>` of the asker: begins a run or goes on with it; the answering `<command/>`."""
    action = query.payload.get("action") or ""
    session_id = query.payload.get("sessionid") or ""
    if action not in ACTIONS:
        raise _bad_request("malformed-action", "unknown action")
    jid = query.session.jid.full
    if not session_id:
        if action not in ("", "execute"):
            raise _bad_request("bad-action", "a command begins with execute")
        session_id = secrets.token_urlsafe(12)
        going = Run(command.node, 0)
        given = forms.find(query.payload)
        values = forms.values(given) if given is not None and given.get("type") == "submit" else {}
        step = await command.first(Call(query, values, going.state))
    else:
        found = runs.take(jid, session_id)
        if found is None:
            raise StanzaError("not-allowed", "the session has ended", extra=_condition("session-expired"))
        going = found
        if going.node != command.node:
            runs.add(jid, session_id, going)
            raise _bad_request("bad-sessionid", "the session is of another command")
        if action == "cancel":
            return _command(query, command, session_id, "canceled", b"")
        try:
            step = await _go_on(query, going, action)
        except DomainError:
            runs.add(jid, session_id, going)  # the form may be corrected and sent again
            raise
    if isinstance(step, Done):
        notes = b"".join(text_element("note", text, {"type": kind}) for kind, text in step.notes)
        return _command(query, command, session_id, "completed", step.form + notes)
    going.asked.append(step)
    going.expires = clock.now() + RUN_LIFETIME
    runs.add(jid, session_id, going)
    return _command(query, command, session_id, "executing", _actions(going) + step.form)


async def _go_on(query: Query, going: Run, action: str) -> Ask | Done:
    waiting = going.asked[-1]
    if action == "prev":
        if len(going.asked) == 1:
            raise _bad_request("bad-action", "this is the first stage")
        del going.asked[-1]
        return going.asked.pop()
    forward = "complete" if waiting.is_last else "next"
    if action not in ("", "execute", forward):
        raise _bad_request("bad-action", f"this stage allows {forward}")
    return await waiting.then(Call(query, _filled_in(query.payload), going.state))


def _filled_in(payload: etree._Element) -> Mapping[str, tuple[str, ...]]:
    form = forms.find(payload)
    if form is None:
        raise bad_payload("the form is missing")
    if form.get("type") not in ("submit", "cancel"):  # §3.4.1: a cancelled form counts as submitted
        raise bad_payload("the form is not submitted")
    return forms.values(form)


def _actions(going: Run) -> bytes:
    """§3.3: what may follow; `execute` names what it stands for."""
    forward = "complete" if going.asked[-1].is_last else "next"
    back = element("prev") if len(going.asked) > 1 else b""
    return element("actions", {"execute": forward}, back + element(forward))


def _command(query: Query, command: Command, session_id: str, status: str, inner: bytes) -> bytes:
    attributes = {
        "xmlns": NAMESPACE,
        "node": command.node,
        "sessionid": session_id,
        "status": status,
        "xml:lang": "ru" if speaks_russian(query) else "en",
    }
    return element("command", attributes, inner)


def _bad_request(condition: str, text: str) -> StanzaError:
    return StanzaError("bad-request", text, extra=_condition(condition))


def _condition(name: str) -> bytes:
    return element(name, {"xmlns": NAMESPACE})


_XML = "http://www.w3.org/XML/1998/namespace"

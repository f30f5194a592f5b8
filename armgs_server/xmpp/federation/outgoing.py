# SPDX-License-Identifier: Apache-2.0
"""A stream that we have opened, once it stands: what the other side says on it, and when it has served."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeGuard

from armgs_server import log
from armgs_server.errors import DomainError
from armgs_server.net.outlet import is_expected_end
from armgs_server.xmpp.faults import Fault
from armgs_server.xmpp.federation.intake import Intake
from armgs_server.xmpp.federation.opening import close, condition_of
from armgs_server.xmpp.protocol import Event, StreamEnd
from armgs_server.xmpp.stanza import STREAM, Stanza
from armgs_server.xmpp.stream_errors import StreamError

if TYPE_CHECKING:
    from armgs_server.xmpp.federation.abroad import Abroad
    from armgs_server.xmpp.federation.link import Link
    from armgs_server.xmpp.federation.wire import Wire

LOG = log.get("federation")


async def serve(abroad: Abroad, link: Link, wire: Wire, *, is_bidirectional: bool) -> None:
    """Reads to the end of the stream."""
    intake = Intake(abroad)
    if is_bidirectional:  # XEP-0288 §2: the other side may use the stream too, for this pair
        intake.pairs.add((link.theirs, link.ours))
    try:
        while await _step(abroad, link, wire, intake):
            pass
    except StreamError as error:
        wire.fail(error.condition, error.text)
    except DomainError as error:
        LOG.warning("stream to another server ended", theirs=link.theirs, error=error.text)
        wire.fail("internal-server-error")
    except Exception as error:
        if not is_expected_end(error):
            raise
        LOG.debug("stream to another server lost", theirs=link.theirs, error=error)
    finally:
        link.release(wire)
        wire.stream.close()


async def _step(abroad: Abroad, link: Link, wire: Wire, intake: Intake) -> bool:
    """Reads once; False when the stream has ended or has been idle for long enough."""
    limit = abroad.config.federation.idle_timeout
    try:
        events, size = await wire.read(limit)
    except TimeoutError:
        if link.silence() < limit:
            return True
        link.release(wire)
        await close(wire)
        return False
    stanzas = [event for event in events if _is_stanza(event)]
    if stanzas and not intake.is_open:
        raise StreamError("not-authorized")  # RFC 6120 §4.9.3.12
    await intake.take(stanzas)
    is_over = any([_ends(event, link) for event in events])
    await abroad.remotes.wait(link.theirs, size, len(stanzas))
    return not is_over


def _is_stanza(event: Event) -> TypeGuard[Stanza]:
    return isinstance(event, Stanza) and event.is_stanza


def _ends(event: Event, link: Link) -> bool:
    match event:
        case Fault(condition, text):
            raise StreamError(condition, text)
        case StreamEnd():
            return True
        case Stanza(xmlns=xmlns, name=name) if (xmlns, name) == (STREAM, "error"):
            LOG.info("another server ends the stream", theirs=link.theirs, error=condition_of(event))
            return True
    return False

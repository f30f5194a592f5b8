# SPDX-License-Identifier: Apache-2.0
"""XEP-0377: Blocking Command Reports: why somebody was blocked, for the server's administrators.

A report goes to the log: who reports whom, why, and the archive ids of the messages meant. What the person
wrote with it is not logged, and nothing is passed on to other servers or third parties (§4: no MUST).
"""

from __future__ import annotations

from typing import Final

from armgs_server import log
from armgs_server.xmpp.iq import Query
from armgs_server.xmpp.jid import parse
from armgs_server.xmpp.stanza import StanzaError

NAMESPACE: Final = "urn:xmpp:reporting:1"
FEATURES: Final = (NAMESPACE,)
_BLOCKING: Final = "urn:xmpp:blocking"
_STANZA_ID: Final = "{urn:xmpp:sid:0}stanza-id"
_LONGEST: Final = 200  # characters of a reason or an id
_MOST_IDS: Final = 20

_log = log.get("reports")


def check(query: Query) -> None:
    """§3: a report has a reason; StanzaError."""
    for report in query.payload.iterfind(f"{{{_BLOCKING}}}item/{{{NAMESPACE}}}report"):
        if not report.get("reason"):
            raise StanzaError("bad-request", "a report has a reason")


def journal(query: Query) -> None:
    """Logs the reports in a request to block."""
    for item in query.payload.iterfind(f"{{{_BLOCKING}}}item"):
        for report in item.iterfind(f"{{{NAMESPACE}}}report"):
            ids = [(found.get("id") or "")[:_LONGEST] for found in report.iterfind(_STANZA_ID)]
            _log.warning(
                "reported",
                by=query.session.account.bare,
                jid=parse(item.get("jid") or "").full,
                reason=(report.get("reason") or "")[:_LONGEST],
                messages=",".join(ids[:_MOST_IDS]),
            )

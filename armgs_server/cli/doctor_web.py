# SPDX-License-Identifier: Apache-2.0
"""Files, calendars and contacts as clients use them, a room that is booked, and what clients fetch to set
themselves up."""

from __future__ import annotations

import base64
import re
import secrets
from datetime import UTC, datetime, timedelta
from http.client import HTTPResponse, HTTPSConnection

from armgs_server.cli.probes import TIMEOUT, ProbeFailed, Target

_HREF = re.compile(rb"<(?:\w+:)?href[^>]*>([^<]+)</(?:\w+:)?href>")


class Web:
    """Requests over HTTPS, one connection each, as somebody who is logged in or nobody."""

    def __init__(self, target: Target, *, anonymous: bool = False) -> None:
        self._target = target
        raw = base64.b64encode(f"{target.address}:{target.password}".encode()).decode("ascii")
        self._headers = {} if anonymous else {"Authorization": f"Basic {raw}"}

    def request(
        self, method: str, path: str, body: bytes = b"", **headers: str
    ) -> tuple[HTTPResponse, bytes]:
        """The response and its content."""
        fields = {name.replace("_", "-"): value for name, value in headers.items()}
        client = HTTPSConnection(
            self._target.host, self._target.port, timeout=TIMEOUT, context=self._target.context
        )
        try:
            host = {"Host": self._target.context.hostname}
            client.request(method, path, body or None, {**host, **self._headers, **fields})
            response = client.getresponse()
            return response, response.read()
        finally:
            client.close()

    def expect(self, status: int, method: str, path: str, body: bytes = b"", **headers: str) -> bytes:
        """The content of a response that must have this status."""
        response, content = self.request(method, path, body, **headers)
        if response.status != status:
            raise ProbeFailed(f"{method} {path}: {response.status} {response.reason}")
        return content

    def home(self, well_known: str, name: str) -> str:
        """RFC 6764 §6: from the well-known path over the principal to the collection of collections."""
        response, _ = self.request("PROPFIND", well_known, Depth="0")
        location = response.getheader("Location", "")
        if response.status not in (301, 307, 308) or not location:
            raise ProbeFailed(f"{well_known}: {response.status}, no redirection")
        path = re.sub(r"^https?://[^/]+", "", location)
        principal = self._href(path, "<current-user-principal/>")
        return self._href(principal, name)

    def _href(self, path: str, name: str) -> str:
        body = (
            '<propfind xmlns="DAV:" xmlns:C="urn:ietf:params:xml:ns:caldav"'
            f' xmlns:A="urn:ietf:params:xml:ns:carddav"><prop>{name}</prop></propfind>'
        )
        content = self.expect(207, "PROPFIND", path, body.encode(), Depth="0", Content_Type="application/xml")
        found = _HREF.findall(content)
        if len(found) < 2:  # the first is that of the resource itself
            raise ProbeFailed(f"PROPFIND {path}: no {name}")
        return str(found[1].decode())


def files(target: Target) -> str:
    """RFC 4918: a file comes back as it went."""
    web = Web(target)
    path, data = f"/dav/files/{target.address}/doctor.bin", secrets.token_bytes(4096)
    web.expect(201, "PUT", path, data)
    if web.expect(200, "GET", path) != data:
        raise ProbeFailed(f"GET {path}: other bytes than were put there")
    web.expect(204, "DELETE", path)
    return "PUT, GET, DELETE"


def contacts(target: Target) -> str:
    """RFC 6352."""
    web = Web(target)
    home = web.home("/.well-known/carddav", "<A:addressbook-home-set/>")
    card = b"BEGIN:VCARD\r\nVERSION:3.0\r\nUID:doctor\r\nFN:armgs doctor\r\nN:doctor;;;;\r\nEND:VCARD\r\n"
    path = f"{home}contacts/doctor.vcf"
    web.expect(201, "PUT", path, card, Content_Type="text/vcard")
    web.expect(200, "GET", path)
    return "PUT, GET"


def booking(target: Target, room: str) -> str:
    """RFC 4791 and RFC 6638: a meeting in one's own calendar, and the room that accepts."""
    web = Web(target)
    home = web.home("/.well-known/caldav", "<C:calendar-home-set/>")
    begin = datetime.now(UTC) + timedelta(days=1)
    lines = [
        "BEGIN:VCALENDAR",
        "VERSION:2.0",
        "PRODID:-//armgs//doctor//EN",
        "BEGIN:VEVENT",
        "UID:doctor",
        f"DTSTAMP:{begin:%Y%m%dT%H%M%SZ}",
        f"DTSTART:{begin:%Y%m%dT%H%M%SZ}",
        "DURATION:PT15M",
        "SUMMARY:armgs doctor",
        f"ORGANIZER:mailto:{target.address}",
        f"ATTENDEE;PARTSTAT=ACCEPTED:mailto:{target.address}",
        f"ATTENDEE;CUTYPE=ROOM;PARTSTAT=NEEDS-ACTION;RSVP=TRUE:mailto:{room}",
        "END:VEVENT",
        "END:VCALENDAR",
        "",
    ]
    path = f"{home}default/doctor.ics"
    web.expect(201, "PUT", path, "\r\n".join(lines).encode(), Content_Type="text/calendar")
    text = web.expect(200, "GET", path).decode().replace("\r\n ", "")
    attendee = next((line for line in text.split("\r\n") if line.endswith(room)), "")
    if "PARTSTAT=ACCEPTED" not in attendee:
        raise ProbeFailed(f"the room has not accepted: {attendee or 'it is not invited'}")
    web.expect(204, "DELETE", path)
    return "PARTSTAT=ACCEPTED"


def document(target: Target, path: str, must_hold: bytes) -> str:
    """What anybody may fetch, and what must stand in it."""
    content = Web(target, anonymous=True).expect(200, "GET", path)
    if must_hold not in content:
        raise ProbeFailed(f"GET {path}: no {must_hold.decode()} in it")
    return f"{len(content)} bytes"

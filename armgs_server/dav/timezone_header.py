# SPDX-License-Identifier: Apache-2.0
"""The CalDAV-Timezones header field (RFC 7809 §7.1): whether a client wants definitions of known zones."""

from collections.abc import Callable

from armgs_server.formats.timezone_references import with_all, without_known


def adapt_zones(header: Callable[[str], str | None]) -> Callable[[bytes], bytes] | None:
    """What is done to calendar data for a request; None: they go out as they came in (§3.1.3)."""
    value = header("caldav-timezones")
    if value is None:
        return None
    return {"T": with_all, "F": without_known}.get(value.strip().upper())

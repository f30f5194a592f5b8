# SPDX-License-Identifier: Apache-2.0
"""Who wrote this mail, and is it wanted: what SMTP asks before it keeps a message and before it sends one.

In: SPF (RFC 7208), DKIM (RFC 6376, RFC 8301, RFC 8463), ARC (RFC 8617) and DMARC (RFC 9989), told in
Authentication-Results (RFC 8601); then the filters: rspamd, ClamAV, milters. Out: DKIM signatures, ARC sets.
`arrival` and `departure` decide; what they stand on asks the DNS and others, or is pure.

Invariants: mail of people who have logged in is not judged; nothing of a message is changed, fields are only
written above it; every wait ends; what cannot be found out lets mail through, except under our own names.
"""

from __future__ import annotations

from armgs_server.config import Config
from armgs_server.errors import Invalid
from armgs_server.trust.endpoint import Endpoint


def check(config: Config) -> None:
    """The settings of which only the filters know the form. Invalid."""
    settings = config.trust
    for name, values in (
        ("rspamd", [settings.rspamd] if settings.rspamd else []),
        ("rspamd_controller", [settings.rspamd_controller] if settings.rspamd_controller else []),
        ("clamav", [settings.clamav] if settings.clamav else []),
        ("milters", settings.milters),
    ):
        for value in values:
            try:
                Endpoint.parse(value)
            except Invalid as error:
                raise Invalid(f"trust.{name}: {error.text}") from error

# SPDX-License-Identifier: Apache-2.0
"""Settings of the directory as others see it: LDAP."""

from dataclasses import dataclass

from armgs_server.config.units import KIB
from armgs_server.settings import setting


@dataclass(frozen=True, slots=True)
class LdapSettings:
    """The directory for address books and for programs that ask it who may log in; read-only."""

    enabled: bool = setting(True, doc="Serve LDAP on ports 389 and 636.", restart=True)
    anonymous: tuple[str, ...] = setting(
        (), doc="Domains whose departments may be searched without a log-in; empty: nobody's."
    )
    message_size: int = setting(64 * KIB, doc="Largest request.", minimum=4 * KIB)
    filter_depth: int = setting(20, doc="How deep a search filter may nest.", minimum=2, maximum=100)
    filter_parts: int = setting(200, doc="Parts of a filter, and attributes of a request.", minimum=10)
    results: int = setting(1000, doc="Entries that one search, or one page of it, answers with.", minimum=1)
    search_time: float = setting(30.0, doc="A search that takes longer is ended.", minimum=0.1)
    idle_timeout: float = setting(900.0, doc="A silent client is disconnected.", minimum=10)
    errors: int = setting(50, doc="Refused requests in a row before the connection is closed.", minimum=1)

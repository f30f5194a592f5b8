# SPDX-License-Identifier: Apache-2.0
"""Settings of people's mail rules (Sieve) and of ManageSieve, by which they are kept."""

from dataclasses import dataclass

from armgs_server.config.units import KIB
from armgs_server.settings import setting


@dataclass(frozen=True, slots=True)
class SieveSettings:
    """Mail rules."""

    script_size: int = setting(256 * KIB, doc="Largest script.", minimum=4096)
    scripts: int = setting(50, doc="Scripts one person may keep.", minimum=5)
    nesting: int = setting(30, doc="Blocks within blocks, and tests within tests.", minimum=15)
    instructions: int = setting(
        20000, doc="Commands and tests run for one message before its script is stopped.", minimum=100
    )
    cpu_time: float = setting(2.0, doc="Seconds of computing for one message.", minimum=0.1)
    actions: int = setting(32, doc="Copies, redirections and answers one message may cause.", minimum=4)
    redirects: int = setting(4, doc="Redirections of one message.", minimum=0)
    redirects_per_day: int = setting(500, doc="Redirections of one person within a day.", minimum=0)
    notifications: int = setting(8, doc="Notifications one message may cause.", minimum=0)
    notifications_per_day: int = setting(200, doc="Notifications of one person within a day.", minimum=0)
    variables: int = setting(128, doc="Variables of one script (RFC 5229 §6).", minimum=128)
    variable_size: int = setting(8 * KIB, doc="Characters of one variable (RFC 5229 §6).", minimum=4000)
    includes: int = setting(50, doc="Scripts included for one message.", minimum=3)
    include_depth: int = setting(10, doc="Scripts that include scripts (RFC 6609 §3.2).", minimum=3)
    regex_memory: int = setting(1024 * KIB, doc="Bytes one regular expression may need.", minimum=64 * KIB)
    vacation_days: int = setting(7, doc="Days until a sender is answered again, if not said.", minimum=1)
    vacation_longest: int = setting(90, doc="The most days a script may ask for.", minimum=7)
    duplicate_days: int = setting(30, doc="Days that duplicate ids are remembered at most.", minimum=7)
    spam_header: str = setting(
        "X-Spam-Score", doc="Field with the filter's score, or a status with score= in it (RFC 5235)."
    )
    spam_threshold: float = setting(
        10.0, doc="The score that counts as spam for certain: 10 of 10.", minimum=0.1
    )
    virus_header: str = setting("X-Virus-Status", doc="Field with the virus filter's word (RFC 5235).")
    line_length: int = setting(8 * KIB, doc="ManageSieve: longest command line.", minimum=1024)
    idle_timeout: float = setting(
        1800.0, doc="ManageSieve: a silent client is logged out (RFC 5804 §1.2).", minimum=60
    )
    errors: int = setting(20, doc="ManageSieve: wrong commands before the connection is closed.", minimum=1)

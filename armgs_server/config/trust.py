# SPDX-License-Identifier: Apache-2.0
"""Settings of what is believed of mail, and of the filters that look at it."""

from dataclasses import dataclass

from armgs_server.config.units import MIB
from armgs_server.settings import setting


@dataclass(frozen=True, slots=True)
class TrustSettings:
    """Who wrote a message, and whether it is wanted. Mail of people who logged in is never judged."""

    check: bool = setting(
        True, doc="Mail from outside is checked: SPF, DKIM, ARC and DMARC, written to Authentication-Results."
    )
    trusted_networks: tuple[str, ...] = setting(
        ("127.0.0.0/8", "::1"),
        doc="Hosts that may send to people here under any address, and are not judged: programs on this\n"
        "host, scanners, an own gateway. They may not send to other domains.",
    )
    own_domains: str = setting(
        "reject",
        doc="Mail from outside under an address of a domain served here that neither SPF nor DKIM proves:\n"
        "refused, put into Junk, or taken.",
        choices=("reject", "junk", "accept"),
    )
    dmarc: str = setting(
        "enforce",
        doc="What a sender's domain asks for mail that fails its checks (RFC 9989): done (reject, or Junk\n"
        "for quarantine), always Junk instead of reject, or only noted.",
        choices=("enforce", "junk", "observe"),
    )
    arc_sealers: tuple[str, ...] = setting(
        (),
        doc="Domains of forwarders and lists whose ARC seal (RFC 8617) makes good what they have broken.",
    )
    authserv_id: str = setting(
        "", doc="Our name in Authentication-Results, the same for all hosts of a cluster; empty: hostname."
    )
    signatures: int = setting(8, doc="DKIM signatures looked at in one message.", minimum=1, maximum=100)
    check_timeout: float = setting(
        20.0, doc="SPF, DKIM, ARC and DMARC of a message have their results after this.", minimum=1
    )
    checks_at_once: int = setting(
        100, doc="Messages being judged at the same time by one worker; others wait.", minimum=1, restart=True
    )
    reports: bool = setting(
        False,
        doc="Domains that ask for it (rua=) are told once a day what came under their name (RFC 9990).",
    )
    sign: bool = setting(
        True,
        doc="Mail to other domains is signed, where `armgs dkim` has made a key for the author's domain.",
    )
    rspamd: str = setting("", doc='rspamd\'s normal worker, "host:port" or "unix:PATH"; empty: none.')
    rspamd_controller: str = setting(
        "", doc="rspamd's controller, which learns from what people move to and out of Junk; empty: none."
    )
    rspamd_password: str = setting("", doc="File with the controller's password, if it wants one.")
    clamav: str = setting("", doc='clamd, "host:port" or "unix:PATH"; empty: none.')
    milters: tuple[str, ...] = setting(
        (), doc='Milters, "host:port" or "unix:PATH", asked in this order once a message is complete.'
    )
    filter_size: int = setting(20 * MIB, doc="Larger messages are not shown to the filters.", minimum=65536)
    filter_timeout: float = setting(
        15.0, doc="A filter that has not answered after this is taken for broken.", minimum=0.1
    )
    filter_failures: int = setting(
        3, doc="After so many failures in a row a filter is left alone for a while.", minimum=1
    )
    filter_pause: float = setting(60.0, doc="So long; then one message tries it again.", minimum=0.1)
    training_days: int = setting(
        7, doc="What rspamd has not learned for so long, because it was away, it never learns.", minimum=1
    )

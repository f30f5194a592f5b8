# SPDX-License-Identifier: Apache-2.0
"""Settings of SMTP, IMAP and POP3."""

from dataclasses import dataclass

from armgs_server.config.units import KIB, MIB
from armgs_server.settings import setting


@dataclass(frozen=True, slots=True)
class SmtpSettings:
    """Mail in and out."""

    message_size: int = setting(50 * MIB, doc="Largest message taken (SIZE).", minimum=64 * KIB)
    sent_copies: bool = setting(
        True, doc="What is sent as a group that has a mailbox is kept in the group's Sent, for all of it."
    )
    attachment_links: int = setting(
        0,
        doc="Attachments of this size or more become files of the sender, and links in the mail; 0: never.",
        minimum=0,
    )
    recipients: int = setting(1000, doc="RCPT commands in one transaction.", minimum=100)
    line_length: int = setting(2000, doc="Longest command line.", minimum=512)
    hops: int = setting(
        100, doc="Received: fields above which a message is in a loop (RFC 5321 §6.3).", minimum=10
    )
    command_timeout: float = setting(300.0, doc="Wait for a command (RFC 5321 §4.5.3.2).", minimum=1)
    data_timeout: float = setting(180.0, doc="Wait for the next bytes of a message.", minimum=1)
    message_timeout: float = setting(3600.0, doc="A whole message must have come after this.", minimum=1)
    errors: int = setting(20, doc="Wrong commands before the connection is closed.", minimum=1)
    lmtp_hosts: tuple[str, ...] = setting(
        (),
        doc="Mail servers, as addresses or networks, that deliver by LMTP (RFC 2033) on port 24; empty:\n"
        "it is not listened on.",
        restart=True,
    )
    lmtp_socket: str = setting(
        "",
        doc="Path of a Unix socket on which mail servers of this host deliver by LMTP; empty: none. Who is\n"
        "in the group of its folder (setgid) may: nothing else is asked.",
        restart=True,
    )
    xclient_hosts: tuple[str, ...] = setting(
        (), doc="Proxies, as addresses or networks, that may say by XCLIENT for whom they speak."
    )
    future_release: float = setting(
        2678400.0, doc="People may have mail sent so much later (FUTURERELEASE); 0: not at all.", minimum=0
    )
    priority: int = setting(
        4, doc="The highest priority that people may ask for (MT-PRIORITY, RFC 6710).", minimum=0, maximum=9
    )
    relay_host: str = setting("", doc="Host, or host:port, that takes all mail for others; empty: MX.")
    relay_routes: tuple[str, ...] = setting(
        (), doc='Domains with a server of their own: "example.org=host:port". They go before relay_host.'
    )
    relay_tls: str = setting(
        "opportunistic",
        doc="TLS towards other servers; required also checks their certificates.",
        choices=("opportunistic", "required", "none"),
    )
    relay_timeout: float = setting(
        300.0, doc="Wait for another server's reply (RFC 5321 §4.5.3.2).", minimum=1
    )
    relay_connect_timeout: float = setting(30.0, doc="Wait for a connection to be made.", minimum=1)
    relay_idle: float = setting(
        5.0, doc="A connection waits so long for the next message to the same server; 0: never.", minimum=0
    )
    relay_ca: str = setting("", doc="CAs that vouch for other mail servers, beside the system's (PEM).")
    relay_login: str = setting("", doc='What relay_host asks for: "user:password"; sent under TLS only.')
    relay_by_sender: tuple[str, ...] = setting(
        (),
        doc='Servers that take all mail of a domain of ours for others: "our.example=host:port", with\n'
        '"our.example=user:password@host:port" where they ask for a log-in.',
    )
    split: tuple[str, ...] = setting(
        (),
        doc='Domains of ours that have people elsewhere, too: "our.example=host:port" is the server that\n'
        "gets the mail for addresses that nobody has here.",
    )
    dns_validates: bool = setting(
        False,
        doc="The name servers validate DNSSEC, and nobody can come between them and this server (they run\n"
        "on this host, mostly): what they call authentic is believed, and TLSA records count (DANE).",
    )
    sts: bool = setting(True, doc="Other domains' MTA-STS policies are fetched and kept (RFC 8461).")
    tls_reports: bool = setting(
        True, doc="Domains that ask are told how TLS with their servers went (RFC 8460), once a day."
    )
    sts_mode: str = setting(
        "none",
        doc="The MTA-STS policy of our domains, served at https://mta-sts.DOMAIN.",
        choices=("none", "testing", "enforce"),
    )
    sts_max_age: int = setting(
        604800, doc="Others keep that policy for so many seconds.", minimum=86400, maximum=31557600
    )
    sts_hosts: tuple[str, ...] = setting((), doc="The mail servers it names; empty: [server] hostname.")
    dns_servers: tuple[str, ...] = setting((), doc="Name servers for MX look-ups; empty: the system's.")
    dns_timeout: float = setting(15.0, doc="A look-up has failed after this.", minimum=0.1)
    queue_lifetime: float = setting(
        432000.0, doc="Mail that cannot be sent is returned after this.", minimum=60
    )
    queue_warning: float = setting(
        14400.0, doc="The sender is told of a delay after this; 0: never.", minimum=0
    )
    queue_first_retry: float = setting(300.0, doc="Wait before the second attempt; doubles after.", minimum=1)
    queue_longest_retry: float = setting(14400.0, doc="The longest wait between attempts.", minimum=1)
    queue_parallel: int = setting(20, doc="Messages being sent at the same time.", minimum=1)
    queue_parallel_per_domain: int = setting(4, doc="The same, to one domain.", minimum=1)


@dataclass(frozen=True, slots=True)
class ImapSettings:
    """Mailboxes."""

    line_length: int = setting(64 * KIB, doc="Longest command line without its literals.", minimum=8192)
    literal_size: int = setting(64 * KIB, doc="Largest literal that is not a message.", minimum=4096)
    message_size: int = setting(50 * MIB, doc="Largest message APPEND takes (APPENDLIMIT).", minimum=64 * KIB)
    idle_timeout: float = setting(1800.0, doc="A silent client is logged out (RFC 9051 §5.4).", minimum=60)
    recent: bool = setting(
        True, doc="Keep \\Recent for clients of IMAP4rev1: a small write when mail is told."
    )
    undelete_days: int = setting(
        30,
        doc="Expunged mail can be moved back from Restored so long, beside the quota; 0: it is gone.",
        minimum=0,
    )
    search_index: bool = setting(
        True, doc="The words of a mailbox are indexed from the first search in its texts."
    )
    search_index_interval: float = setting(
        60.0, doc="What has come since is indexed after this; until then a search reads it.", minimum=1
    )
    attachment_size: int = setting(20 * MIB, doc="Larger attachments are not read for searches.", minimum=0)
    attachment_text: int = setting(
        MIB, doc="Characters of the attachments of a message that searches find.", minimum=0
    )
    attachment_time: float = setting(
        20.0, doc="Seconds after which the reading of an attachment is given up.", minimum=1
    )
    attachment_memory: int = setting(
        512 * MIB, doc="Memory of the process that reads attachments.", minimum=128 * MIB
    )
    notify_groups: int = setting(
        100, doc="Event groups, and mailboxes named in them, of one NOTIFY (RFC 5465).", minimum=10
    )
    notify_mailboxes: int = setting(
        1000, doc="Mailboxes that one connection watches; for more it gets NOTIFICATIONOVERFLOW.", minimum=10
    )
    contexts: int = setting(
        20, doc="Searches of a connection that are kept up to date (RFC 5267); 0: none.", minimum=0
    )
    context_results: int = setting(
        200_000, doc="Results of all of them when they begin; four octets each.", minimum=1000
    )
    errors: int = setting(50, doc="Wrong commands in a row before the connection is closed.", minimum=1)
    message_limit: int = setting(
        0, doc="Messages that one command works on (MESSAGELIMIT, RFC 9738); 0: however many.", minimum=0
    )
    chats: bool = setting(True, doc="Show people's chats and rooms as read-only mailboxes below Chats.")
    chat_messages: int = setting(
        10_000, doc="Messages of a chat that its mailbox begins with, the newest.", minimum=1
    )
    chat_interval: float = setting(
        1.0, doc="A mailbox of a chat that is open hears of new messages after this.", minimum=0.1
    )


@dataclass(frozen=True, slots=True)
class Pop3Settings:
    """Inboxes, for devices that speak nothing but POP3."""

    enabled: bool = setting(True, doc="Serve POP3 on ports 110 and 995.", restart=True)
    line_length: int = setting(512, doc="Longest command line (RFC 2449 §4).", minimum=255)
    messages: int = setting(
        200_000, doc="Messages of an inbox that one session sees, the oldest first.", minimum=1
    )
    idle_timeout: float = setting(
        600.0, doc="A silent client is disconnected, and nothing deleted (RFC 1939 §3).", minimum=600
    )
    errors: int = setting(20, doc="Wrong commands before the connection is closed.", minimum=1)

# SPDX-License-Identifier: Apache-2.0
"""All settings of the daemon, as typed, documented data.

`load(path)` reads `armgs.toml`; `describe(config)` writes the commented sample that is kept as
`etc/armgs.toml`. Paths are relative to the folder of the configuration file (`Config.path`).
Sizes are bytes, times are seconds.

A running daemon has one Config. `adopt` puts the values of another reading in place in it, so whoever
keeps the Config or one of its sections, and reads a setting when it is needed, has the value of today.
"""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from ipaddress import ip_network
from pathlib import Path
from typing import Any

from armgs_server import settings
from armgs_server.errors import Invalid
from armgs_server.settings import describe_section, parse_section, read_toml, setting, unknown_key

KIB = 1024
MIB = 1024 * KIB
GIB = 1024 * MIB
SERVICES = ("smtp", "imap", "xmpp", "xmpp-server", "http")
COMPONENT_PORT = 5347


@dataclass(frozen=True, slots=True)
class ServerSettings:
    """What this server is called and where it listens."""

    data_dir: str = setting("data", doc="Folder of the store, relative to this file.", restart=True)
    domains: tuple[str, ...] = setting(
        (), doc="Mail and XMPP domains served here, the main one first.", restart=True
    )
    hostname: str = setting("localhost", doc="The name clients connect to.", restart=True)
    port_offset: int = setting(
        0, doc="Added to every standard port (25 143 443 ...).", minimum=0, maximum=59000, restart=True
    )
    workers: int = setting(
        0,
        doc="Processes that share the sockets; 0 is one for each core this program may use, and no more\n"
        "than one for each 256 MB of the memory it may use.",
        minimum=0,
        maximum=256,
        restart=True,
    )
    listen: tuple[str, ...] = setting(
        ("0.0.0.0", "::"),
        doc="Addresses to listen on, where systemd hands over no sockets.",
        restart=True,
    )
    proxy_hosts: tuple[str, ...] = setting(
        (),
        doc="Balancers, as addresses or networks: each connection of theirs must begin with a PROXY header\n"
        "(version 1 or 2), whose client counts in limits, throttle and log. Nobody else's is believed.",
    )
    worker_timeout: float = setting(
        30.0,
        doc="A worker that has stood still for this time is ended and replaced.",
        minimum=1,
        restart=True,
    )


@dataclass(frozen=True, slots=True)
class StoreSettings:
    """Where everything is kept."""

    url: str = setting("sqlite", doc='"sqlite", or "postgresql://user@host/database".', restart=True)
    inline_limit: int = setting(
        64 * KIB,
        doc="Bodies up to this size live in the database, larger ones in files.",
        maximum=MIB,
        restart=True,
    )
    blobs: str = setting(
        "",
        doc='Where larger bodies live: empty for files, or "s3://KEY:SECRET@HOST:PORT/BUCKET".',
        restart=True,
    )
    bus: str = setting(
        "", doc='Bus between several hosts: "nats://HOST:4222", more than one by commas.', restart=True
    )
    connections: int = setting(
        10,
        doc="Connections to PostgreSQL of one worker, and as many to each replica.",
        minimum=2,
        maximum=1000,
        restart=True,
    )
    timeout: float = setting(
        30.0,
        doc="PostgreSQL must have answered a statement, or found a connection, after this time.",
        minimum=0.5,
        restart=True,
    )
    replicas: tuple[str, ...] = setting(
        (), doc='Standbys of PostgreSQL that serve large reads: "postgresql://..." each.', restart=True
    )
    replica_lag: float = setting(
        5.0, doc="A replica that is further behind is not used.", minimum=0.1, maximum=60, restart=True
    )


@dataclass(frozen=True, slots=True)
class SecuritySettings:
    """Who may log in, and how."""

    allow_plaintext: bool = setting(
        False, doc="Permit log-in without TLS. For tests and load runs on loopback only."
    )
    password_length: int = setting(
        8, doc="An administrator who sets a shorter password is warned.", minimum=1, maximum=128
    )
    administrators: tuple[str, ...] = setting(
        (),
        doc="People and groups, by address, who administer every department.\n"
        "Each department may have others.",
    )
    login_failures: int = setting(
        10, doc="Failed log-ins of one account, from one address, before it must wait.", minimum=1
    )
    login_failures_address: int = setting(
        50, doc="Failed log-ins from one address, over all accounts, before it must wait.", minimum=1
    )
    login_failures_network: int = setting(
        200, doc="Failed log-ins from one network (IPv4 /24, IPv6 /64) before it must wait.", minimum=1
    )
    login_window: float = setting(
        600.0, doc="Failed log-ins are forgotten after this time.", minimum=1, restart=True
    )
    login_wait: float = setting(
        2.0, doc="The first wait after too many failures; each further failure doubles it.", minimum=0.01
    )
    login_longest_wait: float = setting(900.0, doc="The longest such wait.", minimum=1)
    login_tracked: int = setting(
        100_000,
        doc="Accounts, addresses and networks whose failures are remembered.",
        minimum=1000,
        restart=True,
    )
    login_timeout: float = setting(60.0, doc="A client must have logged in after this time.", minimum=1)
    argon2_memory: int = setting(
        19 * MIB, doc="Memory of one password hash (argon2id).", minimum=64 * KIB, maximum=GIB, restart=True
    )
    argon2_passes: int = setting(
        2, doc="Passes of one password hash (argon2id).", minimum=1, maximum=100, restart=True
    )
    hashes_at_once: int = setting(
        2, doc="Password hashes computed at the same time by one worker.", minimum=1, maximum=64, restart=True
    )
    hashes_waiting: int = setting(
        500, doc="Log-ins waiting for their hash; more are told to come back later.", minimum=1
    )
    scram_iterations: int = setting(
        10000, doc="PBKDF2 iterations of the SCRAM keys (RFC 7677).", minimum=4096, maximum=1000000
    )
    devices: int = setting(
        50, doc="Chat programs remembered of one person; the one unseen for longest goes.", minimum=1
    )
    device_lifetime: float = setting(
        180 * 86400.0, doc="A chat program that was not seen for this time is forgotten.", minimum=60
    )
    token_lifetime: float = setting(
        21 * 86400.0, doc="For how long a program may log in with a token it was given (FAST).", minimum=60
    )
    token_rotation: float = setting(
        86400.0, doc="At a log-in with a token older than this, the program is given a new one.", minimum=0
    )
    change_password: bool = setting(True, doc="People may change their own passwords in a chat program.")
    invitations: int = setting(
        20, doc="Invitations of one person that nobody has accepted yet (XEP-0401).", minimum=1
    )
    invitation_lifetime: float = setting(
        7 * 86400.0, doc="For how long an invitation can be accepted.", minimum=60
    )
    verified_passwords: int = setting(
        20000,
        doc="People whose right and wrong passwords are remembered (keyed hashes, in memory only).",
        minimum=0,
        restart=True,
    )
    verified_time: float = setting(
        3600.0, doc="For how long a password is remembered as right.", minimum=0, restart=True
    )
    directory_cache: int = setting(
        50000, doc="Principals and lists kept in memory.", minimum=100, restart=True
    )
    roster_limit: int = setting(
        200, doc="Colleagues and heads that a person sees without asking.", minimum=0, maximum=10000
    )


@dataclass(frozen=True, slots=True)
class TlsSettings:
    """Certificates, PEM. Empty: `armgs init` has made them in the folder tls."""

    certificate: str = setting("tls/server.crt", doc="The server's certificate and its chain.")
    key: str = setting("tls/server.key", doc="The certificate's private key.")
    ca: str = setting("tls/ca.crt", doc="A CA that clients must trust first; offered on the start page.")


@dataclass(frozen=True, slots=True)
class LogSettings:
    """What is written to the log (standard error; systemd keeps it in the journal)."""

    level: str = setting(
        "info", doc="The least level that is written.", choices=("debug", "info", "warning", "error")
    )
    trace: tuple[str, ...] = setting(
        (), doc="Services whose conversations are traced, credentials masked.", choices=SERVICES
    )


@dataclass(frozen=True, slots=True)
class LimitSettings:
    """Bounds over all services."""

    connections: int = setting(20000, doc="Connections of one worker at the same time.", minimum=1)
    connections_per_host: int = setting(
        5000,
        doc="Connections of one worker at the same time from one address (one /64 for IPv6). An office\n"
        "behind one address needs about ten for each person.",
        minimum=1,
    )
    tls_timeout: float = setting(15.0, doc="A TLS handshake must be done after this time.", minimum=0.1)
    proxy_timeout: float = setting(
        5.0, doc="A balancer's PROXY header must have come after this time.", minimum=0.1
    )
    write_timeout: float = setting(
        60.0, doc="A peer that takes no byte for this time is disconnected.", minimum=0.1
    )
    write_buffer: int = setting(
        256 * KIB, doc="Unsent bytes above which a connection waits for its peer.", minimum=KIB
    )
    read_buffer: int = setting(
        128 * KIB, doc="Unread bytes above which a connection reads no more.", minimum=KIB
    )
    shutdown_timeout: float = setting(
        20.0, doc="Time connections have to end at a graceful stop.", minimum=0.1
    )
    quota: int = setting(10 * GIB, doc="Quota of a new account, over all kinds; 0 is no limit.", minimum=0)


@dataclass(frozen=True, slots=True)
class SmtpSettings:
    """Mail in and out."""

    message_size: int = setting(50 * MIB, doc="Largest message taken (SIZE).", minimum=64 * KIB)
    recipients: int = setting(1000, doc="RCPT commands in one transaction.", minimum=100)
    line_length: int = setting(2000, doc="Longest command line.", minimum=512)
    hops: int = setting(
        100, doc="Received: fields above which a message is in a loop (RFC 5321 §6.3).", minimum=10
    )
    command_timeout: float = setting(300.0, doc="Wait for a command (RFC 5321 §4.5.3.2).", minimum=1)
    data_timeout: float = setting(180.0, doc="Wait for the next bytes of a message.", minimum=1)
    message_timeout: float = setting(3600.0, doc="A whole message must have come after this.", minimum=1)
    errors: int = setting(20, doc="Wrong commands before the connection is closed.", minimum=1)
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
    errors: int = setting(50, doc="Wrong commands in a row before the connection is closed.", minimum=1)


@dataclass(frozen=True, slots=True)
class XmppSettings:
    """Chat."""

    stanza_size: int = setting(256 * KIB, doc="Largest stanza of a logged-in client.", minimum=10000)
    stanza_size_before_login: int = setting(
        16 * KIB, doc="Largest element before log-in (RFC 6120 §13.12).", minimum=10000
    )
    client_byte_rate: int = setting(
        4 * MIB, doc="Bytes a second of one client; one that sends more is slowed down.", minimum=64 * KIB
    )
    client_stanza_rate: int = setting(
        1000, doc="Stanzas a second of one client; one that sends more is slowed down.", minimum=10
    )
    resume_time: float = setting(
        600.0, doc="A dropped stream can be resumed for this time (XEP-0198).", minimum=0
    )
    unacknowledged: int = setting(
        2000, doc="Stanzas kept for a client that does not acknowledge.", minimum=10
    )
    unacknowledged_size: int = setting(
        8 * MIB, doc="All together they are not larger than this.", minimum=300 * KIB, maximum=64 * MIB
    )
    sessions: int = setting(50, doc="Sessions of one person at the same time.", minimum=1)
    idle_timeout: float = setting(
        900.0, doc="A silent client is asked for a sign of life after this time.", minimum=10
    )
    process_timeout: float = setting(
        15.0,
        doc="A worker that has been silent for this time is gone, and its sessions with it.",
        minimum=1,
        restart=True,
    )
    whereabouts: int = setting(
        20_000, doc="People of whom a worker remembers where they have sessions.", minimum=1
    )
    whereabouts_kept: float = setting(
        5.0, doc="So long, unless it hears of a change (a lost hint costs as much).", minimum=0, maximum=60
    )
    offline_messages: int = setting(1000, doc="Messages kept for an absent person (XEP-0160).", minimum=0)
    archive_page: int = setting(250, doc="Largest page of an archive query (XEP-0313).", minimum=10)
    archive_days: int = setting(
        0,
        doc="Chat is deleted from archives after so many days; 0 keeps it. A department may have a number\n"
        "of its own, as archive_days in its data.",
        minimum=0,
    )
    push_summary: str = setting(
        "sender",
        doc="What a push service is told of a message (XEP-0357): nothing, how many wait, who wrote the\n"
        "last one, or what it says, too.",
        choices=("nothing", "count", "sender", "body"),
    )
    push_services: int = setting(
        20, doc="Push services (devices, mostly) that one person may have notified.", minimum=0
    )
    call_services: tuple[str, ...] = setting(
        (),
        doc="STUN and TURN servers that clients are told of for calls (XEP-0215):\n"
        '"stun:turn.example.org:3478", "turn:turn.example.org:3478?transport=udp", "turns:…".',
    )
    turn_secret: str = setting(
        "", doc="File with the secret that the TURN server shares (coturn: static-auth-secret)."
    )
    turn_lifetime: float = setting(
        12 * 3600.0, doc="Seconds for which a password for TURN is good.", minimum=60, maximum=7 * 86400
    )
    archive_preferences: bool = setting(
        True, doc="People may choose whose messages go to their archive (XEP-0441); else all do."
    )
    rooms_entered: int = setting(
        1000, doc="Chat rooms (and people sent directed presence) of one session at a time.", minimum=1
    )
    rooms_owned: int = setting(100, doc="Chat rooms that one person may own.", minimum=1)
    unit_rooms: str = setting(
        "bookmarked",
        doc="Chat rooms of units: none, made when asked for, or also among the bookmarks of their people.",
        choices=("off", "on", "bookmarked"),
    )
    language: str = setting(
        "ru", doc="Language of what the chat server itself says to people.", choices=("ru", "en")
    )
    digest_after: float = setting(
        24.0,
        doc="Hours after which unread messages of a person's rooms are told by mail; 0: never.",
        minimum=0,
        maximum=720,
    )
    node_creators: str = setting(
        "people",
        doc="Who may make nodes at a department's pubsub service: its people, its heads, or everybody here.",
        choices=("people", "heads", "everybody"),
    )
    nodes_owned: int = setting(
        200, doc="Pubsub nodes of one account, or made by one person at a department's service.", minimum=1
    )
    node_items: int = setting(1000, doc="Items kept of one pubsub node (XEP-0060).", minimum=1)
    node_payload: int = setting(
        192 * KIB, doc="Largest payload of a pubsub item, an avatar for instance.", minimum=KIB
    )
    nodes_size: int = setting(
        GIB, doc="Bytes of items at all pubsub nodes of one account, or of one department.", minimum=MIB
    )
    node_page: int = setting(
        MIB, doc="Bytes of items in one answer; the rest is asked for page by page.", minimum=64 * KIB
    )
    node_subscriptions: int = setting(
        200, doc="Subscriptions of one person to the nodes of one pubsub service.", minimum=1
    )
    node_subscribers: int = setting(100_000, doc="Subscriptions to one pubsub node.", minimum=1)
    feed_entries: int = setting(50, doc="Entries of a node in its Atom feed over HTTP.", minimum=1)
    room_affiliations: int = setting(
        5000, doc="Members, admins, owners and banned people of one room.", minimum=10
    )
    room_occupants: int = setting(1000, doc="Occupants of one room.", minimum=2)
    room_history: int = setting(50, doc="Messages shown to who enters a room.", minimum=0)
    contacts: tuple[str, ...] = setting(
        (),
        doc="Whom to write to about this server (XEP-0157), told to everybody who asks:\n"
        '"abuse mailto:abuse@example.org"; also admin, feedback, sales, security, status, support.',
        restart=True,
    )
    search_results: int = setting(
        100, doc="People told in one answer of a search (XEP-0055).", minimum=1, maximum=1000
    )
    upload_size: int = setting(100 * MIB, doc="Largest uploaded file (XEP-0363).", minimum=KIB)
    web_origins: tuple[str, ...] = setting(
        (),
        doc="Sites, beside this one, whose pages may connect by WebSocket or BOSH:\n"
        '"https://chat.example.org"; "*" is every site.',
    )
    see_other_uri: str = setting(
        "", doc="WebSocket clients are sent to this wss:// address (RFC 7395); empty: they are served here."
    )
    bosh_wait: int = setting(60, doc="Longest time a BOSH request is kept waiting.", minimum=1, maximum=600)
    bosh_inactivity: int = setting(
        60, doc="A BOSH client without a request is gone after this time.", minimum=1, maximum=3600
    )
    bosh_pause: int = setting(
        120, doc="Longest pause that a BOSH client may ask for.", minimum=5, maximum=3600
    )
    bosh_sessions: int = setting(5000, doc="BOSH clients of one worker at the same time.", minimum=1)


@dataclass(frozen=True, slots=True)
class FederationSettings:
    """Chat with people of other XMPP servers (ports 5269 and 5270), and with components (port 5347)."""

    enabled: bool = setting(
        False,
        doc="Talk to other servers. A workplace without partners needs no such door, so it is shut.",
        restart=True,
    )
    allow: tuple[str, ...] = setting(
        (),
        doc='Who may talk to whom, both ways: "OURS=THEIRS". OURS is a domain of a department (the rule is\n'
        "for the whole department), THEIRS another server's domain with all below it; * stands for any.\n"
        "Nobody is allowed by default.",
        restart=True,
    )
    deny: tuple[str, ...] = setting((), doc="Exceptions from allow, written in the same way.", restart=True)
    tls: str = setting(
        "verified",
        doc="verified: both ways a certificate of the CA for the domain; required: TLS, any certificate:\n"
        "the domain is proved by dialback alone; optional: also without TLS.",
        choices=("verified", "required", "optional"),
        restart=True,
    )
    ca: str = setting(
        "", doc="The CAs that vouch for other servers, PEM; empty: those of the system.", restart=True
    )
    routes: tuple[str, ...] = setting(
        (),
        doc='Servers that are not looked up in the DNS: "DOMAIN=HOST:PORT", or "DOMAIN=tls://HOST:PORT"\n'
        "for TLS from the first byte; the domain * stands for all others.",
        restart=True,
    )
    connect_timeout: float = setting(
        30.0, doc="Another server must have been reached and convinced after this time.", minimum=0.1
    )
    retry: float = setting(
        30.0, doc="After a failure another server is not tried again for this time.", minimum=0
    )
    idle_timeout: float = setting(
        900.0, doc="A stream to another server on which nothing is said is closed.", minimum=1
    )
    queue_stanzas: int = setting(
        1000, doc="Stanzas that wait for a stream to be opened, for each pair of domains.", minimum=1
    )
    queue_bytes: int = setting(
        4 * MIB,
        doc="Bytes that wait, or that the other server does not take, for each pair.",
        minimum=64 * KIB,
    )
    links: int = setting(
        2000, doc="Pairs of one of our domains and another server's that are in use.", minimum=1
    )
    streams: int = setting(
        20, doc="Streams that one remote domain may have to us at the same time.", minimum=1
    )
    stanza_rate: int = setting(
        500, doc="Stanzas a second of one remote domain; more have to wait.", minimum=1
    )
    byte_rate: int = setting(
        MIB, doc="Bytes a second of one remote domain; more have to wait.", minimum=10000
    )
    verifications: int = setting(
        100, doc="Dialback keys being verified at the same time; more are refused.", minimum=1
    )
    contacts: int = setting(
        20000, doc="Remote sessions whose wishes for events (XEP-0163) are remembered.", minimum=0
    )
    components: tuple[str, ...] = setting(
        (),
        doc='Components (XEP-0114): "DOMAIN=FILE", the file holds the secret, on one line.',
        restart=True,
    )
    component_listen: tuple[str, ...] = setting(
        ("127.0.0.1", "::1"), doc="Addresses that components connect to: there is no TLS.", restart=True
    )


@dataclass(frozen=True, slots=True)
class DavSettings:
    """Files, calendars and contacts."""

    file_size: int = setting(10 * GIB, doc="Largest file.", minimum=KIB)
    calendar_size: int = setting(MIB, doc="Largest calendar object (max-resource-size).", minimum=KIB)
    card_size: int = setting(MIB, doc="Largest address object (max-resource-size).", minimum=KIB)
    request_size: int = setting(MIB, doc="Largest XML request body.", minimum=KIB)
    instances: int = setting(1000, doc="Most instances of one event in an expanded answer.", minimum=1)
    attendees: int = setting(2000, doc="Most attendees of one calendar object.", minimum=1)
    attendee_refresh: int = setting(
        50, doc="Attendees of a meeting up to which each sees the answers of the others.", minimum=0
    )
    inbox_items: int = setting(
        1000, doc="Scheduling messages kept in an inbox; the oldest go first.", minimum=1
    )
    imip: bool = setting(True, doc="Invite people of other servers by mail.")
    lock_timeout: float = setting(3600.0, doc="Longest time a lock lives without refresh.", minimum=60)
    acl_entries: int = setting(200, doc="Most entries of one ACL request (RFC 3744).", minimum=1)
    principal_results: int = setting(200, doc="Most principals a search answers with.", minimum=1)
    sync_collections: int = setting(
        1000, doc="Largest tree of folders that one synchronisation follows.", minimum=1
    )
    search_results: int = setting(1000, doc="Most resources a SEARCH answers with (RFC 5323).", minimum=1)
    trash_days: int = setting(
        30, doc="Deleted files are kept in .trash so long, counted in the quota; 0: they are gone.", minimum=0
    )
    directory_results: int = setting(
        100, doc="Most cards that a search in the book of all departments gives.", minimum=1
    )
    depth_infinity: int = setting(10000, doc="Most resources a PROPFIND of infinite depth names.", minimum=0)
    listing_cache: int = setting(
        16 * MIB, doc="Memory for ready listings of folders.", minimum=0, restart=True
    )


@dataclass(frozen=True, slots=True)
class HttpSettings:
    """The HTTP server under DAV, uploads and the start page."""

    line_length: int = setting(8 * KIB, doc="Longest request line: 414 above it.", minimum=1024)
    header_size: int = setting(32 * KIB, doc="All header fields together: 431 above it.", minimum=4096)
    header_count: int = setting(100, doc="Number of header fields: 431 above it.", minimum=10)
    header_timeout: float = setting(
        20.0, doc="A request's header must be there after this: 408.", minimum=0.1
    )
    body_timeout: float = setting(60.0, doc="Wait for the next bytes of a body: 408.", minimum=0.1)
    keep_alive: float = setting(120.0, doc="A connection without a request is closed.", minimum=0.1)
    discard_size: int = setting(
        64 * MIB, doc="Bytes of an unread body skipped to keep the connection.", minimum=0
    )
    linger: float = setting(
        10.0, doc="After an answer that left the body unread, the time the client has to stop.", minimum=0.1
    )
    pipeline: int = setting(16, doc="Requests read ahead on one connection.", minimum=1, maximum=1000)
    forwarding_hosts: tuple[str, ...] = setting(
        (),
        doc="Reverse proxies that speak HTTP to us, as addresses or networks: the client they name in\n"
        "forwarding_header counts. Nobody else's is believed.",
    )
    forwarding_header: str = setting(
        "x-forwarded-for",
        doc="The header field they all set: X-Forwarded-For, or Forwarded (RFC 7239).",
        choices=("x-forwarded-for", "forwarded"),
    )


@dataclass(frozen=True, slots=True)
class Config:
    """One reading of armgs.toml."""

    directory: Path
    server: ServerSettings = field(default_factory=ServerSettings)
    store: StoreSettings = field(default_factory=StoreSettings)
    security: SecuritySettings = field(default_factory=SecuritySettings)
    tls: TlsSettings = field(default_factory=TlsSettings)
    log: LogSettings = field(default_factory=LogSettings)
    limits: LimitSettings = field(default_factory=LimitSettings)
    smtp: SmtpSettings = field(default_factory=SmtpSettings)
    imap: ImapSettings = field(default_factory=ImapSettings)
    xmpp: XmppSettings = field(default_factory=XmppSettings)
    federation: FederationSettings = field(default_factory=FederationSettings)
    dav: DavSettings = field(default_factory=DavSettings)
    http: HttpSettings = field(default_factory=HttpSettings)

    def path(self, value: str) -> Path:
        """A path of the configuration, relative to its file."""
        return self.directory / value

    @property
    def data_dir(self) -> Path:
        return self.path(self.server.data_dir)

    def port(self, standard: int) -> int:
        """The port a service listens on: the standard one plus the offset."""
        return standard + self.server.port_offset


SECTIONS: dict[str, Any] = {
    each.name: each.type for each in dataclasses.fields(Config) if each.name != "directory"
}


def load(path: Path) -> Config:
    """Reads and checks the configuration file; Invalid says what is wrong and where."""
    tables = read_toml(path)
    try:
        return parse(tables, path.absolute().parent)
    except Invalid as error:
        raise Invalid(f"{path}: {error.text}") from error


def parse(tables: Mapping[str, Any], directory: Path) -> Config:
    """The Config of TOML tables; relative paths in it begin at the directory. Invalid."""
    for name in tables:
        if name not in SECTIONS:
            raise unknown_key(name, list(SECTIONS))
    sections = {name: parse_section(SECTIONS[name], name, table) for name, table in tables.items()}
    config = Config(directory=directory, **sections)
    _check_together(config)
    return config


def differences(config: Config) -> str:
    """What is not the default, as TOML: `parse` makes the same Config of it."""
    defaults = Config(config.directory)
    return "\n".join(
        settings.differences(name, getattr(config, name), getattr(defaults, name)) for name in SECTIONS
    )


def adopt(live: Config, loaded: Config) -> tuple[list[str], list[str]]:
    """Puts another reading's values in place in the Config that is used.

    Returns the names of the settings that are changed, and of those that wait for a restart.
    """
    changed: list[str] = []
    waiting: list[str] = []
    for name in SECTIONS:
        now, later = settings.adopt(getattr(live, name), getattr(loaded, name), name)
        changed += now
        waiting += later
    return changed, waiting


def describe(config: Config) -> str:
    """The whole configuration as commented TOML."""
    return _HEAD + "\n".join(describe_section(name, getattr(config, name)) for name in SECTIONS)


def _check_together(config: Config) -> None:
    if not config.server.listen:
        raise Invalid("server.listen names no address")
    if config.store.url != "sqlite" and not config.store.url.startswith(("postgresql://", "postgres://")):
        raise Invalid('store.url must be "sqlite" or begin with postgresql://')
    for domain in config.server.domains:
        if domain != domain.lower() or not domain.strip(".") or "@" in domain:
            raise Invalid(f"server.domains: {domain!r} is no domain in lower case")
    for name, networks in (
        ("server.proxy_hosts", config.server.proxy_hosts),
        ("http.forwarding_hosts", config.http.forwarding_hosts),
    ):
        for network in networks:
            try:
                ip_network(network)
            except ValueError as error:
                raise Invalid(f"{name}: {error}") from error


_HEAD = """\
# Settings of armgs_server. Every value below is the default: keep only the lines you change.
# Written by `armgs config describe`; sizes are bytes, times are seconds.

"""

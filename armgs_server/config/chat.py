# SPDX-License-Identifier: Apache-2.0
"""Settings of XMPP, and of its exchange with other servers."""

from dataclasses import dataclass

from armgs_server.config.units import GIB, KIB, MIB
from armgs_server.settings import setting


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

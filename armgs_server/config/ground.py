# SPDX-License-Identifier: Apache-2.0
"""What every service stands on: names, sockets, store, log-in, journal, limits."""

from dataclasses import dataclass

from armgs_server.config.units import GIB, KIB, MIB
from armgs_server.settings import setting

SERVICES = ("smtp", "imap", "pop3", "xmpp", "xmpp-server", "http")  # as settings and journal name them


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
        8,
        doc="Shortest password that may be set. Departments may ask for more than this and the next five.",
        minimum=1,
        maximum=128,
    )
    password_history: int = setting(
        0, doc="None of so many passwords before may be taken again.", minimum=0, maximum=24
    )
    password_days: int = setting(
        0,
        doc="An older password opens nothing but the page where it is changed; 0: none grows old. App\n"
        "passwords and tokens stay good.",
        minimum=0,
        maximum=3650,
    )
    second_factor: str = setting(
        "nobody",
        doc="Who must have a second factor for the pages: without one they show where it is turned on.",
        choices=("nobody", "administrators", "everybody"),
    )
    app_passwords: bool = setting(
        False, doc="Programs log in by app passwords and tokens alone; the password is for the pages."
    )
    breached_passwords: str = setting(
        "",
        doc="A file of passwords that may not be set: SHA-1 sums in order, as Have I Been Pwned gives out,\n"
        "or the passwords themselves, one a line. Empty: no such list.",
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
    login_days: int = setting(90, doc="People can read their log-ins of so many days.", minimum=1)
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
    change_password: bool = setting(
        True, doc="People may change their own passwords, on the pages and in a chat program."
    )
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
    roster_without_unit: bool = setting(
        False,
        doc="People directly under a department, in no unit, are contacts of each other as the people of"
        "\none unit are. For departments that have no units.",
    )


@dataclass(frozen=True, slots=True)
class LogSettings:
    """What is written to the log (standard error; systemd keeps it in the journal)."""

    level: str = setting(
        "info", doc="The least level that is written.", choices=("debug", "info", "warning", "error")
    )
    trace: tuple[str, ...] = setting(
        (), doc="Services whose conversations are traced, credentials masked.", choices=SERVICES
    )
    backlog: int = setting(
        1024 * 1024,
        doc="Bytes of records that wait, at most, while systemd's journal is full: some thousand. Nobody\n"
        "waits for the journal; records beyond these are lost, and their number is told.",
        minimum=0,
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

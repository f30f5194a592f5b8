# SPDX-License-Identifier: Apache-2.0
"""Settings of HTTP and of what is served over it."""

from dataclasses import dataclass

from armgs_server.config.units import GIB, KIB, MIB
from armgs_server.settings import setting


@dataclass(frozen=True, slots=True)
class DavSettings:
    """Files, calendars and contacts."""

    file_size: int = setting(10 * GIB, doc="Largest file.", minimum=KIB)
    calendar_size: int = setting(MIB, doc="Largest calendar object (max-resource-size).", minimum=KIB)
    card_size: int = setting(MIB, doc="Largest address object (max-resource-size).", minimum=KIB)
    request_size: int = setting(MIB, doc="Largest XML request body.", minimum=KIB)
    attachment_size: int = setting(
        25 * MIB, doc="Largest managed attachment of a calendar object (max-attachment-size).", minimum=KIB
    )
    attachments: int = setting(
        50, doc="Most managed attachments of one object (max-attachments-per-resource); 0: none.", minimum=0
    )
    bulk_resources: int = setting(
        100, doc="Most objects of one bulk request (POST to a calendar).", minimum=1
    )
    whole_items: int = setting(
        50_000, doc="Most objects of a calendar or an address book that is read as one file.", minimum=0
    )
    instances: int = setting(1000, doc="Most instances of one event in an expanded answer.", minimum=1)
    attendees: int = setting(2000, doc="Most attendees of one calendar object.", minimum=1)
    attendee_refresh: int = setting(
        50, doc="Attendees of a meeting up to which each sees the answers of the others.", minimum=0
    )
    inbox_items: int = setting(
        1000, doc="Scheduling messages kept in an inbox; the oldest go first.", minimum=1
    )
    control_lists: bool = setting(
        True,
        doc="Who leads a unit has a list of the tasks assigned to its people that are not private.",
    )
    control_days: int = setting(
        90, doc="What is done, declined or called off is shown there so long.", minimum=1, maximum=3650
    )
    task_reminders: bool = setting(
        True, doc="Who has not done an assigned task in time is told, and who assigned it, by chat and mail."
    )
    imip: bool = setting(True, doc="Invite people of other servers by mail.")
    imip_delay: float = setting(
        5.0, doc="Such mail waits so many seconds for one that the inviting client sends itself.", minimum=0
    )
    subscription_size: int = setting(
        5 * MIB, doc="Largest calendar on the web that is subscribed to.", minimum=KIB
    )
    subscription_events: int = setting(10_000, doc="Most objects taken from one.", minimum=1)
    subscription_interval: float = setting(3600.0, doc="They are fetched again after this.", minimum=60)
    subscription_timeout: float = setting(30.0, doc="A fetch takes no longer.", minimum=0.1)
    subscription_networks: tuple[str, ...] = setting(
        (), doc="Networks of the inside that calendars may be fetched from; public addresses always."
    )
    push: bool = setting(
        True,
        doc="Devices may ask to be told of changes of calendars and address books (WebDAV-Push); messages\n"
        "are encrypted and go to the push service that the device names.",
    )
    push_networks: tuple[str, ...] = setting(
        (), doc="Networks of the inside with push services; public addresses always."
    )
    push_plain: bool = setting(False, doc="Push services may be reached without TLS (isolated networks).")
    push_days: int = setting(30, doc="Longest life of such a request.", minimum=3, maximum=365)
    push_registrations: int = setting(
        20, doc="Most of one person for one calendar; beyond it the one that ends first goes.", minimum=1
    )
    push_delay: float = setting(
        3.0, doc="Changes within such a time become one message.", minimum=0.01, maximum=300
    )
    push_timeout: float = setting(
        10.0, doc="A message is delivered within this, or tried again.", minimum=0.1
    )
    push_attempts: int = setting(
        4, doc="How often a message is tried; then the next change tries again.", minimum=1, maximum=20
    )
    push_retry: float = setting(
        15.0, doc="It is tried again after this, then after four times as long, up to an hour.", minimum=0.01
    )
    push_parallel: int = setting(20, doc="Messages a process delivers at the same time.", minimum=1)
    push_lifetime: int = setting(
        86400,
        doc="A push service keeps a message so long for a device that is off.",
        minimum=0,
        maximum=2419200,
    )
    lock_timeout: float = setting(3600.0, doc="Longest time a lock lives without refresh.", minimum=60)
    lock_notices: bool = setting(
        True,
        doc="Who finds a document locked is told in chat by whom and when it is free; who has it, who waits.",
    )
    acl_entries: int = setting(200, doc="Most entries of one ACL request (RFC 3744).", minimum=1)
    principal_results: int = setting(200, doc="Most principals a search answers with.", minimum=1)
    sync_collections: int = setting(
        1000, doc="Largest tree of folders that one synchronisation follows.", minimum=1
    )
    sharees: int = setting(
        200, doc="Most people whom one calendar or address book is shared with by invitation.", minimum=1
    )
    notifications: int = setting(
        500, doc="Most notifications a person has; when another comes the oldest goes.", minimum=1
    )
    search_results: int = setting(1000, doc="Most resources a SEARCH answers with (RFC 5323).", minimum=1)
    trash_days: int = setting(
        30, doc="Deleted files are kept in .trash so long, counted in the quota; 0: they are gone.", minimum=0
    )
    editor_url: str = setting(
        "",
        doc="Where an office editor that speaks WOPI is reached (Collabora Online, ONLYOFFICE Docs),\n"
        "such as https://office.digital.example; empty: none.",
    )
    editor_ca: str = setting("", doc="CA certificate for it, instead of the system's.")
    editor_proof: bool = setting(
        True, doc="Its requests must be signed, where it says with which key (WOPI proof keys)."
    )
    editor_hours: int = setting(
        10, doc="So long an opened document may be saved without being opened anew.", minimum=1, maximum=168
    )
    upload_hours: int = setting(
        24, doc="An upload that was broken off can be resumed so long; 0: none can.", minimum=0
    )
    uploads: int = setting(50, doc="Most uploads of one person that are not whole yet.", minimum=1)
    version_count: int = setting(
        20,
        doc="Earlier states kept of one file, shown in .versions; 0: none. Of more than these those go that\n"
        "are missed least: the older, the fewer.",
        minimum=0,
        maximum=1000,
    )
    version_days: int = setting(90, doc="They are kept so long after they were replaced.", minimum=0)
    version_quota: bool = setting(
        False, doc="The quota counts them; otherwise an owner may have as much as the quota in them again."
    )
    synced_book: int = setting(
        500,
        doc="Largest address book of a department that programs keep a copy of. In a larger one people see\n"
        "the book of their unit instead, with those who lead it, and search in the rest.",
        minimum=0,
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

    link_days: int = setting(
        30, doc="Longest life of a link to a file for people without an account; 0: no links.", minimum=0
    )
    link_password: bool = setting(False, doc="Such a link needs a password.")
    sign_in_idle: float = setting(
        8 * 3600.0, doc="Who has not used the pages for so long has to sign in again.", minimum=60
    )
    sign_in_lifetime: float = setting(
        7 * 86400.0, doc="Who signed in on the pages so long ago has to do so again.", minimum=60
    )
    sign_ins: int = setting(20, doc="Most browsers in which one person is signed in.", minimum=1)
    forms: str = setting("", doc="File that defines self-service forms (TOML); none if empty.")
    news_remind_after: float = setting(
        86400.0, doc="Who has not read news that must be read is reminded after such a time.", minimum=60
    )
    news_reminders: int = setting(3, doc="How often; 0: nobody is reminded.", minimum=0, maximum=100)
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

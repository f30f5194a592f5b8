# SPDX-License-Identifier: Apache-2.0
"""What keeps a PostgreSQL database from being our store, as a sentence that says what to do."""

from __future__ import annotations

from urllib.parse import SplitResult, parse_qs, urlsplit

import asyncpg

from armgs_server.errors import Unusable

# asyncpg raises these, and errors of the system, when it connects.
CANNOT_OPEN = (
    asyncpg.PostgresError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
    OSError,
    TimeoutError,
    ValueError,
)


def place_of(url: str) -> str:
    """`database NAME at HOST` of a URL; never its password, not even where the URL is malformed."""
    parts = _split(url)
    if parts is None:
        return "the database"
    query = parse_qs(parts.query)
    host = parts.netloc.rpartition("@")[2] or ",".join(query.get("host", ())) or "this host"
    name = parts.path.strip("/") or "".join(query.get("database", query.get("dbname", ())))
    return f"database {name or '(none)'} at {host}"


def _split(url: str) -> SplitResult | None:
    """None where the parts cannot be told apart: a password with a `/` would be taken for a host."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return None
    return None if "@" in parts.path + parts.query + parts.fragment else parts


def explain(url: str, error: BaseException) -> Unusable:
    """The sentence for an error of opening the database of `[store] url`."""
    return Unusable(f"{place_of(url)}: {_what_to_do(url, error)}")


def _what_to_do(url: str, error: BaseException) -> str:
    parts = _split(url)
    user = (parts and parts.username) or "this user"
    match error:
        case asyncpg.InvalidPasswordError() | asyncpg.InvalidAuthorizationSpecificationError():
            return (
                f"PostgreSQL does not let {user} in ({_said(error)}). Correct user and password in"
                " [store] url, or pg_hba.conf on the server."
            )
        case asyncpg.InvalidCatalogNameError():
            return "there is no such database. Create it with `createdb`, or correct the name in [store] url."
        case asyncpg.InsufficientPrivilegeError():
            return (
                f"{user} may not make or use the tables ({_said(error)})."
                " Make this user the owner of the database."
            )
        case asyncpg.TooManyConnectionsError():
            return (
                "PostgreSQL gives no more connections. Raise its max_connections, or lower"
                " [store] connections, which each worker may take."
            )
        case asyncpg.CannotConnectNowError():
            return f"PostgreSQL is starting or stopping ({_said(error)}). Try again in a moment."
        case asyncpg.ReadOnlySQLTransactionError() | asyncpg.TargetServerAttributeNotMatched():
            return (
                "this server is a standby, which takes no changes. Name the primary in [store] url, or all"
                " servers with ?target_session_attrs=read-write."
            )
        case asyncpg.ClientConfigurationError() | ValueError():
            return (
                '[store] url is malformed. It is "postgresql://USER:PASSWORD@HOST:PORT/DATABASE", and in'
                " PASSWORD the characters / : @ % are written as %2F %3A %40 %25."
            )
        case TimeoutError():
            return (
                "PostgreSQL does not answer. Look whether it stands still, and whether a firewall is between."
            )
        case OSError():
            return (
                f"PostgreSQL cannot be reached ({_said(error)}). Start it, or correct host and port"
                " in [store] url."
            )
    return f"PostgreSQL refuses ({_said(error)})."


def _said(error: BaseException) -> str:
    """The error's own words, one line; asyncpg's messages hold no password."""
    return (str(error) or type(error).__name__).splitlines()[0].rstrip(".")

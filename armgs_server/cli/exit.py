# SPDX-License-Identifier: Apache-2.0
"""Exit codes of the command `armgs`. They are part of its interface: scripts may rely on them.

`TABLE` is what docs/admin.md shows; a test keeps the two the same.
"""

from __future__ import annotations

import errno

from armgs_server.errors import (
    AlreadyExists,
    Conflict,
    Denied,
    DomainError,
    Invalid,
    NotFound,
    OverQuota,
    Temporary,
    TooLarge,
    Unusable,
)

OK = 0
FAILED = 1
USAGE = 2
NOT_FOUND = 3
ALREADY_EXISTS = 4
INVALID = 5
REFUSED = 6
TEMPORARY = 7
PARTIAL = 8
UNHEALTHY = 9
INTERRUPTED = 130

TABLE = (
    (OK, "done"),
    (FAILED, "an error in armgs itself; the message on standard error helps to report it"),
    (USAGE, "wrong arguments; or database, bucket, bus or data folder cannot be used as configured"),
    (NOT_FOUND, "the account, group, file or workplace named does not exist"),
    (ALREADY_EXISTS, "it exists already; nothing was changed"),
    (INVALID, "the configuration or the input is malformed; the message names file and line"),
    (REFUSED, "not permitted: rights, quota, size, or a contradiction to what is there"),
    (TEMPORARY, "the store cannot do it now (disk full, database away); trying later may succeed"),
    (PARTIAL, "an import took some objects and refused others, each of them reported"),
    (UNHEALTHY, "`armgs check`, `doctor`, `dns check`, `journal verify` or `backup` found something wrong"),
    (INTERRUPTED, "interrupted from the keyboard"),
)

_BY_ERRNO = {
    errno.ENOENT: NOT_FOUND,
    errno.EEXIST: ALREADY_EXISTS,
    errno.ENOTEMPTY: ALREADY_EXISTS,
    errno.ENOTDIR: INVALID,
    errno.EISDIR: INVALID,
    errno.EACCES: REFUSED,
    errno.EPERM: REFUSED,
    errno.ENOSPC: TEMPORARY,
    errno.EDQUOT: TEMPORARY,
    errno.EROFS: TEMPORARY,
    errno.EIO: TEMPORARY,
}
_BY_ERROR: tuple[tuple[type[DomainError], int], ...] = (
    (NotFound, NOT_FOUND),
    (AlreadyExists, ALREADY_EXISTS),
    (Invalid, INVALID),
    (Denied, REFUSED),
    (OverQuota, REFUSED),
    (TooLarge, REFUSED),
    (Conflict, REFUSED),
    (Unusable, USAGE),
    (Temporary, TEMPORARY),
)


def code_for_system(error: OSError) -> int:
    """The exit code that tells of an error of the operating system."""
    return _BY_ERRNO.get(error.errno or 0, FAILED)


def code_for(error: DomainError) -> int:
    """The exit code that tells of a domain error."""
    return next((code for kind, code in _BY_ERROR if isinstance(error, kind)), FAILED)

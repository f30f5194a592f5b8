# SPDX-License-Identifier: Apache-2.0
"""Domain errors: what can go wrong below the protocols, in words that belong to none of them.

`storage` and `directory` raise these; each protocol translates them to its own replies in one table.
`text` may be shown to the client; `cause` (the chained exception) is for the log only.
"""

from __future__ import annotations


class DomainError(Exception):
    """Base of everything that a protocol is expected to translate into a reply of its own."""

    def __init__(self, text: str = "") -> None:
        super().__init__(text or type(self).__doc__)
        self.text = text or (type(self).__doc__ or "").strip()


class NotFound(DomainError):
    """It does not exist, or the asker may not know that it does."""


class AlreadyExists(DomainError):
    """The name is taken."""


class Denied(DomainError):
    """Not permitted."""


class Conflict(DomainError):
    """It has changed meanwhile, or the change contradicts what is there."""


class OverQuota(DomainError):
    """The account's storage limit would be exceeded."""


class TooLarge(DomainError):
    """Larger than the configured limit."""


class Invalid(DomainError):
    """The input is malformed; `line` is the number of the offending line, 1-based, 0 if not by line."""

    def __init__(self, text: str = "", line: int = 0) -> None:
        super().__init__(f"line {line}: {text}" if line else text)
        self.line = line


class Temporary(DomainError):
    """The server cannot do it now; trying later may succeed."""


class Unusable(Temporary):
    """What the configuration names (database, bucket, bus …) cannot be used; the text says what to do."""


class Throttled(Temporary):
    """Too many failed attempts; wait before trying again."""

# SPDX-License-Identifier: Apache-2.0
"""The client's view of the selected mailbox: RFC 3501 §2.3.1, §5.5, §7.4.1.

Sequence numbers are places in `uids`, which changes only when the client is told: `grow` goes with an
EXISTS, `expunge` with EXPUNGE lines. A message that is gone stays in the view until EXPUNGE may be sent,
so that the numbers of a command on its way mean what the client meant.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Sequence

from armgs_server.imap.grammar import STAR, SequenceSet
from armgs_server.imap.responses import RECENT, bad, uid_required


class View:
    """One selected mailbox as one client knows it; `modseq` is what it has been told."""

    __slots__ = ("_told_recent", "gone", "keywords", "modseq", "own", "recents", "saved", "uid_only", "uids")

    def __init__(self, uids: Iterable[int], modseq: int, keywords: Iterable[str] = ()) -> None:
        self.uids = array("I", uids)
        self.modseq = modseq
        self.gone: set[int] = set()  # expunged, not yet told
        self.own: set[int] = set()  # modseqs of changes that this session has answered itself
        self.saved: Sequence[int] = ()  # the uids of "$" (RFC 5182)
        self.keywords = {keyword.lower(): keyword for keyword in keywords}  # those told in FLAGS
        # uids [first, end) that are \Recent here (RFC 3501 §2.3.2); None for a client that knows no such flag
        self.recents: list[tuple[int, int]] | None = []
        self.uid_only = False  # the client knows no numbers (RFC 9586)
        self._told_recent = 0

    def __len__(self) -> int:
        return len(self.uids)

    def number(self, uid: int) -> int:
        """The sequence number, 0 where the uid is not in view."""
        place = bisect_left(self.uids, uid)
        return place + 1 if place < len(self.uids) and self.uids[place] == uid else 0

    def opening(self, uid: int) -> bytes:
        """What a FETCH response (RFC 3501 §7.4.2) or UIDFETCH response (RFC 9586 §3.3) begins with; nothing
        where the client does not know the message."""
        number = self.number(uid)
        if not number:
            return b""
        return b"* %d UIDFETCH (" % uid if self.uid_only else b"* %d FETCH (" % number

    def response(self, uid: int, attributes: bytes) -> bytes:
        """The whole of it."""
        opening = self.opening(uid)
        return b"%b%b)\r\n" % (opening, attributes) if opening else b""

    def runs(
        self, wanted: SequenceSet, *, by_uid: bool, may_be_beyond: bool = False
    ) -> list[tuple[int, int]]:
        """The places [first, end) that a set means, ascending, without overlap. BAD for a number beyond
        the last one, unless it `may_be_beyond`, as in a search, and for every number where there are none."""
        if self.uid_only and not by_uid and not wanted.saved:
            raise uid_required()
        if wanted.saved:
            ranges = [self._uid_run(uid, uid) for uid in self.saved]
        elif by_uid:
            ranges = [self._uid_run(low, high) for low, high in wanted.ranges]
        else:
            ranges = [self._number_run(low, high, may_be_beyond) for low, high in wanted.ranges]
        merged: list[tuple[int, int]] = []
        for first, end in sorted(ranges):
            if first >= end:
                continue
            if merged and first <= merged[-1][1]:
                merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
            else:
                merged.append((first, end))
        return merged

    def _uid_run(self, low: int, high: int) -> tuple[int, int]:
        """RFC 3501 §6.4.8: uids that do not exist are ignored; "*" is the largest in use, so that
        `9999:*` always has the last message."""
        if STAR in (low, high):
            last = self.uids[-1] if self.uids else 0
            low, high = (last if end == STAR else end for end in (low, high))
        low, high = min(low, high), max(low, high)
        return bisect_left(self.uids, low), bisect_right(self.uids, high)

    def _number_run(self, low: int, high: int, may_be_beyond: bool) -> tuple[int, int]:
        count = len(self.uids)
        if not count and STAR in (low, high):
            return 0, 0
        low, high = (count if end == STAR else end for end in (low, high))
        low, high = min(low, high), max(low, high)
        if high > count:
            if may_be_beyond:
                return min(low - 1, count), count
            raise bad(f"the mailbox has {count} messages")
        return low - 1, high

    def uids_of(self, runs: Iterable[tuple[int, int]]) -> list[int]:
        result: list[int] = []
        for first, end in runs:
            result += self.uids[first:end]
        return result

    def is_recent(self, uid: int) -> bool:
        """Whether this session was the first to be told of a message."""
        return any(first <= uid < end for first, end in self.recents or ())

    def shown_flags(self, uid: int, flags: int) -> int:
        """Its flags as this session has them."""
        return flags | RECENT if self.recents and self.is_recent(uid) else flags

    def exists(self) -> bytes:
        """EXISTS, and RECENT where the client knows it."""
        if self.recents is None:
            return b"* %d EXISTS\r\n" % len(self.uids)
        self._told_recent = self._count_recent()
        return b"* %d EXISTS\r\n* %d RECENT\r\n" % (len(self.uids), self._told_recent)

    def recent(self) -> bytes:
        """RECENT, where expunges have made another number of it."""
        if not self._told_recent or (count := self._count_recent()) == self._told_recent:
            return b""
        self._told_recent = count
        return b"* %d RECENT\r\n" % count

    def _count_recent(self) -> int:
        places = (
            (bisect_left(self.uids, first), bisect_left(self.uids, end)) for first, end in self.recents or ()
        )
        return sum(end - first for first, end in places)

    def add_recents(self, first: int, end: int) -> None:
        """These uids are told to this session first."""
        if self.recents is None or first >= end:
            return
        if self.recents and self.recents[-1][1] == first:
            first = self.recents.pop()[0]
        self.recents.append((first, end))

    def grow(self, uids: Iterable[int]) -> int:
        """Takes up new messages, those behind the last one; how many."""
        last = self.uids[-1] if self.uids else 0
        before = len(self.uids)
        self.uids.extend(uid for uid in uids if uid > last)
        return len(self.uids) - before

    def learn(self, keywords: Iterable[str]) -> bool:
        """Takes up the keywords of messages about to be told; whether FLAGS has to go before them."""
        before = len(self.keywords)
        for text in keywords:
            for keyword in text.split():
                self.keywords.setdefault(keyword.lower(), keyword)
        return len(self.keywords) > before

    def vanish(self) -> list[int]:
        """Lets go of `gone`; the uids to tell (RFC 7162 §3.2.10)."""
        uids = sorted(uid for uid in self.gone if self.number(uid))
        self.expunge()
        return uids

    def expunge(self) -> Iterator[int]:
        """Lets go of `gone`; the numbers to tell, the last first, so that each is true when it is read."""
        places = sorted((number - 1 for uid in self.gone if (number := self.number(uid))), reverse=True)
        if len(places) > 50:
            gone = self.gone
            self.uids = array("I", (uid for uid in self.uids if uid not in gone))
        else:
            for place in places:
                del self.uids[place]
        self.gone = set()
        return (place + 1 for place in places)

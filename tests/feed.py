# SPDX-License-Identifier: Apache-2.0
"""Three-way feeding of sans-I/O parsers: however the network cuts the bytes, the events are the same."""

from collections.abc import Callable, Iterator
from typing import Any, Protocol


class Parser(Protocol):
    def receive_data(self, data: bytes) -> None: ...

    def events(self) -> Iterator[Any]: ...


def feed(make_parser: Callable[[], Parser], data: bytes, trailing: bytes = b"") -> list[Any]:
    """Feeds `data` whole, byte by byte, and with `trailing` bytes behind it; returns the events.

    The first two must give equal events; the third must begin with them.
    """
    whole = events_of(make_parser, [data])
    assert events_of(make_parser, [data[i : i + 1] for i in range(len(data))]) == whole, "byte by byte"
    if trailing:
        assert events_of(make_parser, [data + trailing])[: len(whole)] == whole, "with trailing data"
    return whole


def events_of(make_parser: Callable[[], Parser], chunks: list[bytes]) -> list[Any]:
    """The events of one parser fed with these chunks, taken after each."""
    parser = make_parser()
    events: list[Any] = []
    for chunk in chunks:
        parser.receive_data(chunk)
        events.extend(parser.events())
    return events

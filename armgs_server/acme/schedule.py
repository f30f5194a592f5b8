# SPDX-License-Identifier: Apache-2.0
"""When a certificate is ordered: arithmetic on what the store knows. Moments are microseconds since 1970.

Chance is passed in as a share, 0 ≤ share < 1, so that many servers of one CA do not come at once.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from armgs_server.storage import clock
from armgs_server.storage.acme import State

# A third of the life is left when it is renewed: time for people to mend what keeps a CA from being reached.
LEFT: Final = 3
JITTER: Final = 10  # and up to a tenth of that third earlier
AGAIN: Final = clock.DAY  # names for which the CA did not vouch are tried again
ASK: Final = (clock.MINUTE, clock.DAY)  # RFC 9773 §4.3: bounds of when the CA is asked for its wish again


@dataclass(frozen=True, slots=True)
class Shown:
    """What the schedule knows of a certificate."""

    names: frozenset[str]
    begins: int
    ends: int


def due(state: State, shown: Shown | None, directory: str, wanted: Sequence[str]) -> int:
    """From when on a certificate is to be ordered; 0 is at once."""
    if state.demanded or shown is None or state.directory != directory:
        when = 0
    elif any(name not in shown.names and name not in state.refused for name in wanted):
        when = 0
    elif any(name not in shown.names for name in wanted):
        when = min(state.renew, state.again)
    else:
        when = state.renew
    return max(when, state.retry) if state.failures else when


def succeeded(directory: str, shown: Shown, refused: Mapping[str, str], now: int, share: float) -> State:
    """After an order."""
    third = (shown.ends - shown.begins) // LEFT
    return State(
        directory=directory,
        done=now,
        # A CA whose clock is wrong is not asked again and again.
        renew=max(shown.ends - third - round(third * share / JITTER), now + min(third, clock.HOUR)),
        ask=now,
        refused=dict(refused),
        again=now + AGAIN + round(AGAIN * share / JITTER),
    )


def failed(state: State, error: str, now: int, first: float, longest: float, share: float) -> State:
    """After an order that came to nothing: waits double, from `first` to `longest` seconds."""
    wait = min(first * 2.0 ** min(state.failures, 60), longest) * (1 + share / JITTER)
    return dataclasses.replace(
        state,
        failures=state.failures + 1,
        retry=now + round(wait * clock.SECOND),
        error=error,
    )


def wished(state: State, when: int | None, again: int, now: int) -> State:
    """After the CA was asked for its wish; None where it has none."""
    least, most = ASK
    ask = min(max(again, now + least), now + most)
    return dataclasses.replace(state, renew=state.renew if when is None else when, ask=ask)

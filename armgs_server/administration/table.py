# SPDX-License-Identifier: Apache-2.0
"""The verbs, in the order in which they are documented."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from armgs_server.administration import (
    calendars,
    contacts,
    departments,
    devices,
    groups,
    keeping,
    people,
    policies,
    posts,
    sign_in,
    tokens,
)
from armgs_server.administration.verb import Verb

VERBS: Final[tuple[Verb, ...]] = (
    *people.VERBS,
    *devices.VERBS,
    *sign_in.VERBS,
    *departments.VERBS,
    *policies.VERBS,
    *posts.VERBS,
    *groups.VERBS,
    *contacts.VERBS,
    *calendars.VERBS,
    *keeping.VERBS,
    *tokens.VERBS,
)
GROUPS: Final = tuple(dict.fromkeys(verb.scope for verb in VERBS if tokens.needed(verb)))
TABLE: Final[Mapping[str, Verb]] = {verb.name: verb for verb in VERBS}

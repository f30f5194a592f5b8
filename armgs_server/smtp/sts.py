# SPDX-License-Identifier: Apache-2.0
"""MTA-STS (RFC 8461): the record that announces a policy, the policy itself, and which hosts it allows.

Pure. A policy is a text of `key: value` lines (§3.2); what is not understood in it is passed over.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum

# §3.2: "max_age … the maximum value of 31557600"
LONGEST = 31_557_600
SIZE_LIMIT = 64 * 1024  # §3.3: what a policy may well be limited to
HOSTS_LIMIT = 200

_RECORD = re.compile(r"v=STSv1[ \t]*;[ \t]*(.*)", re.DOTALL)
_IDENTITY = re.compile(r"id[ \t]*=[ \t]*([A-Za-z0-9]{1,32})")


class Mode(Enum):
    """§5: what becomes of mail when no server of the domain keeps the policy."""

    NONE = "none"
    TESTING = "testing"
    ENFORCE = "enforce"


@dataclass(frozen=True, slots=True)
class Policy:
    """A domain's policy."""

    mode: Mode
    hosts: tuple[str, ...]
    max_age: int  # seconds

    def allows(self, host: str) -> bool:
        """§4.1: whether a mail exchanger's name is one of the policy's; `*.` stands for one label."""
        name = host.lower().rstrip(".")
        _, _, parent = name.partition(".")
        return any(pattern in (name, f"*.{parent}") for pattern in self.hosts)


def parse_record(texts: Sequence[str]) -> str | None:
    """The id of the policy that the TXT records of `_mta-sts` announce (§3.1); None where there is none."""
    records = [match[1] for text in texts if (match := _RECORD.match(text))]
    if (
        len(records) != 1
    ):  # "If the number of resulting records is not one … the receiving domain has no policy"
        return None
    fields = (_IDENTITY.fullmatch(each.strip()) for each in records[0].split(";"))
    return next((match[1] for match in fields if match), None)


def parse_policy(text: str) -> Policy | None:
    """The policy; None where it is none (§3.2)."""
    values: dict[str, str] = {}
    hosts: list[str] = []
    for line in text.replace("\r\n", "\n").split("\n"):
        key, colon, value = line.partition(":")
        if not colon:
            continue
        key, value = key.strip(" \t"), value.strip(" \t")
        if key == "mx":
            hosts.append(value.lower().rstrip("."))
        else:
            values.setdefault(
                key, value
            )  # "If any non-repeated field is duplicated, all but the first are ignored"
    age = values.get("max_age", "")
    mode = values.get("mode", "")
    if values.get("version") != "STSv1" or mode not in {each.value for each in Mode}:
        return None
    if not (age.isascii() and age.isdigit() and len(age) <= 10) or len(hosts) > HOSTS_LIMIT:
        return None
    if not hosts and mode != Mode.NONE.value:
        return None
    return Policy(Mode(mode), tuple(hosts), min(int(age), LONGEST))


def serialise_policy(policy: Policy) -> str:
    """The policy as it is served."""
    hosts = "".join(f"mx: {host}\r\n" for host in policy.hosts)
    return f"version: STSv1\r\nmode: {policy.mode.value}\r\n{hosts}max_age: {policy.max_age}\r\n"

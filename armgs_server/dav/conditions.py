# SPDX-License-Identifier: Apache-2.0
"""Conditional requests: the If header (RFC 4918 §10.4) and RFC 9110 §13. Pure.

    If             = "If" ":" ( 1*No-tag-list | 1*Tagged-list )
    No-tag-list    = List
    Tagged-list    = Resource-Tag 1*List
    List           = "(" 1*Condition ")"
    Condition      = ["Not"] ( State-token | "[" entity-tag "]" )
    State-token    = Coded-URL
    Resource-Tag   = "<" Simple-ref ">"
    Coded-URL      = "<" absolute-URI ">"

A syntax error is a DavError 400; a condition that does not hold is for the caller to answer (412).
"""

import re
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import Literal

from armgs_server.dav.errors import DavError

# RFC 9110 §8.8.3 entity-tag = [ "W/" ] DQUOTE *etagc DQUOTE; the space is for RFC 4918's own examples.
_ENTITY_TAG = r'(?:W/)?"[ !\x23-\x7e\x80-\uffff]*"'
_TOKENS = re.compile(
    rf"\s*(?:(?P<open>\()|(?P<close>\))|(?P<url><[^<>\s]+>)|\[(?P<etag>{_ENTITY_TAG})\]|(?P<not>[Nn][Oo][Tt]\b))"
)
_TAG_LIST = re.compile(rf"\s*(?P<tag>{_ENTITY_TAG})\s*(?:,|$)")
MAX_CONDITIONS = 1000  # of one If header; the header's size is bounded below this anyway


@dataclass(frozen=True, slots=True)
class Condition:
    """One state token or entity tag that must, or with `negated` must not, match."""

    kind: Literal["token", "etag"]
    value: str
    negated: bool = False


@dataclass(frozen=True, slots=True)
class ConditionList:
    """Conditions that must all hold for one resource; `resource` is the tag, None = the request's own."""

    resource: str | None
    conditions: tuple[Condition, ...]


@dataclass(frozen=True, slots=True)
class ResourceState:
    """What conditions are held against: the entity tag ('' for a resource without) and lock tokens."""

    etag: str
    tokens: Collection[str]


def parse_if(header: str) -> list[ConditionList]:
    """The lists of an If header."""
    lists: list[ConditionList] = []
    resource: str | None = None
    listed_since_tag = True
    position = 0
    while header[position:].strip():
        match = _TOKENS.match(header, position)
        if match is None:
            raise _syntax_error(header, position)
        if match["url"]:
            # RFC 4918 §10.4.2: tagged and untagged lists do not mix, and a tag needs a list.
            if not listed_since_tag or (lists and resource is None):
                raise _syntax_error(header, position)
            resource, listed_since_tag = match["url"][1:-1], False
            position = match.end()
        elif match["open"]:
            conditions, position = _parse_list(header, match.end())
            lists.append(ConditionList(resource, conditions))
            listed_since_tag = True
        else:
            raise _syntax_error(header, position)
    if not lists or not listed_since_tag:
        raise _syntax_error(header, position)
    return lists


def _parse_list(header: str, position: int) -> tuple[tuple[Condition, ...], int]:
    conditions: list[Condition] = []
    negated = False
    while match := _TOKENS.match(header, position):
        position = match.end()
        if match["close"] and conditions and not negated:
            return tuple(conditions), position
        if match["not"] and not negated:
            negated = True
        elif match["url"] and len(conditions) < MAX_CONDITIONS:
            conditions.append(Condition("token", match["url"][1:-1], negated))
            negated = False
        elif match["etag"] and len(conditions) < MAX_CONDITIONS:
            conditions.append(Condition("etag", match["etag"], negated))
            negated = False
        else:
            break
    raise _syntax_error(header, position)


def submitted_tokens(lists: Sequence[ConditionList]) -> frozenset[str]:
    """RFC 4918 §10.4.1: every state token in the header counts as submitted, whatever it is matched to."""
    return frozenset(c.value for item in lists for c in item.conditions if c.kind == "token")


def evaluate_if(lists: Sequence[ConditionList], state_of: Callable[[str | None], ResourceState]) -> bool:
    """RFC 4918 §10.4.3: true when any list holds as a whole."""
    return any(_list_holds(item.conditions, state_of(item.resource)) for item in lists)


def _list_holds(conditions: Sequence[Condition], state: ResourceState) -> bool:
    for condition in conditions:
        if condition.kind == "token":
            holds = condition.value in state.tokens
        else:
            holds = bool(state.etag) and condition.value == state.etag  # strong comparison
        if holds == condition.negated:
            return False
    return True


def parse_entity_tags(header: str) -> tuple[str, ...] | None:
    """If-Match and If-None-Match: the entity tags, or None for `*`."""
    if header.strip() == "*":
        return None
    tags = []
    position = 0
    while header[position:].strip(" \t,"):
        match = _TAG_LIST.match(header, position)
        if match is None:
            raise DavError(400, "An entity tag is malformed.")
        tags.append(match["tag"])
        position = match.end()
    return tuple(tags)


def if_match_holds(header: str, etag: str | None) -> bool:
    """RFC 9110 §13.1.1; `etag` is None where nothing is there, '' where it has no entity tag."""
    tags = parse_entity_tags(header)
    if tags is None:
        return etag is not None
    return bool(etag) and etag in tags  # strong comparison: a weak tag never equals a strong one


def if_none_match_holds(header: str, etag: str | None) -> bool:
    """RFC 9110 §13.1.2: weak comparison."""
    tags = parse_entity_tags(header)
    if tags is None:
        return etag is None
    return etag.removeprefix("W/") not in [tag.removeprefix("W/") for tag in tags] if etag else True


def parse_http_date(header: str) -> int | None:
    """Seconds since 1970 of an HTTP-date; None where it is malformed and so to be ignored (§13.1.3)."""
    try:
        return int(parsedate_to_datetime(header).timestamp())
    except (ValueError, TypeError, OverflowError):
        return None


Outcome = Literal["proceed", "not modified", "failed"]


def evaluate_preconditions(
    header: Callable[[str], str | None], *, reading: bool, etag: str | None, modified: int
) -> Outcome:
    """RFC 9110 §13.2.2, in its order; `modified` is in seconds, `etag` None where nothing is there."""
    if (value := header("if-match")) is not None:
        if not if_match_holds(value, etag):
            return "failed"
    elif (value := header("if-unmodified-since")) is not None:
        moment = parse_http_date(value)
        if moment is not None and etag is not None and modified > moment:
            return "failed"
    if (value := header("if-none-match")) is not None:
        if not if_none_match_holds(value, etag):
            return "not modified" if reading else "failed"
    elif reading and (value := header("if-modified-since")) is not None:
        moment = parse_http_date(value)
        if moment is not None and etag is not None and modified <= moment:
            return "not modified"
    return "proceed"


def _syntax_error(header: str, position: int) -> DavError:
    return DavError(400, f"The If header is malformed at character {position} of {len(header)}.")

# SPDX-License-Identifier: Apache-2.0
"""XEP-0060 §6.3, §16.4.2: the options of one subscription."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from armgs_server.xmpp.xeps import xep_0004_forms as forms
from armgs_server.xmpp.xeps import xep_0060_fields as fields
from armgs_server.xmpp.xeps.xep_0060_config import NodeConfig
from armgs_server.xmpp.xeps.xep_0060_fields import FieldError, field
from armgs_server.xmpp.xeps.xep_0060_nodes import NAMESPACE, error

FORM_TYPE = f"{NAMESPACE}#subscribe_options"
ATOM = "http://www.w3.org/2005/Atom"
_WITH_BODY = frozenset({"", ATOM, "urn:xmpp:microblog:0", "urn:xmpp:pubsub-social-feed:1"})
_SHOW = ("away", "chat", "dnd", "online", "xa")


@dataclass(frozen=True, slots=True)
class Options:
    """What a subscriber may choose; the defaults are those of a subscription made without a word."""

    deliver: bool = field(True, "deliver", "boolean", "Send notifications")
    expire: str = field("", "expire", "time", "When the subscription ends")
    include_body: bool = field(False, "include_body", "boolean", "Send a text with each item")
    show_values: tuple[str, ...] = field((), "show-values", "choices", "Only while present like this", _SHOW)
    digest: bool = field(False, "digest", "boolean", "", is_fixed=True)

    @property
    def expires(self) -> int:
        """§12.19: the end of a lease as a time, 0 for none."""
        return fields.parse_time(self.expire) if self.expire else 0


DEFAULTS = Options()


def from_data(data: Mapping[str, Any]) -> Options:
    """Options as they lie in the store."""
    return fields.from_data(DEFAULTS, data)


def serialise(options: Options, config: NodeConfig | None = None, type: str = "form") -> bytes:
    """§6.3.3: the form. §12.8: a text is offered only where one can be made of the payload."""

    def is_offered(name: str) -> bool:
        return name != "include_body" or config is None or config.type in _WITH_BODY

    shown = fields.serialise(options, result=type == "result", is_offered=is_offered)
    return forms.form(FORM_TYPE, shown, type=type)


def parse(options: Options, submitted: Mapping[str, tuple[str, ...]], now: int) -> Options:
    """§6.3.5: the options after a submitted form; a lease cannot end before it begins."""
    try:
        changed = fields.parse(options, submitted)
    except FieldError as failure:
        raise error("bad-request", "invalid-options") from failure  # §6.3.6.2
    if changed.expires and changed.expires <= now:
        raise error("bad-request", "invalid-options")
    return changed

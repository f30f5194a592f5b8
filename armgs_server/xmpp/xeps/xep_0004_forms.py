# SPDX-License-Identifier: Apache-2.0
"""XEP-0004: Data Forms, as far as a server fills them in and reads them back."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from lxml import etree

from armgs_server.xmpp.stanza import element, text_element
from armgs_server.xmpp.xeps.xep_0122_validation import Between, LongerThan

NAMESPACE = "jabber:x:data"
_X = f"{{{NAMESPACE}}}x"
_FIELD = f"{{{NAMESPACE}}}field"
_VALUE = f"{{{NAMESPACE}}}value"


@dataclass(frozen=True, slots=True)
class Field:
    """One field (§3.2); `options` are (label, value), for the list types; `rule` as in XEP-0122."""

    var: str
    type: str = ""
    label: str = ""
    values: tuple[str, ...] = ()
    options: tuple[tuple[str, str], ...] = ()
    required: bool = False
    rule: Between | LongerThan | None = None

    def serialise(self) -> bytes:
        inner = b"".join(text_element("value", value) for value in self.values)
        inner += b"".join(
            element("option", {"label": label}, text_element("value", value)) for label, value in self.options
        )
        inner += element("required") if self.required else b""
        inner += self.rule.serialise() if self.rule is not None else b""
        return element("field", {"var": self.var, "type": self.type, "label": self.label}, inner)


def form(
    form_type: str, fields: Iterable[Field], *, type: str = "form", title: str = "", instructions: str = ""
) -> bytes:
    """An `<x/>` of that type, with its FORM_TYPE (XEP-0068)."""
    inner = text_element("title", title) if title else b""
    inner += text_element("instructions", instructions) if instructions else b""
    inner += Field("FORM_TYPE", "hidden", values=(form_type,)).serialise()
    inner += b"".join(field.serialise() for field in fields)
    return element("x", {"xmlns": NAMESPACE, "type": type}, inner)


def table(form_type: str, columns: Sequence[Field], rows: Iterable[Mapping[str, str]]) -> bytes:
    """§3.4: a form of results of several items, whose columns are told first."""
    inner = Field("FORM_TYPE", "hidden", values=(form_type,)).serialise()
    inner += element("reported", {}, b"".join(column.serialise() for column in columns))
    for row in rows:
        cells = (Field(name, values=(value,)).serialise() for name, value in row.items())
        inner += element("item", {}, b"".join(cells))
    return element("x", {"xmlns": NAMESPACE, "type": "result"}, inner)


def boolean(value: bool) -> tuple[str, ...]:
    """§3.3: a boolean as it is written."""
    return ("1",) if value else ("0",)


def find(parent: etree._Element) -> etree._Element | None:
    """The form directly below an element."""
    return parent.find(_X)


def values(form_element: etree._Element) -> Mapping[str, tuple[str, ...]]:
    """What was filled in, by field; a field without a value has the empty tuple."""
    return {
        field.get("var", ""): tuple(value.text or "" for value in field.findall(_VALUE))
        for field in form_element.findall(_FIELD)
    }

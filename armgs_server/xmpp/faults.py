# SPDX-License-Identifier: Apache-2.0
"""What breaks a stream: RFC 6120 §4.9.3 and §11, in the words of the stream errors."""

from __future__ import annotations

from dataclasses import dataclass
from xml.parsers import expat

_UNBOUND_PREFIX = expat.errors.codes[expat.errors.XML_ERROR_UNBOUND_PREFIX]
_UNDEFINED_ENTITY = expat.errors.codes[expat.errors.XML_ERROR_UNDEFINED_ENTITY]


@dataclass(frozen=True, slots=True)
class Fault:
    """The stream is broken: a stream error condition of RFC 6120 §4.9.3."""

    condition: str
    text: str


class Broken(Exception):
    """Raised in a handler to leave expat; becomes a `Fault`."""

    def __init__(self, condition: str, text: str = "") -> None:
        super().__init__(condition)
        self.fault = Fault(condition, text)


def on_xml_declaration(version: str, encoding: str | None, standalone: int) -> None:
    if encoding is not None and encoding.upper() != "UTF-8":
        raise Broken("unsupported-encoding", encoding)  # RFC 6120 §11.6


def on_restricted(*arguments: object) -> None:
    raise Broken("restricted-xml")  # RFC 6120 §11.1


def fault_of(error: expat.ExpatError) -> Fault:
    if error.code == _UNBOUND_PREFIX:
        return Fault("bad-namespace-prefix", "")
    if error.code == _UNDEFINED_ENTITY:
        return Fault("restricted-xml", "")
    return Fault("not-well-formed", "")

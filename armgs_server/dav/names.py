# SPDX-License-Identifier: Apache-2.0
"""XML names of WebDAV and its extensions, and how they are spelled in answers.

A name is `{namespace}local` everywhere inside the server. Every answer declares the prefixes below on
its root element and no default namespace, so pieces of text made anywhere can be put together.
"""

from functools import lru_cache

from armgs_server.formats.xmltree import escape as escape
from armgs_server.formats.xmltree import quote

DAV = "DAV:"
CALDAV = "urn:ietf:params:xml:ns:caldav"
CARDDAV = "urn:ietf:params:xml:ns:carddav"
CALENDARSERVER = "http://calendarserver.org/ns/"
APPLE_ICAL = "http://apple.com/ns/ical/"

PREFIXES = {DAV: "D", CALDAV: "C", CARDDAV: "CR", CALENDARSERVER: "CS", APPLE_ICAL: "A"}
DECLARATIONS = " ".join(f'xmlns:{prefix}="{uri}"' for uri, prefix in PREFIXES.items())


def dav(local: str) -> str:
    """The name in the DAV: namespace."""
    return f"{{{DAV}}}{local}"


def split(name: str) -> tuple[str, str]:
    """Namespace and local part; no namespace is ''."""
    if name.startswith("{"):
        namespace, _, local = name[1:].partition("}")
        return namespace, local
    return "", name


@lru_cache(maxsize=4096)
def tags(name: str) -> tuple[str, str]:
    """What stands between the angle brackets of the start and of the end tag."""
    namespace, local = split(name)
    if not namespace:
        return local, local
    prefix = PREFIXES.get(namespace)
    if prefix is not None:
        return f"{prefix}:{local}", f"{prefix}:{local}"
    return f'x:{local} xmlns:x="{quote(namespace)}"', f"x:{local}"


@lru_cache(maxsize=4096)
def empty(name: str) -> str:
    """An empty element."""
    return f"<{tags(name)[0]}/>"


def element(name: str, content: str) -> str:
    """An element around ready content."""
    start, end = tags(name)
    return f"<{start}>{content}</{end}>"


def text_element(name: str, text: str) -> str:
    """An element around text, which is escaped."""
    return element(name, escape(text))


def href(path: str) -> str:
    """A DAV:href of a path that is already percent-encoded."""
    return f"<D:href>{path}</D:href>"

# SPDX-License-Identifier: Apache-2.0
"""Imports go down only, protocols never import one another, and the pure modules do no I/O."""

from __future__ import annotations

import re

from tests.meta.sources import imports, modules, name_of

PROTOCOLS = ("imap", "pop3", "smtp", "managesieve", "ldap", "xmpp", "dav", "portal", "api", "acme")
# Where everything is put together; only they and the command line know every service.
ROOTS = ("daemon", "ports", "reload", "supervisor", "worker", "worker_process")
_BASE = ("base64url", "errors", "log", "measures", "settings", "config", "trace_id", "unix_socket")
# Layer: what of our own it may import beside itself.
MAY_IMPORT: dict[str, tuple[str, ...]] = {
    "errors": (),
    "trace_id": (),
    "journald": (),
    "unix_socket": (),
    "log": ("journald", "trace_id"),
    "measures": (),
    "base64url": ("errors",),
    "formats": ("base64url", "errors"),
    "settings": ("errors",),
    "attachment_process": ("formats",),
    "config": ("errors", "settings"),
    "capacity": ("config",),
    "net": _BASE,
    "storage": (*_BASE, "formats"),
    "directory": (*_BASE, "formats", "storage"),
    "rules": (*_BASE, "formats", "storage", "directory", "__version__"),
    "administration": (*_BASE, "formats", "storage", "directory"),
    "maintenance": (*_BASE, "formats", "storage", "directory"),
    "preflight": (*_BASE, "formats", "storage", "directory"),
    "metrics": (*_BASE, "storage", "memory", "__version__"),
    "service": (*_BASE, "net", "storage", "directory"),
    "trust": (*_BASE, "formats", "net", "storage", "directory", "service"),
    **{
        protocol: (*_BASE, "formats", "net", "storage", "directory", "service", "__version__")
        for protocol in PROTOCOLS
    },
    "imap": (
        *_BASE,
        "attachment_process",
        "formats",
        "net",
        "storage",
        "directory",
        "service",
        "__version__",
    ),
    "smtp": (*_BASE, "formats", "net", "storage", "directory", "service", "trust", "rules", "__version__"),
    "managesieve": (*_BASE, "formats", "net", "storage", "directory", "service", "rules", "__version__"),
    "portal": (
        *_BASE,
        "formats",
        "net",
        "storage",
        "directory",
        "administration",
        "service",
        "rules",
        "__version__",
    ),
    "api": (*_BASE, "net", "storage", "directory", "administration", "service", "__version__"),
    **{
        root: (
            *_BASE,
            "capacity",
            "net",
            "storage",
            "directory",
            "service",
            "maintenance",
            "memory",
            "metrics",
            "preflight",
            "rules",
            "trust",
            *PROTOCOLS,
            *ROOTS,
        )
        for root in ROOTS
    },
    "cli": (
        *_BASE,
        "capacity",
        "formats",
        "measures",
        "metrics",
        "net",
        "storage",
        "administration",
        "directory",
        "service",
        "trust",
        "rules",
        "__version__",
        *ROOTS,
        *PROTOCOLS,
    ),
    "__main__": ("cli",),
    "": (),
}
# Bytes in, events out: neither clock nor socket nor chance; these are passed in.
PURE = re.compile(
    r"formats\..*|(imap|pop3|smtp|xmpp)\.(grammar|protocol|responses|replies|jid|stanza|view)|dav\.filters|directory\.(sasl|bearer|totp|scopes)"
)
IMPURE = ("asyncio", "socket", "ssl", "time", "random", "secrets", "os", "subprocess", "threading")
PURE_MAY_IMPORT = re.compile(
    r"(base64url|errors|formats|net\.protocol|storage\.changes|storage\.items)(\..*)?"
)


def test_imports_go_down_only() -> None:
    wrong = []
    for path in modules():
        module = name_of(path)
        layer = module.partition(".")[0]
        allowed = {layer, *MAY_IMPORT.get(layer, ())}
        for line, imported in imports(path):
            if not imported.startswith("armgs_server."):
                continue
            target = imported.split(".")[1]
            if target not in allowed:
                wrong.append(f"{path}:{line} {module} imports {imported}")
    assert wrong == []


def test_pure_modules_do_no_input_or_output() -> None:
    wrong = []
    for path in modules():
        module = name_of(path)
        if not PURE.fullmatch(module):
            continue
        package = module.partition(".")[0]
        for line, imported in imports(path):
            own = imported.removeprefix("armgs_server.")
            if imported.partition(".")[0] in IMPURE:
                wrong.append(f"{path}:{line} imports {imported}")
            elif own != imported and not (own.startswith(package) or PURE_MAY_IMPORT.fullmatch(own)):
                wrong.append(f"{path}:{line} imports {imported}")
    assert wrong == []

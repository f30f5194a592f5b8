# SPDX-License-Identifier: Apache-2.0
"""tls-exporter (RFC 9266): keying material of a TLS 1.3 connection, which Python's ssl does not hand out.

OpenSSL's own function is called, in the very library that `_ssl` is linked with, on the connection that
`_ssl` holds. Where that pointer lies is not promised by Python, so it is proven at the start, in a child
process: the two ends of a connection in memory must export the same. A wrong pointer ends the child, and
tls-exporter is not offered then. Decision 36 has the reasons.

What must always hold: without `prepare` having proven it, nothing here touches a pointer. The module needs
the standard library alone, because the child runs it as a file.
"""

from __future__ import annotations

import ctypes
import ssl
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

_ssl: ModuleType | None
try:
    import _ssl
except ImportError:
    _ssl = None

SIZE = 32  # RFC 9266 §2
LABEL = b"EXPORTER-Channel-Binding"
_PROOF_TIMEOUT = 20.0  # seconds; the child needs a tenth of one
_POINTER = object.__basicsize__ + ctypes.sizeof(ctypes.c_void_p)  # behind the object's head and one reference

_exports: list[Any] = []  # the function, once it is proven


def prepare(certificate: Path, key: Path) -> bool:
    """Proves once for this process that keying material can be had; with the server's own certificate."""
    if _exports:
        return True
    function = _function()
    if function is None:
        return False
    command = [sys.executable, "-I", __file__, str(certificate), str(key)]
    try:
        done = subprocess.run(command, timeout=_PROOF_TIMEOUT, capture_output=True, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return False
    if done.returncode == 0:
        _exports.append(function)
    return done.returncode == 0


def export(tls: ssl.SSLObject | None) -> bytes | None:
    """RFC 9266 §2; None where it cannot be had.

    Over TLS 1.2 it is only safe with an extended master secret (§4.2), of which Python does not tell.
    """
    if not _exports or tls is None or tls.version() != "TLSv1.3":
        return None
    return _export(_exports[0], tls)


def _function() -> Any:
    """SSL_export_keying_material; None where Python is linked in another way."""
    path = getattr(_ssl, "__file__", None)
    if path is None:
        return None
    try:
        # PyDLL: the interpreter's lock is held, so nobody else uses the connection meanwhile.
        function = ctypes.PyDLL(path).SSL_export_keying_material
    except (OSError, AttributeError):
        return None
    function.restype = ctypes.c_int
    function.argtypes = [
        ctypes.c_void_p,
        ctypes.c_char_p,
        ctypes.c_size_t,
        ctypes.c_char_p,
        ctypes.c_size_t,
        ctypes.c_char_p,
        ctypes.c_size_t,
        ctypes.c_int,
    ]
    return function


def _export(function: Any, tls: ssl.SSLObject) -> bytes | None:
    inner = getattr(tls, "_sslobj", None)
    if inner is None:
        return None
    pointer = ctypes.c_void_p.from_address(id(inner) + _POINTER).value
    if not pointer:
        return None
    material = ctypes.create_string_buffer(SIZE)
    is_done = function(pointer, material, SIZE, LABEL, len(LABEL), b"", 0, 1)
    return material.raw if is_done == 1 else None


def _prove(certificate: str, key: str) -> bool:
    """Whether both ends of a connection export the same; in the child only."""
    function = _function()
    if function is None:
        return False
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(certificate, key)
    client = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    client.check_hostname, client.verify_mode = False, ssl.CERT_NONE
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    ends = (
        client.wrap_bio(to_client, to_server),
        server.wrap_bio(to_server, to_client, server_side=True),
    )
    for end in (*ends, *ends):
        try:
            end.do_handshake()
        except ssl.SSLWantReadError:
            continue
    materials = {_export(function, end) for end in ends}
    return len(materials) == 1 and None not in materials


if __name__ == "__main__":
    raise SystemExit(0 if _prove(sys.argv[1], sys.argv[2]) else 1)

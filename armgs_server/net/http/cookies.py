# SPDX-License-Identifier: Apache-2.0
"""Cookies (RFC 6265): the one a request carries, and the field that sets or clears one.

Over TLS a name gets the prefix `__Host-`, with which browsers keep the cookie to this very host; it goes
into no script, and with no request that another site's page makes but the following of a link.
"""

from __future__ import annotations

from armgs_server.net.http.message import Request

_PREFIX = "__Host-"
_VALUE_LIMIT = 256  # characters; what we set is shorter


def cookie(request: Request, name: str) -> str:
    """The value of a cookie that set_cookie() has set on such a connection; "" where there is none."""
    wanted = _name(request, name)
    for pair in (request.header("cookie") or "").replace(",", ";").split(";"):
        found, equals, value = pair.strip().partition("=")
        if equals and found == wanted:
            return value if len(value) <= _VALUE_LIMIT else ""
    return ""


def set_cookie(request: Request, name: str, value: str) -> tuple[str, str]:
    """The field that sets it until the browser is closed."""
    return "Set-Cookie", f"{_name(request, name)}={value}; Path=/; HttpOnly; SameSite=Lax{_secure(request)}"


def clear_cookie(request: Request, name: str) -> tuple[str, str]:
    """The field that takes it back."""
    field, value = set_cookie(request, name, "")
    return field, f"{value}; Max-Age=0"


def _name(request: Request, name: str) -> str:
    return f"{_PREFIX}{name}" if request.is_tls else name


def _secure(request: Request) -> str:
    return "; Secure" if request.is_tls else ""

# SPDX-License-Identifier: Apache-2.0
"""Who asks: a person by an app password (RFC 7617), or a program by a token (RFC 6750); how it is refused.

Where nothing was shown, both ways are offered and no error is named (RFC 6750 §3.1). What is wrong with a
token is said to who shows it alone.
"""

from __future__ import annotations

import re
from typing import Final

from armgs_server.administration import Office
from armgs_server.administration.tokens import OutOfScope
from armgs_server.directory.api_tokens import ApiTokens, InvalidToken
from armgs_server.directory.directory import Directory
from armgs_server.errors import Denied, DomainError, Invalid, Throttled
from armgs_server.net.http import Request
from armgs_server.net.http.basic import CHALLENGE, parse_basic

BEARER: Final = "bearer"
REALM: Final = 'Bearer realm="armgs_server"'
# RFC 6750 §2.1: b64token = 1*( ALPHA / DIGIT / "-" / "." / "_" / "~" / "+" / "/" ) *"="
_TOKEN: Final = re.compile(r"[A-Za-z0-9._~+/-]+=*")
_TOKEN_LIMIT: Final = 1000  # characters


class NotAuthenticated(Denied):
    """Log in first."""


class InvalidRequest(Invalid):
    """What the header field Authorization says is no token."""


async def office_of(directory: Directory, request: Request) -> Office:
    """Where who asks may work. NotAuthenticated, InvalidToken, InvalidRequest, Throttled, Denied."""
    shown = [value for name, value in request.headers if name == b"authorization"]
    header = shown[0].decode("latin-1").strip() if shown else ""
    scheme, _, rest = header.partition(" ")
    if scheme.lower() == BEARER:
        if len(shown) > 1 or len(rest) > _TOKEN_LIMIT or not _TOKEN.fullmatch(rest.strip()):
            raise InvalidRequest()
        tokens = ApiTokens(directory)
        token, maker = await tokens.check(rest.strip(), request.peer, request.is_tls)
        return await Office.by_token(directory, token, maker)
    credentials = parse_basic(header)
    if credentials is None:
        raise NotAuthenticated()
    try:
        person = await directory.auth.login("api", request.peer, request.is_tls, *credentials)
    except Throttled:
        raise
    except Denied as error:
        raise NotAuthenticated(error.text) from error
    return await Office.of(directory, person)


def challenges(error: DomainError) -> tuple[int, list[tuple[str, str]]]:
    """The status of such an error, and what it asks for; 0 for any other. RFC 6750 §3."""
    if isinstance(error, NotAuthenticated):
        return 401, [CHALLENGE, ("WWW-Authenticate", REALM)]
    if isinstance(error, InvalidToken):
        return 401, [_refusal("invalid_token", error.text)]
    if isinstance(error, InvalidRequest):
        return 400, [_refusal("invalid_request", error.text)]
    if isinstance(error, OutOfScope):
        return 403, [_refusal("insufficient_scope", error.text, error.needed)]
    return 0, []


def _refusal(code: str, text: str, scope: str = "") -> tuple[str, str]:
    needed = f', scope="{scope}"' if scope else ""
    return "WWW-Authenticate", f'{REALM}, error="{code}", error_description="{text}"{needed}'

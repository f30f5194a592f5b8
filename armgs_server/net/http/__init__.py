# SPDX-License-Identifier: Apache-2.0
"""HTTP/1.1 (RFC 9110, RFC 9112) as the daemon speaks it: one asyncio.Protocol over httptools.

Handlers see `Request` and give back `Response`; framing, order, limits and time-outs are the shell's.
What must hold:
- answers go out in the order of the requests; one handler at a time runs for a connection.
- a message whose end two readers could see in two places is refused and the connection closed.
- `Expect: 100-continue` is answered when the handler first asks for the body, and not otherwise.
- an answer given before the body was read leaves the connection usable, or closes it so that the
  client still gets the answer.
"""

from armgs_server.net.http.message import Handler, Request, Response
from armgs_server.net.http.router import Router

__all__ = ["Handler", "Request", "Response", "Router"]

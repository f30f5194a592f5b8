# SPDX-License-Identifier: Apache-2.0
"""Which handler answers which paths."""

from armgs_server.net.http.message import Handler, Request, Response


class Router:
    """Longest prefix wins; a prefix matches whole segments: "/dav" and "/dav/" match /dav and /dav/x.

    A route "METHOD /path" is for that method and exactly that path, before all prefixes.
    """

    def __init__(self) -> None:
        self._routes: dict[str, Handler] = {}
        self._exact: dict[str, Handler] = {}

    def add(self, prefix: str, handler: Handler) -> None:
        """Routes the path `prefix` and everything below it, or one method on one path."""
        table, key = (self._exact, prefix) if " " in prefix else (self._routes, prefix.rstrip("/"))
        if key in table:
            raise ValueError(f"two handlers for {prefix}")
        table[key] = handler

    def find(self, path: str) -> Handler | None:
        """The handler of the longest prefix of the path."""
        routes = self._routes
        while path:
            handler = routes.get(path)
            if handler is not None:
                return handler
            path = path[: path.rfind("/")]
        return routes.get("")

    async def __call__(self, request: Request) -> Response:
        handler = self._exact.get(f"{request.method} {request.path}") or self.find(request.path)
        if handler is None:
            return Response(404, [("Content-Type", "text/plain")], b"Not found\n")
        return await handler(request)

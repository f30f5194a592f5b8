# SPDX-License-Identifier: Apache-2.0
"""How DAV says no: a status, and a precondition element where a specification names one (RFC 4918 §16).

`STATUS_OF` is the one table from the domain's errors to HTTP.
"""

from armgs_server import errors
from armgs_server.dav.names import DECLARATIONS, split, text_element
from armgs_server.dav.names import element as xml_element
from armgs_server.dav.names import empty as xml_empty

REASONS = {
    200: "OK",
    201: "Created",
    204: "No Content",
    207: "Multi-Status",
    304: "Not Modified",
    400: "Bad Request",
    401: "Unauthorized",
    403: "Forbidden",
    404: "Not Found",
    405: "Method Not Allowed",
    406: "Not Acceptable",
    409: "Conflict",
    411: "Length Required",
    412: "Precondition Failed",
    413: "Content Too Large",
    415: "Unsupported Media Type",
    416: "Range Not Satisfiable",
    422: "Unprocessable Content",
    423: "Locked",
    424: "Failed Dependency",
    429: "Too Many Requests",
    500: "Internal Server Error",
    501: "Not Implemented",
    502: "Bad Gateway",
    503: "Service Unavailable",
    507: "Insufficient Storage",
}

# What the domain's errors are over HTTP; the first class that fits counts.
STATUS_OF: tuple[tuple[type[errors.DomainError], int], ...] = (
    (errors.NotFound, 404),
    (errors.AlreadyExists, 409),
    (errors.Denied, 403),
    (errors.Conflict, 409),
    (errors.OverQuota, 507),
    (errors.TooLarge, 413),
    (errors.Invalid, 400),
    (errors.Throttled, 429),
    (errors.Temporary, 503),
)


class DavError(Exception):
    """A refusal: the status, the violated condition `{namespace}local` and what stands inside it."""

    def __init__(
        self,
        status: int,
        text: str = "",
        *,
        condition: str = "",
        content: str = "",
        headers: tuple[tuple[str, str], ...] = (),
    ) -> None:
        super().__init__(f"{status} {text or condition}")
        self.status = status
        self.text = text
        self.condition = condition
        self.content = content
        self.headers = headers

    def error_element(self) -> str:
        """The condition as it stands inside DAV:error, or ''."""
        if not self.condition:
            return ""
        # RFC 4918 §16: every child of DAV:error is a condition, so the sentence for people stands inside it.
        said = text_element("{DAV:}responsedescription", self.text) if self.text else ""
        content = self.content + said
        return xml_element(self.condition, content) if content else xml_empty(self.condition)

    def body(self) -> tuple[str, bytes]:
        """Content type and body of the answer."""
        if not self.condition:
            reason = REASONS.get(self.status, "")
            return "text/plain; charset=utf-8", f"{self.text or reason}\n".encode()
        document = (
            f'<?xml version="1.0" encoding="utf-8"?>\n'
            f"<D:error {DECLARATIONS}>{self.error_element()}</D:error>\n"
        )
        return "application/xml; charset=utf-8", document.encode()


def from_domain(error: errors.DomainError) -> DavError:
    """The refusal for an error of storage or directory."""
    status = next((status for kind, status in STATUS_OF if isinstance(error, kind)), 500)
    if isinstance(error, errors.OverQuota):  # RFC 4331 §6
        return DavError(status, error.text, condition="{DAV:}quota-not-exceeded")
    if isinstance(error, errors.Temporary):
        return DavError(status, error.text, headers=(("Retry-After", "30"),))
    return DavError(status, error.text)


def status_line(status: int) -> str:
    """The content of DAV:status (RFC 4918 §14.28)."""
    return f"HTTP/1.1 {status} {REASONS[status]}"


def describe(error: DavError) -> str:
    """For the log: the status and the condition's local name or the text."""
    return f"{error.status} {split(error.condition)[1] or error.text}"

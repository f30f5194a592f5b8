# SPDX-License-Identifier: Apache-2.0
"""The pages for people, in Russian and English, rendered on the server."""

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import parse_qs, quote

import segno
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from armgs_server.directory import Principal
from armgs_server.directory.invitations import Invitation
from armgs_server.net.http import Request, Response
from armgs_server.portal.endpoints import Endpoints
from armgs_server.portal.texts import TEXTS

_FOLDER = Path(__file__).parent / "templates"
_DEFAULT_LANGUAGE = "en"
# One for the process: to compile a template takes tens of milliseconds, and it keeps what it compiled.
ENVIRONMENT = Environment(
    loader=FileSystemLoader(_FOLDER),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)


class Pages:
    """Renders what the portal shows; the templates are read once."""

    def __init__(self, endpoints: Endpoints, domains: Sequence[str], *, has_ca: bool) -> None:
        self._environment = environment = ENVIRONMENT
        self.style = (_FOLDER / "style.css").read_bytes()
        self._start = environment.get_template("start.html")
        self._chat = environment.get_template("chat.html")
        self._invitation = environment.get_template("invite.html")
        self._error = environment.get_template("error.html")
        self._endpoints = endpoints
        self._domains = domains
        self._has_ca = has_ca

    def start(self, request: Request, address: str, *, has_chat: bool = False) -> bytes:
        """How to connect each client; with an address, ready links and codes for it."""
        language = language_of(request)
        davx5 = _davx5_link(self._endpoints, address)
        xmpp = f"xmpp:{quote(address, safe='@')}" if address else ""
        page = self._start.render(
            texts=TEXTS[language],
            language=language,
            languages=sorted(TEXTS),
            endpoints=self._endpoints,
            domains=self._domains,
            has_ca=self._has_ca,
            has_chat=has_chat,
            address=address,
            example=address or f"ivanov@{self._domains[0] if self._domains else self._endpoints.hostname}",
            davx5=davx5,
            davx5_code=_code(davx5, TEXTS[language]["davx5_code"]),
            xmpp=xmpp,
            xmpp_code=_code(xmpp, TEXTS[language]["xmpp_code"]) if xmpp else "",
        )
        return page.encode()

    def chat(self, request: Request) -> bytes:
        """The page in which chat runs."""
        language = language_of(request)
        return self._chat.render(texts=TEXTS[language], language=language).encode()

    def invitation(self, request: Request, token: str, invitation: Invitation, inviter: Principal) -> bytes:
        """Who invites, and the link that a chat program opens (XEP-0379 §3.3)."""
        language = language_of(request)
        texts = TEXTS[language]
        links = invitation_links(token, invitation, inviter)
        expires = datetime.fromtimestamp(invitation.expires // 1_000_000, UTC)
        page = self._invitation.render(
            texts=texts,
            language=language,
            languages=sorted(TEXTS),
            inviter=inviter,
            domain=invitation.domain,
            links=links,
            expires=f"{expires:%d.%m.%Y %H:%M} UTC" if language == "ru" else f"{expires:%Y-%m-%d %H:%M} UTC",
            code=_code(links[0], texts["invite_code"]),
        )
        return page.encode()

    def render(self, template: str, request: Request, **values: object) -> bytes:
        """A page of its own kind, in the language of the request."""
        language = language_of(request)
        page = self._environment.get_template(template)
        return page.render(texts=TEXTS[language], language=language, **values).encode()

    def html(self, request: Request, status: int, page: bytes) -> Response:
        """A page as an answer; nobody keeps it."""
        headers = [
            ("Content-Type", "text/html; charset=utf-8"),
            ("Content-Language", language_of(request)),
            ("Vary", "Accept-Language"),
            ("Cache-Control", "no-store"),
        ]
        return Response(status, headers, page)

    def error(self, request: Request, text: str) -> bytes:
        """Says what is wrong."""
        language = language_of(request)
        texts = TEXTS[language]
        page = self._error.render(texts=texts, language=language, text=text or texts["not_found"])
        return page.encode()


def language_of(request: Request) -> str:
    """`?lang=` or the language the browser prefers among those there are (RFC 9110 §12.5.4)."""
    chosen = parse_qs(request.query).get("lang", [""])[0]
    if chosen in TEXTS:
        return chosen
    best, best_quality = _DEFAULT_LANGUAGE, 0.0
    for part in (request.header("accept-language") or "").split(",")[:20]:
        tag, _, parameter = part.strip().partition(";")
        language = tag.strip().lower().partition("-")[0]
        quality = _quality(parameter)
        if language in TEXTS and quality > best_quality:
            best, best_quality = language, quality
    return best


def text_of(request: Request, name: str) -> str:
    """One text in the language of the request."""
    return TEXTS[language_of(request)][name]


def invitation_links(token: str, invitation: Invitation, inviter: Principal) -> list[str]:
    """Links of XEP-0445 §2 and XEP-0379 §3.2; the first is the one to show as a code."""
    account = (
        f"{quote(invitation.local, safe='')}@{invitation.domain}" if invitation.local else invitation.domain
    )
    contact = f"xmpp:{quote(inviter.address, safe='@')}?roster;preauth={token}"
    if not invitation.domain:
        return [contact]
    register = f"xmpp:{account}?register;preauth={token}"
    if invitation.local or not invitation.is_contact:
        return [register]
    return [f"{contact};ibr=y", register]


def _quality(parameter: str) -> float:
    name, _, value = parameter.strip().partition("=")
    if name.strip() != "q":
        return 1.0
    try:
        return float(value)
    except ValueError:
        return 0.0


def _davx5_link(endpoints: Endpoints, address: str) -> str:
    """DAVx5's own link: davx5:// is https, and the user part is the log-in name."""
    authority = endpoints.base_url.partition("://")[2]
    user = quote(address, safe="") + "@" if address else ""
    return f"davx5://{user}{authority}/dav/"


def _code(link: str, title: str) -> Markup:
    """A QR code as an SVG element of the page; `title` is what a screen reader says."""
    code = segno.make(link, error="m", micro=False)
    return Markup(code.svg_inline(scale=4, border=4, title=title, light="#fff", dark="#000", svgclass="code"))

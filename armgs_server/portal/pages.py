# SPDX-License-Identifier: Apache-2.0
"""The pages for people, in Russian and English, rendered on the server."""

from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import parse_qs, quote

import segno
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from armgs_server import trace_id
from armgs_server.directory import Principal
from armgs_server.directory.invitations import Invitation
from armgs_server.net.http import Request, Response
from armgs_server.net.http.cookies import cookie, set_cookie
from armgs_server.portal.texts import TEXTS

_FOLDER = Path(__file__).parent / "templates"
_DEFAULT_LANGUAGE = "en"
_LANGUAGE_COOKIE = "armgs-lang"
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

    def __init__(self) -> None:
        self._environment = environment = ENVIRONMENT
        self.style = (_FOLDER / "style.css").read_bytes()
        self.script = (_FOLDER / "webauthn.js").read_bytes()
        self._chat = environment.get_template("chat.html")
        self._invitation = environment.get_template("invite.html")
        self._error = environment.get_template("error.html")

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
            code=code_image(links[0], texts["invite_code"]),
        )
        return page.encode()

    def render(self, template: str, request: Request, **values: object) -> bytes:
        """A page of its own kind, in the language of the request."""
        language = language_of(request)
        page = self._environment.get_template(template)
        return page.render(texts=TEXTS[language], language=language, **values).encode()

    def html(self, request: Request, status: int, page: bytes) -> Response:
        """A page as an answer; nobody keeps it, but for the language where one was chosen."""
        language = language_of(request)
        headers = [
            ("Content-Type", "text/html; charset=utf-8"),
            ("Content-Language", language),
            ("Vary", "Accept-Language, Cookie"),
            ("Cache-Control", "no-store"),
        ]
        if "lang=" in request.query and cookie(request, _LANGUAGE_COOKIE) != language:
            headers.append(set_cookie(request, _LANGUAGE_COOKIE, language))
        return Response(status, headers, page)

    def error(self, request: Request, text: str) -> bytes:
        """Says what is wrong."""
        language = language_of(request)
        texts = TEXTS[language]
        number = trace_id.current()  # by which `armgs trace` and the log know it
        said = text or texts["not_found"]
        page = self._error.render(texts=texts, language=language, text=said, number=number)
        return page.encode()


def language_of(request: Request) -> str:
    """`?lang=`, what was chosen before, or what the browser prefers of those there are (RFC 9110 §12.5.4)."""
    for chosen in (parse_qs(request.query).get("lang", [""])[0], cookie(request, _LANGUAGE_COOKIE)):
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


def code_image(link: str, title: str) -> Markup:
    """A QR code as an SVG element of the page; `title` is what a screen reader says."""
    code = segno.make(link, error="m", micro=False)
    return Markup(code.svg_inline(scale=4, border=4, title=title, light="#fff", dark="#000", svgclass="code"))

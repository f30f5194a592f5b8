# SPDX-License-Identifier: Apache-2.0
"""What the portal answers to each path."""

from collections.abc import Sequence
from urllib.parse import parse_qs

from armgs_server.directory import sharelinks
from armgs_server.errors import NotFound
from armgs_server.net.http import Handler, Request, Response
from armgs_server.net.stream import Listener
from armgs_server.portal import apple, autoconfig, autodiscover, hostmeta, pages, webchat
from armgs_server.portal.addresses import address_of
from armgs_server.portal.administration import AdministrationPages
from armgs_server.portal.connecting import Connecting
from armgs_server.portal.endpoints import find_endpoints
from armgs_server.portal.forms import FormPages
from armgs_server.portal.mounting import Mounting
from armgs_server.portal.news import News
from armgs_server.portal.oauth import OAuthEndpoints
from armgs_server.portal.oauth_consent import Consents
from armgs_server.portal.own import Own
from armgs_server.portal.pacc import Pacc
from armgs_server.portal.passkey import PasskeySignIn
from armgs_server.portal.people import People
from armgs_server.portal.provider_signin import ProviderSignIn
from armgs_server.portal.rooms import Rooms
from armgs_server.portal.safety import Safety
from armgs_server.portal.second_factor import SecondFactorPages
from armgs_server.portal.sharelinks import DESK, ShareLinks
from armgs_server.portal.signin import SignIn
from armgs_server.portal.signing import Signer
from armgs_server.portal.start import StartPage
from armgs_server.service import Core

_ANYONE = ("Access-Control-Allow-Origin", "*")  # XEP-0156 §3.3: web clients read it from elsewhere

_INVITE = "/invite/"


class Portal:
    """The portal's routes; it has no listeners and nothing running."""

    listeners: Sequence[Listener] = ()

    def __init__(self, core: Core) -> None:
        config, has_tls = core.config, core.tls is not None
        self._config = config
        self._has_tls = has_tls
        self._endpoints = find_endpoints(config, has_tls=has_tls)
        self._pages = pages.Pages()
        self._safety = Safety(config, self._pages)
        self.sign_in = SignIn(core, self._pages)
        self._provider = ProviderSignIn(core, self._pages, self.sign_in)
        self._own = Own(core, self.sign_in)
        self._people = People(core, self.sign_in)
        self._administration = AdministrationPages(core, self.sign_in)
        self._rooms = Rooms(core, self.sign_in)
        self._news = News(core, self.sign_in)
        self._forms = FormPages(core, self.sign_in)
        self._passkey = PasskeySignIn(core, self._pages, self.sign_in)
        self._second_factor = SecondFactorPages(core, self._pages, self.sign_in)
        self._oauth = OAuthEndpoints(core)
        self._consents = Consents(core, self._pages, self.sign_in)
        has_ca = self._ca() is not None
        self._connecting = Connecting(core, self._endpoints, self._pages, has_ca=has_ca)
        self._mounting = Mounting(core, self._endpoints, self._pages)
        self._signer = Signer(config)
        self._pacc = Pacc(config, self._endpoints, self._safety)
        self._invitations = core.directory.invitations
        self._links = ShareLinks(core, self._pages, self.sign_in)
        self._chat = webchat.WebChat(config, self._endpoints, self._pages)
        self._start = StartPage(
            core, self._endpoints, self._pages, self.sign_in, has_ca=has_ca, chat=self._chat
        )

    @property
    def routes(self) -> Sequence[tuple[str, Handler]]:
        return (
            self._safety.page("/", self._start.answer),
            (webchat.PREFIX, self._safety.read_only(self._chat.answer, self._chat.headers())),
            (_INVITE, self._safety.read_only(self._invitation)),
            (sharelinks.PREFIX, self._safety.guarded(self._links.answer)),
            (DESK, self._safety.guarded(self._links.desk)),
            self._safety.page("/style.css", self._style),
            self._safety.page("/ca.crt", self._certificate),
            self._safety.page("/apple.mobileconfig", self._apple),
            ("/mail/", self._safety.read_only(self._autoconfig)),
            ("/autodiscover/", self._safety.guarded(self._autodiscover)),
            ("/Autodiscover/", self._safety.guarded(self._autodiscover)),
            ("/.well-known/autoconfig/", self._safety.read_only(self._autoconfig)),
            self._safety.page("/.well-known/host-meta", self._host_meta),
            self._safety.page("/.well-known/host-meta.json", self._host_meta_json),
            *self.sign_in.routes,
            *self._provider.routes,
            *self._own.routes,
            *self._people.routes,
            *self._administration.routes,
            *self._rooms.routes,
            *self._news.routes,
            *self._forms.routes,
            *self._passkey.routes,
            *self._second_factor.routes,
            *self._oauth.routes,
            *self._consents.routes,
            *self._mounting.routes,
            *self._pacc.routes,
            *self._connecting.routes,
        )

    async def start(self) -> None:
        """Nothing runs in the background."""

    async def stop(self) -> None:
        """Nothing runs in the background."""

    async def _invitation(self, request: Request) -> Response:
        """XEP-0401 §4.2: who invites to what; the same answer to every token that is not good."""
        token = request.path.removeprefix(_INVITE)
        found = await self._invitations.find(token)
        if found is None:
            raise NotFound(pages.text_of(request, "invite_gone"))
        invitation, inviter = found
        return self._html(request, 200, self._pages.invitation(request, token, invitation, inviter))

    async def _style(self, request: Request) -> Response:
        return Response(
            200,
            [("Content-Type", "text/css; charset=utf-8"), ("Cache-Control", "max-age=3600")],
            self._pages.style,
        )

    async def _certificate(self, request: Request) -> Response:
        certificate = self._ca()
        if certificate is None:
            raise NotFound()
        # Not as an attachment: Firefox and iOS offer to install what they are shown by this type.
        return Response(200, [("Content-Type", "application/x-x509-ca-cert")], certificate)

    async def _autoconfig(self, request: Request) -> Response:
        if request.path not in (
            "/mail/config-v1.1.xml",
            "/.well-known/autoconfig/mail/config-v1.1.xml",
        ):
            raise NotFound()
        domain = self._domain(request)
        document = autoconfig.client_config(domain, self._config.server.domains, self._endpoints)
        return Response(200, [("Content-Type", "text/xml; charset=utf-8")], document)

    async def _apple(self, request: Request) -> Response:
        address = address_of(request, self._config.server.domains, required=True)
        profile = self._signer.sign(apple.profile(address, self._endpoints, self._ca()))
        return Response(200, [("Content-Type", "application/x-apple-aspen-config")], profile)

    async def _autodiscover(self, request: Request) -> Response:
        if request.path.lower() != autodiscover.PATH:
            raise NotFound()
        if request.method != "POST":
            return Response(405, [("Allow", "POST")])
        address = autodiscover.address_in(await request.read(autodiscover.REQUEST_LIMIT))
        document = autodiscover.answer(address, self._config.server.domains, self._endpoints)
        return Response(200, [("Content-Type", "text/xml; charset=utf-8")], document)

    async def _host_meta(self, request: Request) -> Response:
        document = hostmeta.xrd(self._endpoints.base_url)
        return Response(200, [("Content-Type", "application/xrd+xml"), _ANYONE], document)

    async def _host_meta_json(self, request: Request) -> Response:
        document = hostmeta.jrd(self._endpoints.base_url)
        return Response(200, [("Content-Type", "application/json"), _ANYONE], document)

    def _html(self, request: Request, status: int, page: bytes) -> Response:
        return self._pages.html(request, status, page)

    def _ca(self) -> bytes | None:
        path = self._config.path(self._config.tls.ca)
        if not self._has_tls or not self._config.tls.ca or not path.is_file():
            return None
        return path.read_bytes()

    def _domain(self, request: Request) -> str:
        """The domain a client asks about: that of `emailaddress`, whatever its local part, or of the host."""
        domains = self._config.server.domains
        given = parse_qs(request.query).get("emailaddress", [""])[0]
        if given:
            # COMPAT Evolution: asks for EVOLUTIONUSER@domain, so unknown local parts are never refused.
            domain = given.rpartition("@")[2].strip().lower()
            if domain not in domains:
                raise NotFound()
            return domain
        host = (request.header("host") or "").partition(":")[0].lower().removeprefix("autoconfig.")
        if host in domains:
            return host
        if not domains:
            raise NotFound()
        return domains[0]

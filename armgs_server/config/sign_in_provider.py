# SPDX-License-Identifier: Apache-2.0
"""Settings of signing in to the pages by an identity provider outside of this server."""

from dataclasses import dataclass
from urllib.parse import urlsplit

from armgs_server.config.units import KIB
from armgs_server.errors import Invalid
from armgs_server.settings import setting


@dataclass(frozen=True, slots=True)
class SignInProviderSettings:
    """Signing in to the pages by an outside identity provider (OpenID Connect)."""

    issuer: str = setting(
        "",
        doc="The provider, by its issuer identifier, such as\n"
        "https://login.example.org/realms/office; empty: there is none. Enter https://HOSTNAME/signin/provider/back\n"
        "there as the redirection URI.",
    )
    name: str = setting("", doc="What people know it by, for the button; empty: its host name.")
    client_id: str = setting("", doc="Our name at the provider.")
    client_secret: str = setting(
        "", doc="File with the secret that the provider has given; empty: it asks for none."
    )
    ca: str = setting(
        "", doc="File with certificates (PEM) that prove the provider; empty: those that the system trusts."
    )
    scope: str = setting("openid email", doc="Scopes that are asked for, with openid among them.")
    claim: str = setting(
        "email", doc="The claim of the ID token that gives the person's address here, or an alias of it."
    )
    verified_email: bool = setting(
        True,
        doc="The claim email counts only if the provider says that it has verified it. Without this whoever\n"
        "may write any address into the account there is let in here by it.",
    )
    domains: tuple[str, ...] = setting(
        (), doc="Domains whose people may sign in by the provider; empty: all that are served here."
    )
    password: bool = setting(True, doc="People may still sign in to the pages by their password.")
    second_factor: bool = setting(
        True, doc="Who has a second factor here shows its code after the provider, too."
    )
    clock_skew: float = setting(
        60.0, doc="Seconds by which the provider's clock may differ.", minimum=0, maximum=600
    )
    answer_lifetime: float = setting(
        600.0, doc="The person must be back from the provider within this time.", minimum=30, maximum=3600
    )
    cache_lifetime: float = setting(
        3600.0, doc="The provider's metadata and keys are read again after this.", minimum=10
    )
    timeout: float = setting(10.0, doc="The provider must answer within this time.", minimum=0.1, maximum=60)
    response_size: int = setting(
        64 * KIB, doc="Largest answer of the provider.", minimum=4 * KIB, maximum=1024 * KIB
    )
    keys: int = setting(20, doc="Most keys of the provider.", minimum=1, maximum=1000)
    requests: int = setting(20, doc="Requests to the provider at the same time, of one process.", minimum=1)

    @property
    def takes_password(self) -> bool:
        """Whether the pages ask for a password: without a provider there is no other way."""
        return self.password or not self.issuer

    @property
    def shown(self) -> str:
        """The provider's name for people; "" where there is none."""
        return self.name or urlsplit(self.issuer).hostname or ""

    def check(self) -> None:
        """Raises Invalid where the settings do not make a provider."""
        if not self.issuer:
            return
        try:
            parts = urlsplit(self.issuer)
            is_whole = parts.scheme == "https" and bool(parts.hostname) and parts.port != 0
        except ValueError as error:
            raise Invalid(f"sign_in_provider.issuer: {error}") from error
        # OpenID Connect Discovery §3: https, neither query nor fragment
        if not is_whole or parts.query or parts.fragment or not self.issuer.isascii():
            raise Invalid("sign_in_provider.issuer must be an https URL without query and fragment")
        if not self.client_id:
            raise Invalid("sign_in_provider.client_id is missing")
        if "openid" not in self.scope.split():
            raise Invalid("sign_in_provider.scope must have openid in it")

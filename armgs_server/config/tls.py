# SPDX-License-Identifier: Apache-2.0
"""Settings of the certificates that clients are shown, and of the CA that makes them (ACME)."""

from dataclasses import dataclass
from urllib.parse import urlsplit

from armgs_server.errors import Invalid
from armgs_server.settings import setting


@dataclass(frozen=True, slots=True)
class TlsSettings:
    """Certificates, PEM. Empty: `armgs init` has made them in the folder tls."""

    certificate: str = setting("tls/server.crt", doc="The server's certificate and its chain.")
    key: str = setting("tls/server.key", doc="The certificate's private key.")
    ca: str = setting("tls/ca.crt", doc="A CA that clients must trust first; offered on the start page.")
    client_ca: str = setting(
        "",
        doc="A CA of people's own certificates: who shows one may log in to IMAP and POP3 by it (SASL\n"
        "EXTERNAL), as the e-mail address in it. Empty: clients are not asked for certificates.",
        restart=True,
    )
    acme_directory: str = setting(
        "",
        doc="Directory URL of a CA that speaks ACME (RFC 8555), such as\n"
        "https://ca.ministry.example/acme/acme/directory: certificates come from there and are renewed by\n"
        "themselves. The certificate named above is shown until the first one is there. The CA must reach\n"
        "port 80 of this server under each name (http-01).",
    )
    acme_ca: str = setting(
        "", doc="File with certificates (PEM) that prove that CA; empty: those that the system trusts."
    )
    acme_names: tuple[str, ...] = setting(
        (),
        doc="Names in the certificate, the host's own first; empty: the host and all names of its domains.",
    )
    acme_contact: str = setting("", doc="Mail address that the CA may write to; empty: none.")
    acme_key_id: str = setting(
        "", doc="Where the CA demands an account of its own (external account binding): its identifier there."
    )
    acme_key: str = setting(
        "", doc="File with the key that belongs to it, as the CA has given it (base64url)."
    )
    acme_timeout: float = setting(
        15.0, doc="The CA must answer a request within this time.", minimum=0.5, maximum=300
    )
    acme_order_timeout: float = setting(
        600.0,
        doc="A certificate must be there this time after it was ordered; the CA looks at each name.",
        minimum=5,
        maximum=86400,
    )
    acme_retry: float = setting(
        300.0, doc="The first wait after a failure; each further one doubles it.", minimum=0.1
    )
    acme_longest_retry: float = setting(21600.0, doc="The longest such wait.", minimum=0.1)

    def check(self) -> None:
        """What does not fit together: Invalid."""
        if not self.acme_directory:
            return
        parts = urlsplit(self.acme_directory)
        if parts.scheme != "https" or not parts.hostname:
            raise Invalid("tls.acme_directory is no https URL")
        if not self.certificate:
            raise Invalid("tls.acme_directory needs tls.certificate: it is shown until the CA has made one")
        if bool(self.acme_key_id) != bool(self.acme_key):
            raise Invalid("tls.acme_key_id and tls.acme_key belong together")

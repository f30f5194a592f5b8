# SPDX-License-Identifier: Apache-2.0
"""TLS contexts of the listeners: TLS 1.2 or later, ALPN by service, reload without a restart.

A reload tries the new files in a context of its own first, so a bad certificate leaves the old one in
place. Connections that are there keep what they began with.
"""

import ssl
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID

from armgs_server.config import Config
from armgs_server.errors import Invalid
from armgs_server.net import exporter

ALPN = {
    "http": ("http/1.1",),
    "imap": ("imap",),
    "ldap": (),  # none is registered
    "pop3": ("pop3",),
    "sieve": ("managesieve",),
    "smtp": ("smtp",),
    "xmpp": ("xmpp-client",),
    "xmpp-server": ("xmpp-server",),
}
# Services whose connections last. A session ticket (RFC 8446 §4.6.1) spares the next connection half of its
# handshake, but OpenSSL keeps two sessions for it, 17 KB, as long as this one lasts.
LASTING = frozenset({"imap", "xmpp"})
# Services to which people may log in by a certificate of their own.
CERTIFIED = ("imap", "pop3")


class TlsContext:
    """The context of one service, and the channel binding of the certificate it shows."""

    __slots__ = ("context", "server_end_point")

    def __init__(self, service: str) -> None:
        self.context = new_context()
        if ALPN[service]:
            self.context.set_alpn_protocols(list(ALPN[service]))
        if service in LASTING:
            self.context.num_tickets = 0
        self.server_end_point = b""

    def load(self, certificate: Path, key: Path) -> None:
        self.context.load_cert_chain(certificate, key)
        self.server_end_point = server_end_point(certificate.read_bytes())


class TlsContexts:
    """The contexts of all services, on one certificate."""

    def __init__(self, certificate: Path, key: Path) -> None:
        _check(certificate, key)
        self._by_service = {service: TlsContext(service) for service in ALPN}
        self.to_servers = _server_to_server_context()
        self._load(certificate, key)

    def for_service(self, service: str) -> TlsContext:
        """One of those in ALPN."""
        return self._by_service[service]

    def verify_servers(self, ca: Path | None) -> None:
        """Other XMPP servers are asked for their certificates; these CAs, or the system's, vouch for them.

        A server that connects may have none to show; one of another CA ends the handshake (Python's ssl
        has nothing between these two). Whose the certificate is has to be looked at afterwards.
        """
        accepted = self._by_service["xmpp-server"].context
        for context, mode in ((self.to_servers, ssl.CERT_REQUIRED), (accepted, ssl.CERT_OPTIONAL)):
            context.verify_mode = mode
            try:
                if ca is None:
                    purpose = ssl.Purpose.CLIENT_AUTH if context is accepted else ssl.Purpose.SERVER_AUTH
                    context.load_default_certs(purpose)
                else:
                    context.load_verify_locations(ca)
            except OSError as error:
                raise Invalid(f"CA {ca}: {error}") from error

    def verify_people(self, ca: Path) -> None:
        """Clients are asked for certificates of that CA; who has none to show goes on without. Invalid."""
        for service in CERTIFIED:
            context = self._by_service[service].context
            context.verify_mode = ssl.CERT_OPTIONAL
            try:
                context.load_verify_locations(ca)
            except OSError as error:
                raise Invalid(f"tls.client_ca: {ca}: {error}") from error

    def reload(self, certificate: Path, key: Path) -> None:
        """New connections get the new certificate; Invalid leaves everything as it was."""
        _check(certificate, key)
        self._load(certificate, key)

    def _load(self, certificate: Path, key: Path) -> None:
        for context in self._by_service.values():
            context.load(certificate, key)
        if is_for_clients(certificate.read_bytes()):
            self.to_servers.load_cert_chain(certificate, key)


def open_contexts(config: Config) -> TlsContexts | None:
    """The contexts of the configured certificate; None where none is configured."""
    if not config.tls.certificate:
        return None
    certificate, key = config.certificate_files
    contexts = TlsContexts(certificate, key)
    if config.tls.client_ca:
        contexts.verify_people(config.path(config.tls.client_ca))
    exporter.prepare(certificate, key)
    return contexts


def new_context() -> ssl.SSLContext:
    """A server context as RFC 9325 asks: TLS 1.2 or later, no compression, no renegotiation."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.options |= ssl.OP_NO_COMPRESSION | ssl.OP_NO_RENEGOTIATION
    context.set_ciphers("ECDHE+AESGCM:ECDHE+CHACHA20")  # TLS 1.2; those of 1.3 are not affected
    return context


def _server_to_server_context() -> ssl.SSLContext:
    """The client's side, towards other XMPP servers, with our certificate; see `verify_servers`."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False  # RFC 6125 knows names that OpenSSL does not: net.identity
    context.verify_mode = ssl.CERT_NONE
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.options |= ssl.OP_NO_COMPRESSION | ssl.OP_NO_RENEGOTIATION
    context.set_alpn_protocols(list(ALPN["xmpp-server"]))
    return context


def is_for_clients(pem: bytes) -> bool:
    """Whether a certificate may be shown by who connects (RFC 5280 §4.2.1.12).

    One for servers only would end the handshake; without it another XMPP server dials back.
    """
    certificate = x509.load_pem_x509_certificates(pem)[0]
    try:
        purposes = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    except x509.ExtensionNotFound:
        return True
    return ExtendedKeyUsageOID.CLIENT_AUTH in purposes


def server_end_point(pem: bytes) -> bytes:
    """tls-server-end-point: the hash of the certificate by its own signature's hash (RFC 5929 §4.1)."""
    certificate = x509.load_pem_x509_certificates(pem)[0]
    algorithm = certificate.signature_hash_algorithm
    if algorithm is None or isinstance(algorithm, hashes.MD5 | hashes.SHA1):
        algorithm = hashes.SHA256()
    digest = hashes.Hash(algorithm)
    digest.update(certificate.public_bytes(Encoding.DER))
    return digest.finalize()


def _check(certificate: Path, key: Path) -> None:
    try:
        new_context().load_cert_chain(certificate, key)
        server_end_point(certificate.read_bytes())
    except (OSError, ValueError) as error:  # ssl.SSLError is an OSError
        raise Invalid(f"certificate {certificate} with key {key}: {error}") from error

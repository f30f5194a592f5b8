# SPDX-License-Identifier: Apache-2.0
"""A small CA and a server certificate, for a workplace that has been given none.

The CA may sign nothing but server certificates of this workplace's own names (RFC 5280 §4.2.1.10 name
constraints), so that a colleague who trusts it trusts no more than this server.
"""

import datetime
import ipaddress
import os
from collections.abc import Sequence
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

SUBDOMAINS = ("conference", "upload", "autoconfig", "ua-auto-config", "mta-sts")
_CA_DAYS = 3650
_SERVER_DAYS = 397  # what Apple's clients accept at most
_CLOCK_SKEW = datetime.timedelta(days=1)
# To another XMPP server this one is a client (XEP-0178 §3).
_PURPOSES = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH])


def make_certificates(directory: Path, hostname: str, domains: Sequence[str]) -> None:
    """Writes ca.crt, ca.key, server.crt (with the CA behind it) and server.key.

    A CA that is there is kept, so that clients which trust it trust the new certificate too.
    """
    directory.mkdir(parents=True, exist_ok=True)
    names = server_names(hostname, domains)
    ca_certificate, ca_key = _open_ca(directory, hostname, names)
    key = ec.generate_private_key(ec.SECP256R1())
    certificate = _server_certificate(hostname, names, key, ca_certificate, ca_key)
    chain = certificate.public_bytes(Encoding.PEM) + ca_certificate.public_bytes(Encoding.PEM)
    _write_key(directory / "server.key", key)
    (directory / "server.crt").write_bytes(chain)


def server_names(hostname: str, domains: Sequence[str]) -> list[str]:
    """Every name a client may ask for: the host, each domain, and its service names."""
    names = [hostname]
    for domain in domains:
        ascii_domain = domain.encode("idna").decode("ascii")
        names.append(ascii_domain)
        names += [f"{label}.{ascii_domain}" for label in SUBDOMAINS]
    return list(dict.fromkeys(names))


def _open_ca(
    directory: Path, hostname: str, names: Sequence[str]
) -> tuple[x509.Certificate, ec.EllipticCurvePrivateKey]:
    certificate_path, key_path = directory / "ca.crt", directory / "ca.key"
    if certificate_path.exists() and key_path.exists():
        certificate = x509.load_pem_x509_certificate(certificate_path.read_bytes())
        key = load_pem_private_key(key_path.read_bytes(), None)
        if isinstance(key, ec.EllipticCurvePrivateKey) and _may_sign(certificate, names):
            return certificate, key
    key = ec.generate_private_key(ec.SECP256R1())
    certificate = _ca_certificate(hostname, names, key)
    _write_key(key_path, key)
    certificate_path.write_bytes(certificate.public_bytes(Encoding.PEM))
    return certificate, key


def _may_sign(ca: x509.Certificate, names: Sequence[str]) -> bool:
    constraints = ca.extensions.get_extension_for_class(x509.NameConstraints).value
    permitted = constraints.permitted_subtrees or []
    return all(any(_is_within(_general_name(name), subtree) for subtree in permitted) for name in names)


def _is_within(name: x509.GeneralName, subtree: x509.GeneralName) -> bool:
    if isinstance(name, x509.DNSName) and isinstance(subtree, x509.DNSName):
        return name.value == subtree.value or name.value.endswith("." + subtree.value)
    if isinstance(name, x509.IPAddress) and isinstance(subtree, x509.IPAddress):
        network = subtree.value
        return isinstance(network, ipaddress.IPv4Network | ipaddress.IPv6Network) and name.value in network
    return False


def _ca_certificate(hostname: str, names: Sequence[str], key: ec.EllipticCurvePrivateKey) -> x509.Certificate:
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"{hostname[:40]} workplace CA")])
    permitted = [_subtree(name) for name in names]
    return (
        _builder(subject, subject, key, _CA_DAYS)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_key_usage(signs_certificates=True), critical=True)
        .add_extension(x509.NameConstraints(permitted, None), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )


def _server_certificate(
    hostname: str,
    names: Sequence[str],
    key: ec.EllipticCurvePrivateKey,
    ca_certificate: x509.Certificate,
    ca_key: ec.EllipticCurvePrivateKey,
) -> x509.Certificate:
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, hostname[:64])])
    alternatives: list[x509.GeneralName] = [_general_name(name) for name in names]
    issuer_key = x509.AuthorityKeyIdentifier.from_issuer_public_key(ca_key.public_key())
    return (
        _builder(subject, ca_certificate.subject, key, _SERVER_DAYS)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_key_usage(signs_certificates=False), critical=True)
        .add_extension(_PURPOSES, critical=False)
        .add_extension(x509.SubjectAlternativeName(alternatives), critical=False)
        .add_extension(issuer_key, critical=False)
        .sign(ca_key, hashes.SHA256())
    )


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePrivateKey, days: int
) -> x509.CertificateBuilder:
    now = datetime.datetime.now(datetime.UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _CLOCK_SKEW)
        .not_valid_after(now + datetime.timedelta(days=days))
    )


def _key_usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        encipher_only=False,
        decipher_only=False,
    )


def _general_name(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def _subtree(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_network(name))
    except ValueError:
        return x509.DNSName(name)


def _write_key(path: Path, key: ec.EllipticCurvePrivateKey) -> None:
    data = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        os.fchmod(file.fileno(), 0o600)
        file.write(data)

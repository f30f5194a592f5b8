# SPDX-License-Identifier: Apache-2.0
"""Whose a certificate is: the names in it (RFC 6125 §6, RFC 7590 §3.4, RFC 6120 §13.7.1.2).

The chain has been verified by TLS; here the presented identifiers are compared with the domain that is
wanted: DNS-ID with a wildcard as the whole left-most label, SRV-ID, XmppAddr. Common names do not count.
"""

from __future__ import annotations

import ssl

from cryptography import x509
from cryptography.x509.oid import ObjectIdentifier

_SRV_NAME = ObjectIdentifier("1.3.6.1.5.5.7.8.7")  # RFC 4985
_XMPP_ADDRESS = ObjectIdentifier("1.3.6.1.5.5.7.8.5")
_SERVICE = "_xmpp-server."


def is_for(certificate: bytes, domain: str) -> bool:
    """Whether the certificate (DER) is one of that domain's XMPP server; `domain` in A-labels."""
    try:
        names = (
            x509.load_der_x509_certificate(certificate)
            .extensions.get_extension_for_class(x509.SubjectAlternativeName)
            .value
        )
    except (ValueError, x509.ExtensionNotFound, x509.DuplicateExtension):
        return False
    wanted = domain.lower()
    if any(_matches(name.lower(), wanted) for name in names.get_values_for_type(x509.DNSName)):
        return True
    for other in names.get_values_for_type(x509.OtherName):
        text = _text(other.value)
        if other.type_id == _SRV_NAME and text.startswith(_SERVICE):
            if _matches(text.removeprefix(_SERVICE), wanted):
                return True
        elif other.type_id == _XMPP_ADDRESS and text == wanted:
            return True
    return False


def address_of(tls: ssl.SSLObject | None) -> str:
    """The address of a person's verified certificate (RFC 5280 §4.2.1.6, rfc822Name); nothing where it has
    none or several."""
    data = tls.getpeercert(binary_form=True) if tls is not None else None
    if data is None:
        return ""
    try:
        names = (
            x509.load_der_x509_certificate(data)
            .extensions.get_extension_for_class(x509.SubjectAlternativeName)
            .value.get_values_for_type(x509.RFC822Name)
        )
    except (ValueError, x509.ExtensionNotFound, x509.DuplicateExtension):
        return ""
    return names[0] if len(names) == 1 else ""


def _matches(name: str, wanted: str) -> bool:
    """RFC 6125 §6.4.3: the wildcard stands for one label, and leaves at least two."""
    if name.startswith("*."):
        label, _, parent = wanted.partition(".")
        return bool(label) and parent == name[2:] and "." in parent
    return name == wanted


def _text(der: bytes) -> str:
    """A short DER string (UTF8String or IA5String); nothing where it is something else."""
    if len(der) < 2 or der[0] not in (0x0C, 0x16) or der[1] != len(der) - 2:
        return ""
    return der[2:].decode("utf-8", "replace").lower()

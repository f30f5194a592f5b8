# SPDX-License-Identifier: Apache-2.0
"""How a connection to another server must be protected, and how that is held up while TLS begins.

RFC 7435: without a policy, encryption without authentication is better than none. With one (DANE, MTA-STS,
REQUIRETLS, our own settings) a server that does not keep it gets nothing.
"""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import Enum
from functools import lru_cache
from pathlib import Path

from armgs_server.smtp import dane
from armgs_server.smtp.dane import Tlsa


class Mode(Enum):
    """What TLS must give."""

    NONE = "none"  # not used even where it is offered
    MAY = "may"  # used where it is offered
    ENCRYPT = "encrypt"  # must be there, whoever the server is
    VERIFY = "verify"  # must be there, with a certificate that a known CA has issued for the host
    DANE = "dane"  # must be there, with the certificate that the DNS names


@dataclass(frozen=True, slots=True)
class Protection:
    """A mode with what it needs. `names` are those a DANE-TA certificate may be for (RFC 7672 §3.2.2)."""

    mode: Mode = Mode.MAY
    tlsa: tuple[Tlsa, ...] = ()
    names: tuple[str, ...] = ()
    policy: str = ""  # whose demand it is: sts, tlsa (RFC 8460 §4.2), or nobody's but ours
    is_tested: bool = False  # a failure is reported, and the mail goes all the same (RFC 8461 §5)

    @property
    def is_mandatory(self) -> bool:
        """Nothing is sent without TLS."""
        return self.mode not in (Mode.NONE, Mode.MAY)

    @property
    def is_authenticated(self) -> bool:
        """Who the server is has been proven before anything is sent."""
        return self.mode in (Mode.VERIFY, Mode.DANE)


class Unprotected(Exception):
    """TLS is not as it must be; `kind` is the result type of RFC 8460 §4.3."""

    def __init__(self, kind: str, text: str) -> None:
        super().__init__(text)
        self.kind = kind


def context_for(protection: Protection, ca: Path | None) -> ssl.SSLContext:
    """The client's TLS context; with Mode.VERIFY the system's CAs are trusted, and those of `ca`."""
    return _context(protection.mode is Mode.VERIFY, ca, ca.stat().st_mtime_ns if ca is not None else 0)


def check(tls: ssl.SSLObject, protection: Protection) -> None:
    """After the handshake: with Mode.DANE the chain must be the one named. Unprotected."""
    if protection.mode is not Mode.DANE:
        return
    if not dane.matches(shown_chain(tls), protection.tlsa, protection.names, datetime.now(UTC)):
        raise Unprotected("validation-failure", "the certificate is not the one that its TLSA records name")


def kind_of(error: ssl.SSLError) -> str:
    """The result type for a handshake that has failed (RFC 8460 §4.3)."""
    if isinstance(error, ssl.SSLCertVerificationError):
        if error.verify_code == 62:  # X509_V_ERR_HOSTNAME_MISMATCH
            return "certificate-host-mismatch"
        if error.verify_code == 10:  # X509_V_ERR_CERT_HAS_EXPIRED
            return "certificate-expired"
        return "certificate-not-trusted"
    return "validation-failure"


def shown_chain(tls: ssl.SSLObject) -> list[bytes]:
    """The certificates that the server has shown, DER. Python has a public name for this since 3.13."""
    public = getattr(tls, "get_unverified_chain", None)
    if public is not None:
        return list(public())
    shown = tls._sslobj.get_unverified_chain() or ()  # type: ignore[attr-defined]
    return [bytes(ssl.PEM_cert_to_DER_cert(each.public_bytes())) for each in shown]


@lru_cache(maxsize=8)
def _context(verifies: bool, ca: Path | None, changed: int) -> ssl.SSLContext:
    """One for all connections; `changed` makes another when the file of CAs does."""
    context = ssl.create_default_context()
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if not verifies:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        # RFC 7435 §3: old TLS is better than clear text, which is what such a server would get instead.
    elif ca is not None:
        context.load_verify_locations(ca)
    return context

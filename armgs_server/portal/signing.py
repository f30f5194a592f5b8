# SPDX-License-Identifier: Apache-2.0
"""Signatures of files for devices, by the server's own certificate (CMS SignedData, RFC 5652 §5).

An Apple device shows a profile as verified where it trusts the certificate's CA, and as signed otherwise.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, load_pem_private_key
from cryptography.hazmat.primitives.serialization.pkcs7 import PKCS7Options, PKCS7SignatureBuilder

from armgs_server import log
from armgs_server.config import Config

_log = log.get("portal")


@dataclass(frozen=True, slots=True)
class _Identity:
    stamps: tuple[int, int]  # when the files were changed
    key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey
    chain: list[x509.Certificate]


class Signer:
    """Signs with the certificate of `[tls]`, whichever is there at the time."""

    def __init__(self, config: Config) -> None:
        self._config = config
        self._identity: _Identity | None = None

    def sign(self, data: bytes) -> bytes:
        """The data inside its signature, DER; as it is where there is no certificate that can sign."""
        identity = self._load() if self._config.tls.certificate else None
        if identity is None:
            return data
        first, *others = identity.chain
        builder = PKCS7SignatureBuilder().set_data(data).add_signer(first, identity.key, SHA256())
        for each in others:
            builder = builder.add_certificate(each)
        return builder.sign(Encoding.DER, [PKCS7Options.Binary])

    def _load(self) -> _Identity | None:
        certificate, key = self._config.certificate_files
        try:
            stamps = _changed(certificate), _changed(key)
            if self._identity is None or self._identity.stamps != stamps:
                loaded = load_pem_private_key(key.read_bytes(), None)
                if not isinstance(loaded, rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey):
                    return None  # what CMS signs with other keys, devices do not read
                chain = x509.load_pem_x509_certificates(certificate.read_bytes())
                self._identity = _Identity(stamps, loaded, chain)
        except (OSError, ValueError, TypeError) as error:  # TypeError: the key has a password
            _log.warning("files for devices are not signed", reason=str(error))
            return None
        return self._identity


def _changed(path: Path) -> int:
    return path.stat().st_mtime_ns

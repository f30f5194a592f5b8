# SPDX-License-Identifier: Apache-2.0
"""For how long the certificate that clients are shown is good yet."""

from __future__ import annotations

import time

from cryptography import x509

from armgs_server.config import Config


def seconds_left(config: Config) -> float | None:
    """Negative where it is over; None where there is none that can be read."""
    if not config.tls.certificate:
        return None
    path, _ = config.certificate_files
    try:
        found = x509.load_pem_x509_certificates(path.read_bytes())[0]
    except (OSError, ValueError):
        return None
    return found.not_valid_after_utc.timestamp() - time.time()

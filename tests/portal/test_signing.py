# SPDX-License-Identifier: Apache-2.0
"""The profile's signature, looked at by OpenSSL as a device does; without a certificate there is none."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from armgs_server.portal.signing import Signer
from tests.peers.test_imap_clients import Debian
from tests.portal.client import get
from tests.world import IVANOV, World


async def verified(world: World, signed: bytes, tmp_path: Path) -> bytes:
    """What is in it, if the world's CA vouches for who signed."""
    file, content = tmp_path / "signed", tmp_path / "content"
    file.write_bytes(signed)
    command = ("openssl", "cms", "-verify", "-binary", "-inform", "DER", "-in", str(file))
    rest = ("-out", str(content), "-purpose", "any", "-CAfile", str(world.ca))
    process = await asyncio.create_subprocess_exec(*command, *rest, stderr=asyncio.subprocess.PIPE)
    _, error = await asyncio.wait_for(process.communicate(), 60)
    assert process.returncode == 0, error.decode()
    return content.read_bytes()


async def test_a_profile_is_signed_by_the_server(world: World, debian: Debian, tmp_path: Path) -> None:
    debian("openssl")
    answer = await get(world, f"/apple.mobileconfig?address={IVANOV}")
    content = await verified(world, answer.body, tmp_path)
    assert content.startswith(b"<?xml") and IVANOV.encode() in content
    changed = answer.body.replace(b"ivanov@", b"petrov@")
    with pytest.raises(AssertionError, match="verification failure"):
        await verified(world, changed, tmp_path)


def test_a_new_certificate_is_taken(world: World) -> None:
    signer = Signer(world.config)
    before = signer.sign(b"data")
    assert b"data" in before
    world.certify()
    after = signer.sign(b"data")
    certificate = world.config.path("tls/server.crt").read_bytes()
    der = x509.load_pem_x509_certificate(certificate).public_bytes(Encoding.DER)
    assert der in after and der not in before


def test_without_a_key_it_is_left_as_it_is(world: World) -> None:
    world.config.path("tls/server.key").write_text("no key")
    assert Signer(world.config).sign(b"data") == b"data"

# SPDX-License-Identifier: Apache-2.0
"""The client's side of SCRAM against the example of RFC 7677 §3, and against servers that lie."""

from __future__ import annotations

import pytest

from armgs_server.cli.scram_client import ScramClient, ScramFailed

NONCE = "rOprNGfwEbeRWgbNEkqO"
SERVER_NONCE = f"{NONCE}%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0"
SERVER_FIRST = f"r={SERVER_NONCE},s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096".encode()


def test_the_example_of_the_standard() -> None:
    client = ScramClient("user", "pencil", NONCE)
    assert client.first() == f"n,,n=user,r={NONCE}".encode()
    assert client.final(SERVER_FIRST) == (
        f"c=biws,r={SERVER_NONCE},p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=".encode()
    )
    client.verify(b"v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=")


@pytest.mark.parametrize(
    "first", [b"r=other,s=AAAA,i=4096", f"r={NONCE},s=AAAA,i=4096".encode(), b"e=no", b""]
)
def test_an_answer_that_is_none_of_ours(first: bytes) -> None:
    with pytest.raises(ScramFailed):
        ScramClient("user", "pencil", NONCE).final(first)


def test_a_server_that_does_not_know_the_keys() -> None:
    client = ScramClient("user", "pencil", NONCE)
    with pytest.raises(ScramFailed):
        client.verify(b"v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=")
    client.final(SERVER_FIRST)
    with pytest.raises(ScramFailed):
        client.verify(b"v=AAAA")

# SPDX-License-Identifier: Apache-2.0
"""SASL exchanges over a real directory, with a SCRAM client written for the test."""

from __future__ import annotations

import base64
import hashlib
import hmac
from dataclasses import dataclass

import pytest

from armgs_server.directory.exchange import Exchange, Failure, Success
from armgs_server.directory.sasl import Challenge, ChannelBinding
from armgs_server.directory.scram import Hash
from tests.directory.conftest import PASSWORD, Workplace

END_POINT: ChannelBinding = {"tls-server-end-point": b"certificate hash"}.get
NAME = "ivanov@digital.example"


@pytest.fixture
def store_url() -> str:
    """One engine is enough: the SQL behind this is tried elsewhere."""
    return "sqlite"


def begin(
    workplace: Workplace,
    *,
    is_tls: bool = True,
    binding: ChannelBinding | None = None,
    certificate: str = "",
    domain: str = "",
) -> Exchange:
    return workplace.directory.auth.begin(
        service="xmpp",
        peer="192.0.2.1",
        is_tls=is_tls,
        channel_binding=binding,
        certificate=certificate,
        domain=domain,
    )


def plain(name: str, password: str, authzid: str = "") -> bytes:
    return f"{authzid}\0{name}\0{password}".encode()


@dataclass
class Client:
    """The client's side of RFC 5802."""

    name: str
    password: str
    hash_name: Hash = "sha256"
    gs2: str = "n,,"
    binding: bytes = b""
    signature: bytes = b""

    def first(self) -> bytes:
        self.bare = f"n={self.name},r=clientnonce"
        return (self.gs2 + self.bare).encode()

    def final(self, server_first: bytes) -> bytes:
        fields = dict(field.split("=", 1) for field in server_first.decode().split(","))
        salt, iterations = base64.b64decode(fields["s"]), int(fields["i"])
        salted = hashlib.pbkdf2_hmac(self.hash_name, self.password.encode(), salt, iterations)
        client_key = hmac.digest(salted, b"Client Key", self.hash_name)
        stored_key = hashlib.new(self.hash_name, client_key).digest()
        channel = base64.b64encode(self.gs2.encode() + self.binding).decode()
        without_proof = f"c={channel},r={fields['r']}"
        message = f"{self.bare},{server_first.decode()},{without_proof}".encode()
        signed = hmac.digest(stored_key, message, self.hash_name)
        proof = bytes(a ^ b for a, b in zip(client_key, signed, strict=True))
        self.signature = hmac.digest(
            hmac.digest(salted, b"Server Key", self.hash_name), message, self.hash_name
        )
        return f"{without_proof},p={base64.b64encode(proof).decode()}".encode()

    async def run(self, exchange: Exchange, mechanism: str) -> Success | Failure:
        answer = await exchange.start(mechanism, self.first())
        if isinstance(answer, Challenge):
            answer = await exchange.respond(self.final(answer.data))
        assert not isinstance(answer, Challenge)
        return answer


async def test_plain_with_and_without_an_initial_response(workplace: Workplace) -> None:
    exchange = begin(workplace)
    assert await exchange.start("plain", plain(NAME, PASSWORD)) == Success(None, workplace.ivanov)
    assert await exchange.start("PLAIN", None) == Challenge(b"")
    assert await exchange.respond(plain(NAME, PASSWORD)) == Success(None, workplace.ivanov)


async def test_nobody_acts_as_somebody_else(workplace: Workplace) -> None:
    exchange = begin(workplace)
    assert await exchange.start("PLAIN", plain(NAME, PASSWORD, NAME)) == Success(None, workplace.ivanov)
    for other in ("petrova@digital.example", "nobody@digital.example"):
        answer = await exchange.start("PLAIN", plain(NAME, PASSWORD, other))
        assert answer == Failure("invalid-authzid", "nobody may act as somebody else")
        assert await Client(NAME, PASSWORD, gs2=f"n,a={other},").run(exchange, "SCRAM-SHA-256") == answer


async def test_login_is_for_smtp_alone(workplace: Workplace) -> None:
    assert "LOGIN" not in begin(workplace).mechanisms
    smtp = workplace.directory.auth.begin(service="smtp", peer="192.0.2.1", is_tls=True)
    assert smtp.mechanisms[-1] == "LOGIN"
    assert await smtp.start("LOGIN", None) == Challenge(b"Username:")
    assert await smtp.respond(NAME.encode()) == Challenge(b"Password:")
    assert await smtp.respond(PASSWORD.encode()) == Success(None, workplace.ivanov)
    assert await smtp.start("LOGIN", NAME.encode()) == Challenge(b"Password:")
    assert await smtp.respond(b"wrong") == Failure("not-authorized", "the name or the password is wrong")


@pytest.mark.parametrize(("mechanism", "hash_name"), [("SCRAM-SHA-1", "sha1"), ("SCRAM-SHA-256", "sha256")])
async def test_scram_proves_both_sides(workplace: Workplace, mechanism: str, hash_name: Hash) -> None:
    client = Client(NAME, PASSWORD, hash_name)
    answer = await client.run(begin(workplace), mechanism)
    assert isinstance(answer, Success)
    assert answer.principal == workplace.ivanov
    assert answer.data == b"v=" + base64.b64encode(client.signature)


async def test_scram_plus_binds_the_channel(workplace: Workplace) -> None:
    gs2 = "p=tls-server-end-point,,"
    client = Client(NAME, PASSWORD, gs2=gs2, binding=b"certificate hash")
    assert begin(workplace, binding=END_POINT).mechanisms[0] == "SCRAM-SHA-256-PLUS"
    answer = await client.run(begin(workplace, binding=END_POINT), "SCRAM-SHA-256-PLUS")
    assert isinstance(answer, Success)
    client = Client(NAME, PASSWORD, gs2=gs2, binding=b"somebody else's")
    answer = await client.run(begin(workplace, binding=END_POINT), "SCRAM-SHA-256-PLUS")
    assert answer == Failure("not-authorized", "the channel binding does not match")
    assert "SCRAM-SHA-256-PLUS" not in begin(workplace, binding=lambda _: None).mechanisms


async def test_plus_is_offered_where_a_client_takes_the_right_kind(workplace: Workplace) -> None:
    # RFC 9266 §3: without being told otherwise it takes tls-exporter, and only XMPP tells (XEP-0440)
    auth = workplace.directory.auth
    assert "SCRAM-SHA-1-PLUS" in auth.mechanisms(True, END_POINT, service="xmpp")
    assert "SCRAM-SHA-1-PLUS" not in auth.mechanisms(True, END_POINT, service="imap")
    assert "SCRAM-SHA-1-PLUS" in auth.mechanisms(True, {"tls-exporter": b"material"}.get, service="imap")
    imap = auth.begin(service="imap", peer="192.0.2.1", is_tls=True, channel_binding=END_POINT)
    assert isinstance(await Client(NAME, PASSWORD, gs2="y,,").run(imap, "SCRAM-SHA-256"), Success)


async def test_a_cut_list_of_mechanisms_is_noticed(workplace: Workplace) -> None:
    client = Client(NAME, PASSWORD, gs2="y,,")
    assert isinstance(await client.run(begin(workplace), "SCRAM-SHA-256"), Success)
    answer = await client.run(begin(workplace, binding=END_POINT), "SCRAM-SHA-256")
    assert answer == Failure("not-authorized", "channel binding is offered here")


async def test_scram_does_not_tell_who_exists(workplace: Workplace) -> None:
    wrong = Failure("not-authorized", "the name or the password is wrong")
    assert await Client(NAME, "wrong").run(begin(workplace), "SCRAM-SHA-256") == wrong
    # petrova has no password, nobody does not exist: both get a salt, and each time the same
    for name in ("petrova@digital.example", "nobody@digital.example"):
        challenges = []
        for _ in range(2):
            challenge = await begin(workplace).start("SCRAM-SHA-256", Client(name, PASSWORD).first())
            assert isinstance(challenge, Challenge)
            challenges.append(challenge.data.split(b",", 1)[1])
        assert challenges[0] == challenges[1]
        assert b",i=4096,h=" in challenges[0]  # XEP-0474: what was offered, the same for everybody
        assert await Client(name, PASSWORD).run(begin(workplace), "SCRAM-SHA-256") == wrong


async def test_who_is_disabled_hears_it_only_with_the_password(workplace: Workplace) -> None:
    await workplace.directory.disable(workplace.ivanov.id)
    disabled = Failure("account-disabled", "The account is disabled.")
    wrong = Failure("not-authorized", "the name or the password is wrong")
    assert await begin(workplace).start("PLAIN", plain(NAME, PASSWORD)) == disabled
    assert await begin(workplace).start("PLAIN", plain(NAME, "wrong")) == wrong
    assert await Client(NAME, PASSWORD).run(begin(workplace), "SCRAM-SHA-256") == disabled
    assert await Client(NAME, "wrong").run(begin(workplace), "SCRAM-SHA-256") == wrong


async def test_external_trusts_the_certificate(workplace: Workplace) -> None:
    exchange = begin(workplace, certificate=NAME)
    assert exchange.mechanisms[0] == "EXTERNAL"
    assert await exchange.start("EXTERNAL", b"") == Success(None, workplace.ivanov)
    answer = await exchange.start("EXTERNAL", b"petrova@digital.example")
    assert answer == Failure("invalid-authzid", "nobody may act as somebody else")
    answer = await begin(workplace, certificate="nobody@digital.example").start("EXTERNAL", b"")
    assert answer == Failure("not-authorized", "the certificate names nobody here")


async def test_a_simple_user_name_is_one_of_the_streams_domain(workplace: Workplace) -> None:
    """RFC 6120 §6.3.7: XMPP clients send the local part; the domain is that of the stream."""
    for domain, expected in (("digital.example", True), ("finance.example", False)):
        answer = await begin(workplace, domain=domain).start("PLAIN", plain("ivanov", PASSWORD))
        assert isinstance(answer, Success) is expected
    answer = await Client("ivanov", PASSWORD).run(begin(workplace, domain="digital.example"), "SCRAM-SHA-256")
    assert isinstance(answer, Success)
    assert answer.principal == workplace.ivanov


async def test_without_tls_nothing_is_offered(workplace: Workplace) -> None:
    exchange = begin(workplace, is_tls=False)
    assert exchange.mechanisms == ()
    answer = await exchange.start("PLAIN", plain(NAME, PASSWORD))
    assert answer == Failure("encryption-required", "log-in needs TLS here")


async def test_what_is_not_offered_cannot_be_chosen(workplace: Workplace) -> None:
    exchange = begin(workplace)
    for mechanism in ("LOGIN", "EXTERNAL", "SCRAM-SHA-256-PLUS", "CRAM-MD5", ""):
        answer = await exchange.start(mechanism, None)
        assert answer == Failure("invalid-mechanism", "this mechanism is not offered")
    assert await exchange.respond(b"") == Failure("malformed-request", "no exchange has begun")


async def test_failures_of_scram_count_for_the_throttle(workplace: Workplace) -> None:
    for _ in range(3):
        answer = await Client(NAME, "wrong").run(begin(workplace), "SCRAM-SHA-256")
        assert isinstance(answer, Failure)
        assert answer.condition == "not-authorized"
    for mechanism in ("SCRAM-SHA-1", "SCRAM-SHA-256"):
        throttled = await begin(workplace).start(mechanism, Client(NAME, PASSWORD).first())
        assert isinstance(throttled, Failure)
        assert throttled.condition == "temporary-auth-failure"
    refusal = await begin(workplace).start("PLAIN", plain(NAME, PASSWORD))
    assert isinstance(refusal, Failure)
    assert refusal.condition == "temporary-auth-failure"

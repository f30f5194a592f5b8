# SPDX-License-Identifier: Apache-2.0
"""DANE and MTA-STS from end to end: a name server, a policy host and a mail server of the test's own.

smtp/policies.py, protection.py, sts_fetch.py; RFC 7672 §2, RFC 8461 §3 and §5, RFC 8689 §4.2.
"""

from __future__ import annotations

import asyncio
import hashlib
import ssl
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from armgs_server.net.certificates import make_certificates
from armgs_server.service import Core
from armgs_server.smtp.attempt import Attempts, Result
from armgs_server.storage import clock, queue, sts_policies, tls_results
from tests.name_server import name_server
from tests.smtp.conftest import MakeCore
from tests.smtp.relaying import enqueue
from tests.smtp.sink import Sink, running_sink

POLICY = "version: STSv1\r\nmode: enforce\r\nmx: mx.other.example\r\nmax_age: 86400\r\n"
ADDRESS = "x@other.example"


@dataclass
class Elsewhere:
    """other.example: what its DNS says, its mail server, its policy."""

    folder: Path
    records: dict[tuple[str, str], list[str]]
    sink: Sink = field(default_factory=Sink)
    authentic: tuple[str, ...] = ()
    policy: str = POLICY
    status: str = "200 OK"
    media_type: str = "text/plain; charset=utf-8"
    fetched: int = 0
    dns: str = ""
    core: Core | None = None
    https_port: int = 0

    @property
    def context(self) -> ssl.SSLContext:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(self.folder / "server.crt", self.folder / "server.key")
        return context

    def tlsa(self, record: str) -> None:
        self.records[f"_{self.sink.port}._tcp.mx.other.example.", "TLSA"] = [record]

    @property
    def key_digest(self) -> str:
        certificate = x509.load_pem_x509_certificates((self.folder / "server.crt").read_bytes())[0]
        key = certificate.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        return hashlib.sha256(key).hexdigest()

    async def serve_policy(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        request = await reader.readuntil(b"\r\n\r\n")
        assert request.startswith(b"GET /.well-known/mta-sts.txt HTTP/1.1\r\nHost: mta-sts.other.example\r\n")
        self.fetched += 1
        head = (
            f"HTTP/1.1 {self.status}\r\nContent-Type: {self.media_type}\r\nContent-Length: {len(self.policy)}"
        )
        writer.write(f"{head}\r\n\r\n{self.policy}".encode())
        await writer.drain()
        writer.close()


@asynccontextmanager
async def _running(elsewhere: Elsewhere, tls: bool) -> AsyncIterator[None]:
    async with AsyncExitStack() as stack:
        context = elsewhere.context if tls else None
        await stack.enter_async_context(running_sink(elsewhere.sink, tls=context))
        elsewhere.dns = await stack.enter_async_context(name_server(elsewhere.records, elsewhere.authentic))
        server = await asyncio.start_server(elsewhere.serve_policy, "127.0.0.1", 0, ssl=elsewhere.context)
        elsewhere.https_port = server.sockets[0].getsockname()[1]
        try:
            yield
        finally:
            server.close()
            await server.wait_closed()


@pytest.fixture
def elsewhere(tmp_path: Path) -> Elsewhere:
    make_certificates(tmp_path / "tls", "mx.other.example", ["other.example"])
    records = {
        ("other.example.", "MX"): ["10 mx.other.example."],
        ("mx.other.example.", "A"): ["127.0.0.1"],
        ("mta-sts.other.example.", "A"): ["127.0.0.1"],
    }
    return Elsewhere(tmp_path / "tls", records)


async def deliver(
    make_core: MakeCore,
    elsewhere: Elsewhere,
    *,
    needs_tls: bool = False,
    text: bytes = b"",
    trusts: bool = True,
) -> Result:
    if elsewhere.core is None:
        elsewhere.core = await make_core(dns_validates=True, dns_timeout=2.0)
    core = elsewhere.core
    ca = str(elsewhere.folder / "ca.crt") if trusts else ""
    smtp = replace(core.config.smtp, dns_servers=(elsewhere.dns,), relay_ca=ca)
    core = replace(core, config=replace(core.config, smtp=smtp))
    await enqueue(core, 1, ADDRESS, needs_tls=needs_tls, text=text or b"Subject: x\r\n\r\n")
    attempts = Attempts(core, smtp_port=elsewhere.sink.port, https_port=elsewhere.https_port)
    try:
        [row] = await core.store.write(lambda tx: queue.claim(tx, 1, 1, 10))
        result = (await attempts.deliver([row], clock.now()))[row.id]
        await core.store.write(lambda tx: queue.finish(tx, [row]))
        return result
    finally:
        await attempts.close()


async def observed(elsewhere: Elsewhere) -> dict[tuple[str, str], int]:
    """What would be reported to the domain, by policy and result."""
    assert elsewhere.core is not None
    store = elsewhere.core.store
    [(domain, day)] = await store.read(lambda tx: tls_results.days_before(tx, 1 << 40))
    counts = await store.read(lambda tx: tls_results.of_day(tx, domain, day))
    return {(each.policy, each.kind): count for each, count in counts.items()}


async def test_the_certificate_that_the_dns_names(make_core: MakeCore, elsewhere: Elsewhere) -> None:
    elsewhere.authentic = ("other.example.",)
    async with _running(elsewhere, tls=True):
        elsewhere.tlsa(f"3 1 1 {elsewhere.key_digest}")
        assert (await deliver(make_core, elsewhere, trusts=False)).is_delivered
    assert elsewhere.sink.tls == [True]
    assert elsewhere.fetched == 0  # RFC 8461 §2: DANE goes first


async def test_an_authority_that_the_dns_names(make_core: MakeCore, elsewhere: Elsewhere) -> None:
    elsewhere.authentic = ("other.example.",)
    [ca] = x509.load_pem_x509_certificates((elsewhere.folder / "ca.crt").read_bytes())
    async with _running(elsewhere, tls=True):
        elsewhere.tlsa(f"2 0 1 {hashlib.sha256(ca.public_bytes(Encoding.DER)).hexdigest()}")
        assert (await deliver(make_core, elsewhere, trusts=False)).is_delivered


@pytest.mark.parametrize("record", [f"3 1 1 {'00' * 32}", f"2 1 1 {'00' * 32}"])
async def test_another_certificate_gets_nothing(
    make_core: MakeCore, elsewhere: Elsewhere, record: str
) -> None:
    elsewhere.authentic = ("other.example.",)
    async with _running(elsewhere, tls=True):
        elsewhere.tlsa(record)
        result = await deliver(make_core, elsewhere)
    assert (result.status, result.is_final) == ("4.7.5", False)
    assert elsewhere.sink.messages == []


async def test_a_server_without_the_tls_that_was_promised(make_core: MakeCore, elsewhere: Elsewhere) -> None:
    elsewhere.authentic = ("other.example.",)
    async with _running(elsewhere, tls=False):
        elsewhere.tlsa(f"3 1 1 {elsewhere.key_digest}")
        assert (await deliver(make_core, elsewhere)).status == "4.7.5"
        elsewhere.tlsa(f"1 1 1 {elsewhere.key_digest}")  # of no use, but there: TLS, whoever it is
        assert (await deliver(make_core, elsewhere)).status == "4.7.5"
    assert elsewhere.sink.messages == []


async def test_records_that_nobody_has_validated_do_not_count(
    make_core: MakeCore, elsewhere: Elsewhere
) -> None:
    async with _running(elsewhere, tls=True):
        elsewhere.tlsa(f"3 1 1 {'00' * 32}")
        assert (await deliver(make_core, elsewhere)).is_delivered


async def test_a_look_up_that_fails_may_be_an_attack(make_core: MakeCore, elsewhere: Elsewhere) -> None:
    elsewhere.authentic = ("other.example.",)
    async with _running(elsewhere, tls=True):
        elsewhere.records[f"_{elsewhere.sink.port}._tcp.mx.other.example.", "SERVFAIL"] = []
        assert (await deliver(make_core, elsewhere)).status == "4.7.5"


async def test_a_policy_is_fetched_kept_and_obeyed(make_core: MakeCore, elsewhere: Elsewhere) -> None:
    elsewhere.records["_mta-sts.other.example.", "TXT"] = ['"v=STSv1; id=1;"']
    async with _running(elsewhere, tls=True):
        core = await make_core(
            dns_servers=(elsewhere.dns,), relay_ca=str(elsewhere.folder / "ca.crt"), dns_timeout=2.0
        )
        attempts = Attempts(core, smtp_port=elsewhere.sink.port, https_port=elsewhere.https_port)
        for number in range(2):
            await enqueue(core, number + 1, ADDRESS)
            [row] = await core.store.write(lambda tx: queue.claim(tx, 2, 1, 10))
            assert (await attempts.deliver([row], clock.now()))[row.id].is_delivered
            await core.store.write(lambda tx, row=row: queue.finish(tx, [row]))  # type: ignore[misc]
        await attempts.close()
        kept = await core.store.read(lambda tx: sts_policies.get(tx, "other.example", clock.now()))
        assert kept is not None and (kept.identity, kept.text) == ("1", POLICY)
        assert elsewhere.fetched == 1
        assert elsewhere.sink.tls == [True, True]
        # Another process: the record is gone, the policy holds on (RFC 8461 §5.1), the name is not in it.
        del elsewhere.records["_mta-sts.other.example.", "TXT"]
        elsewhere.records["other.example.", "MX"] = ["10 evil.other.example."]
        elsewhere.records["evil.other.example.", "A"] = ["127.0.0.1"]
        attempts = Attempts(core, smtp_port=elsewhere.sink.port, https_port=elsewhere.https_port)
        await enqueue(core, 3, ADDRESS)
        [row] = await core.store.write(lambda tx: queue.claim(tx, 3, 1, 10))
        assert (await attempts.deliver([row], clock.now()))[row.id].status == "4.7.5"
        await attempts.close()
    assert len(elsewhere.sink.messages) == 2


async def test_under_a_policy_certificates_are_checked(make_core: MakeCore, elsewhere: Elsewhere) -> None:
    elsewhere.records["_mta-sts.other.example.", "TXT"] = ['"v=STSv1; id=1;"']
    async with _running(elsewhere, tls=True):
        assert (await deliver(make_core, elsewhere)).is_delivered
        make_certificates(elsewhere.folder / "b", "third.example", ["third.example"])
    sink = Sink()
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(elsewhere.folder / "b" / "server.crt", elsewhere.folder / "b" / "server.key")
    elsewhere.sink = sink
    async with _running(elsewhere, tls=True):
        pass
    async with running_sink(sink, tls=context), name_server(elsewhere.records) as elsewhere.dns:
        assert (await deliver(make_core, elsewhere)).status == "4.7.5"  # the policy is in the store
    assert sink.messages == []


@pytest.mark.parametrize(
    ("status", "media_type", "policy"),
    [
        ("302 Found", "text/plain", POLICY),
        ("200 OK", "text/html", POLICY),
        ("200 OK", "text/plain", "no policy"),
        ("200 OK", "text/plain", "x" * 100_000),
        ("what?", "text/plain", POLICY),
    ],
)
async def test_what_is_no_policy_binds_nobody(
    make_core: MakeCore, elsewhere: Elsewhere, status: str, media_type: str, policy: str
) -> None:
    elsewhere.records["_mta-sts.other.example.", "TXT"] = ['"v=STSv1; id=1;"']
    elsewhere.status, elsewhere.media_type, elsewhere.policy = status, media_type, policy
    async with _running(elsewhere, tls=False):
        assert (await deliver(make_core, elsewhere)).is_delivered
    assert elsewhere.fetched == 1


async def test_a_policy_in_testing_hinders_nothing(make_core: MakeCore, elsewhere: Elsewhere) -> None:
    elsewhere.records["_mta-sts.other.example.", "TXT"] = ['"v=STSv1; id=1;"']
    elsewhere.policy = POLICY.replace("enforce", "testing")
    async with _running(elsewhere, tls=False):
        assert (await deliver(make_core, elsewhere)).is_delivered
    assert await observed(elsewhere) == {("sts", "starttls-not-supported"): 1}  # but is told


async def test_how_tls_went_is_counted(make_core: MakeCore, elsewhere: Elsewhere) -> None:
    elsewhere.authentic = ("other.example.",)
    async with _running(elsewhere, tls=True):
        assert (await deliver(make_core, elsewhere)).is_delivered  # no policy: nothing to tell
        elsewhere.tlsa(f"3 1 1 {elsewhere.key_digest}")
        assert (await deliver(make_core, elsewhere)).is_delivered
        elsewhere.tlsa(f"3 1 1 {'00' * 32}")
        assert not (await deliver(make_core, elsewhere)).is_delivered
    assert await observed(elsewhere) == {("tlsa", ""): 1, ("tlsa", "validation-failure"): 1}


async def test_what_must_be_protected_goes_no_further_than_that(
    make_core: MakeCore, elsewhere: Elsewhere
) -> None:
    async with _running(elsewhere, tls=True):  # nobody vouches for the MX
        assert (await deliver(make_core, elsewhere, needs_tls=True)).status == "4.7.5"
    elsewhere.authentic = ("other.example.",)
    async with _running(elsewhere, tls=True):
        result = await deliver(make_core, elsewhere, needs_tls=True)  # aiosmtpd knows no REQUIRETLS
        assert (result.status, result.is_final) == ("5.7.30", True)
    elsewhere.sink.tls.clear()
    async with _running(elsewhere, tls=False):
        assert (await deliver(make_core, elsewhere, needs_tls=True)).status == "4.7.5"
    assert elsewhere.sink.messages == []


async def test_the_author_may_waive_all_protection(make_core: MakeCore, elsewhere: Elsewhere) -> None:
    elsewhere.authentic = ("other.example.",)
    async with _running(elsewhere, tls=False):
        elsewhere.tlsa(f"3 1 1 {elsewhere.key_digest}")
        text = b"Subject: x\r\nTLS-Required: No\r\n\r\n"
        assert (await deliver(make_core, elsewhere, text=text)).is_delivered

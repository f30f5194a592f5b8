# SPDX-License-Identifier: Apache-2.0
"""Certificates from a real ACME CA (Pebble): the first, the next, names that lead elsewhere, a CA away."""

from __future__ import annotations

import asyncio
import dataclasses
import json
import ssl
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509

from armgs_server.acme.renewal import leaf
from armgs_server.storage import acme
from armgs_server.storage.acme import State
from armgs_server.storage.tx import Tx
from tests import golang
from tests.name_server import name_server
from tests.pebble import DEBIAN, Pebble
from tests.world import DOMAINS, HOST, World, free_offset

pytestmark = pytest.mark.peer

NAME = "mail.digital.example"
CHAT = "conference.digital.example"
NOWHERE = "nowhere.digital.example"
RECORDS = {(f"{name}.", "A"): [HOST] for name in (NAME, CHAT)}
PATIENCE = 60.0
# Debian's is older than RFC 9773.
PEBBLE = ("github.com/letsencrypt/pebble/v2/cmd/pebble", "v2.10.1")


@pytest.fixture(autouse=True)
def pebble_is_there(debian: Callable[..., None]) -> None:
    debian("pebble")


@asynccontextmanager
async def certified(
    tmp_path: Path,
    *,
    names: tuple[str, ...] = (NAME, CHAT),
    settings: Mapping[str, Any] | None = None,
    tls: Mapping[str, Any] | None = None,
    program: Path = DEBIAN,
    **options: Any,
) -> AsyncIterator[tuple[World, Pebble]]:
    """A world and its CA. Log-in needs TLS, so that port 80 sends everybody but the CA elsewhere."""
    offset = free_offset()
    async with name_server(RECORDS) as resolver:
        with Pebble(tmp_path, 80 + offset, resolver, settings, program) as pebble:
            given = {
                "acme_directory": pebble.directory_url,
                "acme_ca": str(pebble.ca),
                "acme_names": names,
                "acme_retry": 0.2,
                **(tls or {}),
            }
            server = {"hostname": NAME, "port_offset": offset, **options.pop("server", {})}
            sections = {"server": server, "tls": given, "security": {"allow_plaintext": False}}
            async with World(tmp_path, settings=sections, **options) as world:
                yield world, pebble


async def shown(world: World, service: str, name: str = NAME) -> x509.Certificate:
    """What a client is shown."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    _, writer = await asyncio.open_connection(HOST, world.ports[service], ssl=context, server_hostname=name)
    found = x509.load_der_x509_certificate(writer.get_extra_info("ssl_object").getpeercert(True))
    writer.close()
    return found


async def until(check: Callable[[], Awaitable[bool]], what: str) -> None:
    deadline = time.monotonic() + PATIENCE
    while not await check():
        assert time.monotonic() < deadline, what
        await asyncio.sleep(0.1)


async def state_of(world: World) -> State:
    return await world.store.read(acme.state)


async def is_by_pebble(world: World, service: str = "imaps") -> bool:
    return "Pebble" in (await shown(world, service)).issuer.rfc4514_string()


async def test_the_first_certificate_takes_the_place_of_the_one_of_init(tmp_path: Path) -> None:
    async with certified(tmp_path) as (world, pebble):
        trusting = ssl.create_default_context(cafile=str(world.ca))
        reader, before = await asyncio.open_connection(
            HOST, world.ports["imaps"], ssl=trusting, server_hostname=DOMAINS[0]
        )
        await until(lambda: is_by_pebble(world), "no certificate has come")
        context = ssl.create_default_context(cadata=pebble.root())
        for service in ("imaps", "https", "submissions", "xmpps"):
            for name in (NAME, CHAT):
                _, writer = await asyncio.open_connection(
                    HOST, world.ports[service], ssl=context, server_hostname=name
                )
                writer.close()
        # Who was connected stays connected.
        assert b"OK" in await reader.readline()
        before.write(b"a NOOP\r\n")
        assert await reader.readline() == b"a OK NOOP completed\r\n"
        before.close()
        file = world.config.acme_file
        assert file.stat().st_mode & 0o777 == 0o600
        state = await state_of(world)
        assert (state.directory, state.failures, state.error) == (pebble.directory_url, 0, "")
        # A reload changes nothing about it, a restart neither.
        world.daemon.reload()
        serial = (await shown(world, "imaps")).serial_number
        await world.stop()
        await world.start()
        assert (await shown(world, "imaps")).serial_number == serial


async def test_a_name_that_leads_elsewhere_keeps_no_other_waiting(tmp_path: Path) -> None:
    async with certified(tmp_path, names=(NAME, NOWHERE, CHAT)) as (world, _):
        await until(lambda: is_by_pebble(world), "no certificate has come")
        found = (await shown(world, "https")).extensions.get_extension_for_class(x509.SubjectAlternativeName)
        assert sorted(found.value.get_values_for_type(x509.DNSName)) == [CHAT, NAME]
        state = await state_of(world)
        assert list(state.refused) == [NOWHERE]
        assert state.refused[NOWHERE]
        assert state.again > state.done


async def test_without_the_host_s_own_name_there_is_none(tmp_path: Path) -> None:
    async with certified(tmp_path, names=(NOWHERE, CHAT)) as (world, _):

        async def has_failed() -> bool:
            return NOWHERE in (await state_of(world)).error

        await until(has_failed, "the order has not failed")
        assert not await is_by_pebble(world)
        assert not world.config.acme_file.exists()


async def test_a_ca_that_is_away_and_comes_back_without_its_memory(tmp_path: Path) -> None:
    async with certified(tmp_path) as (world, pebble):
        await until(lambda: is_by_pebble(world), "no certificate has come")
        first = await shown(world, "imaps")
        pebble.stop()
        await world.store.write(acme.demand)

        async def has_failed() -> bool:
            return (await state_of(world)).failures > 1

        await until(has_failed, "the order has not failed")
        assert (await shown(world, "imaps")) == first
        pebble.start()
        await world.store.write(acme.demand)

        async def is_new() -> bool:
            return (await shown(world, "imaps")).serial_number != first.serial_number

        await until(is_new, "no certificate after the CA came back")
        state = await state_of(world)
        assert (state.failures, state.error, state.demanded) == (0, "", False)


async def test_renewal_when_a_third_of_the_life_is_left(tmp_path: Path) -> None:
    async with certified(tmp_path, settings={"certificateValidityPeriod": 20}) as (world, _):
        await until(lambda: is_by_pebble(world), "no certificate has come")
        first = await shown(world, "imaps")
        state = await state_of(world)
        assert state.renew < round(first.not_valid_after_utc.timestamp() * 1_000_000)

        async def is_new() -> bool:
            return (await shown(world, "imaps")).serial_number != first.serial_number

        await until(is_new, "it was not renewed")


async def test_every_worker_shows_it(tmp_path: Path) -> None:
    async with certified(tmp_path, process=True, server={"workers": 2}) as (world, _):

        async def all_show_it() -> bool:
            return all([await is_by_pebble(world) for _ in range(12)])

        await until(all_show_it, "some worker shows another certificate")
        assert world.log_file.read_text().count("certificate made") == 1


async def test_an_account_that_the_ca_demands(tmp_path: Path) -> None:
    key = "zWNDZM6eQGHWpSRTPal5eIUYFTu7EajVIoguysqZ9wG44nMEtx3MUAsUDkMTQ12W"
    (tmp_path / "eab").write_text(f"{key}\n")
    demanding = {"externalAccountBindingRequired": True, "externalAccountMACKeys": {"ministry": key}}
    binding = {"acme_key_id": "ministry", "acme_key": str(tmp_path / "eab")}
    async with certified(tmp_path, settings=demanding, tls=binding) as (world, _):
        await until(lambda: is_by_pebble(world), "no certificate has come")


async def test_nobody_else_learns_anything_on_port_80(tmp_path: Path) -> None:
    async with certified(tmp_path) as (world, _):
        for path, status in (
            ("/.well-known/acme-challenge/unknown", b"404"),
            ("/.well-known/acme-challenge/" + "a" * 200, b"404"),
            ("/.well-known/acme-challenge/../../", b"308"),
        ):
            reader, writer = await world.connect("http")
            writer.write(f"GET {path} HTTP/1.1\r\nHost: {NAME}\r\nConnection: close\r\n\r\n".encode())
            assert (await reader.readline()).split()[1] == status
            writer.close()


@pytest.mark.drill
async def test_the_ca_wishes_it_renewed_at_once(tmp_path: Path) -> None:
    """RFC 9773: first at two thirds of the life, then by a window that is over. RFC 8738: for an address."""
    program = await asyncio.to_thread(golang.program, *PEBBLE)
    async with certified(tmp_path, names=(HOST,), program=program) as (world, pebble):
        await until(lambda: is_by_pebble(world), "no certificate has come")
        first = await shown(world, "imaps")

        async def was_asked() -> bool:
            state = await state_of(world)
            return state.ask > state.done + 1_000_000

        await until(was_asked, "the CA was not asked when to renew")
        pem = await world.store.read(acme.certificate)
        assert pem is not None
        window = {"start": "2026-01-01T00:00:00Z", "end": "2026-01-02T00:00:00Z"}
        wish = {"certificate": leaf(pem).decode(), "ariResponse": json.dumps({"suggestedWindow": window})}
        await asyncio.to_thread(pebble.ask, "/set-renewal-info/", json.dumps(wish).encode())

        async def ask_now(tx: Tx) -> None:
            await acme.keep_state(tx, dataclasses.replace(await acme.state(tx), ask=0))
            tx.publish(acme.TOPIC, b"")

        await world.store.write(ask_now)

        async def is_new() -> bool:
            return (await shown(world, "imaps")).serial_number != first.serial_number

        await until(is_new, "it was not renewed")

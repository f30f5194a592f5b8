# SPDX-License-Identifier: Apache-2.0
"""`armgs dkim …`: the keys with which a domain signs its mail, and what its DNS must say of them."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import click

from armgs_server.cli.output import print_record, print_records, remark
from armgs_server.cli.workplace import Workplace, config_option, json_option, work_on
from armgs_server.errors import Denied, DomainError, Invalid, NotFound
from armgs_server.formats import addresses
from armgs_server.storage import clock, dkim_keys
from armgs_server.storage.dkim_keys import DkimKey
from armgs_server.trust import keys
from armgs_server.trust.lookups import Lookups

# One key of each: RSA for everybody, Ed25519 for those who know RFC 8463.
ALGORITHMS = {"r": "rsa-sha256", "e": "ed25519-sha256"}
COLUMNS = ("domain", "selector", "algorithm", "used", "created", "published")
# RFC 1035 §3.3: a character-string of a TXT record.
STRING = 255


@click.group()
def dkim() -> None:
    """Keys that sign mail (DKIM): key, show, use, remove."""


@dkim.command()
@click.argument("domain")
@click.option("--selector", default="", help="Name of the keys; otherwise today's date.")
@click.option("--use", "is_used", is_flag=True, help="Sign with them at once, published or not.")
@config_option
@json_option
def key(domain: str, selector: str, is_used: bool, config_path: Path | None, as_json: bool) -> None:
    """Makes new keys for DOMAIN, and prints the records that its DNS needs.

    When the records are published, `armgs dkim use DOMAIN` begins to sign with the new keys; leave the
    records of the old ones in the DNS for some days, for mail that is still on its way.
    """
    name = selector or datetime.now(UTC).strftime("%Y%m%d")

    async def work(workplace: Workplace) -> list[dict[str, Any]]:
        served = _served(workplace, domain)
        made = {f"{name}{letter}": keys.generate(algorithm) for letter, algorithm in ALGORITHMS.items()}

        async def add(tx: Any) -> None:
            for each, private in made.items():
                addresses.check_domain(f"{each}.{addresses.to_ascii(served)}")
                await dkim_keys.add(tx, served, each, private, is_used=False)
            if is_used:
                await dkim_keys.use(tx, served, list(made))

        await workplace.store.write(add)
        held = await workplace.store.read(lambda tx: dkim_keys.of(tx, served))
        return [_record(each) for each in held if each.selector in made]

    _print(as_json, work_on(config_path, work))


@dkim.command()
@click.argument("domain", required=False)
@click.option("--no-check", is_flag=True, help="Do not ask the DNS what is published.")
@config_option
@json_option
def show(domain: str | None, no_check: bool, config_path: Path | None, as_json: bool) -> None:
    """Shows the keys of DOMAIN, or of all, with their records, and whether the DNS has them."""

    async def work(workplace: Workplace) -> list[dict[str, Any]]:
        domains = [_served(workplace, domain)] if domain else await workplace.store.read(dkim_keys.domains)
        records = []
        for name in domains:
            held = await workplace.store.read(partial(dkim_keys.of, domain=name))
            published = ["" if no_check else await _published(workplace, each) for each in held]
            records += [
                _record(each) | {"published": said} for each, said in zip(held, published, strict=True)
            ]
        return records

    _print(as_json, work_on(config_path, work))


@dkim.command()
@click.argument("domain")
@click.argument("selectors", nargs=-1, metavar="[SELECTOR...]")
@click.option("--force", is_flag=True, help="Even if the DNS does not have their records.")
@config_option
@json_option
def use(
    domain: str, selectors: tuple[str, ...], force: bool, config_path: Path | None, as_json: bool
) -> None:
    """Signs from now on with the keys named, or else with the newest of each kind."""

    async def work(workplace: Workplace) -> dict[str, Any]:
        served = _served(workplace, domain)
        held = await workplace.store.read(lambda tx: dkim_keys.of(tx, served))
        chosen = list(selectors) or _newest(held)
        if not chosen:
            raise NotFound(f"{domain} has no keys: make them with armgs dkim key {domain}")
        for each in held:
            if each.selector in chosen and not force and await _published(workplace, each) != "yes":
                raise Denied(f"{each.selector}._domainkey.{domain} is not in the DNS; --force signs anyway")
        await workplace.store.write(lambda tx: dkim_keys.use(tx, served, chosen))
        return {"domain": served, "selectors": chosen}

    print_record(as_json, work_on(config_path, work))


@dkim.command()
@click.argument("domain")
@click.argument("selector")
@config_option
def remove(domain: str, selector: str, config_path: Path | None) -> None:
    """Forgets a key; its record may leave the DNS some days later."""

    async def work(workplace: Workplace) -> None:
        served = _served(workplace, domain)
        await workplace.store.write(lambda tx: dkim_keys.remove(tx, served, selector))

    work_on(config_path, work)


def _served(workplace: Workplace, domain: str) -> str:
    normalised = addresses.normalise_domain(domain)
    if not workplace.directory.is_local(normalised):
        raise NotFound(f"{domain} is not a domain of this server")
    return normalised


def _newest(held: Sequence[DkimKey]) -> list[str]:
    newest = {keys.algorithm_of(keys.load_private(each.private)): each.selector for each in held}
    return list(newest.values())


def _record(held: DkimKey) -> dict[str, Any]:
    private = keys.load_private(held.private)
    text = keys.dns_record(private)
    strings = " ".join(f'"{text[start : start + STRING]}"' for start in range(0, len(text), STRING))
    name = f"{held.selector}._domainkey.{addresses.to_ascii(held.domain)}."
    return {
        "domain": held.domain,
        "selector": held.selector,
        "algorithm": keys.algorithm_of(private),
        "used": held.is_used,
        "created": datetime.fromtimestamp(held.created // clock.SECOND, UTC).isoformat(),
        "published": "",
        "record": f"{name} TXT {strings}",
    }


async def _published(workplace: Workplace, held: DkimKey) -> str:
    """Whether the DNS has the key: yes, no, another one, or no answer."""
    name = f"{held.selector}._domainkey.{addresses.to_ascii(held.domain)}"
    try:
        async with asyncio.timeout(workplace.config.smtp.dns_timeout * 2):
            texts = await Lookups(workplace.config).texts(name)
    except (DomainError, TimeoutError):
        return "no answer"
    ours = keys.load_private(held.private).public_key()
    for text in texts:
        try:
            found = keys.parse_key_record(text.decode("ascii", "replace")).key
        except Invalid:
            continue
        if found == ours:
            return "yes"
    return "another" if texts else "no"


def _print(as_json: bool, records: list[dict[str, Any]]) -> None:
    print_records(as_json, "", records, COLUMNS)
    if not as_json:
        remark("Records of the DNS:")
        for record in records:
            click.echo(record["record"])

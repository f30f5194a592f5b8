# SPDX-License-Identifier: Apache-2.0
"""smtp/commands.py: what is offered is what is there, on each role, before and after TLS and log-in."""

from __future__ import annotations

import re

import pytest

from armgs_server.smtp import commands, parameters, replies
from tests.smtp.client import Client
from tests.world import IVANOV, World

ALWAYS = {
    "PIPELINING",
    "SIZE 52428800",
    "8BITMIME",
    "SMTPUTF8",
    "CHUNKING",
    "BINARYMIME",
    "ENHANCEDSTATUSCODES",
    "HELP",
    "DELIVERBY",
    "MT-PRIORITY",
    "LIMITS RCPTMAX=1000",
}


@pytest.mark.parametrize(
    ("service", "secure", "more"),
    [
        ("smtp", False, {"STARTTLS", "DSN"}),
        (
            "submission",
            False,
            {
                *("STARTTLS", "DSN", "FUTURERELEASE"),
                "AUTH SCRAM-SHA-256 SCRAM-SHA-1 OAUTHBEARER XOAUTH2 PLAIN LOGIN",
            },
        ),
        (
            "submissions",
            True,
            {
                *("DSN", "REQUIRETLS", "FUTURERELEASE"),
                "AUTH SCRAM-SHA-256-PLUS SCRAM-SHA-1-PLUS SCRAM-SHA-256 SCRAM-SHA-1 OAUTHBEARER XOAUTH2"
                " PLAIN LOGIN",
            },
        ),
    ],
)
async def test_what_each_port_offers(world: World, service: str, secure: bool, more: set[str]) -> None:
    async with Client(world, service, secure=secure) as client:
        offered = await client.ehlo()
        # The date in FUTURERELEASE moves on.
        assert {re.sub(r"^FUTURERELEASE 2678400 \S+Z$", "FUTURERELEASE", each) for each in offered} == (
            ALWAYS | more
        )


async def test_helo_offers_nothing(world: World) -> None:
    async with Client(world) as client:
        assert await client.say("HELO client.example") == "250 localhost"
        assert (await client.mail("a@b.example", IVANOV)).startswith("250 ")


def test_help_names_the_commands_there_are() -> None:
    named = set(replies.HELP_214.lines[0].removeprefix("Commands: ").split())
    working = {
        verb
        for verb, specification in commands.COMMANDS.items()
        if specification.handler is not commands.handle_not_implemented
    }
    working -= {"LHLO", "XCLIENT"}  # for mail servers that are known here
    assert named == working


def test_parameters_belong_to_what_is_offered() -> None:
    assert set(parameters.MAIL_PARAMETERS) == {
        *("SIZE", "BODY", "SMTPUTF8", "AUTH", "RET", "ENVID"),
        *("REQUIRETLS", "BY", "HOLDFOR", "HOLDUNTIL", "MT-PRIORITY"),
    }
    assert set(parameters.RCPT_PARAMETERS) == {"NOTIFY", "ORCPT"}

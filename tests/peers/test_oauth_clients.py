# SPDX-License-Identifier: Apache-2.0
"""Real clients that log in by tokens: curl for every protocol, msmtp for both mechanisms."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.portal import oauth_client as program
from tests.world import HOSTNAME, IVANOV, PETROVA, World

pytestmark = pytest.mark.peer

TIMEOUT = 60.0
MESSAGE = f"From: {IVANOV}\r\nTo: {PETROVA}\r\nSubject: by token\r\n\r\nHello.\r\n"


async def run(*command: str, stdin: str = "") -> tuple[int, str]:
    """The exit status, and all that is said."""
    process = await asyncio.create_subprocess_exec(
        *command,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    async with asyncio.timeout(TIMEOUT):
        output, _ = await process.communicate(stdin.encode())
    assert process.returncode is not None
    return process.returncode, output.decode(errors="replace")


async def token_for(world: World, scope: str) -> str:
    client = await program.register(world, "curl")
    return str((await program.tokens(world, client, scope=scope))["access_token"])


async def test_curl(debian: Callable[..., None], tmp_path: Path) -> None:
    debian("curl")
    message = tmp_path / "message"
    message.write_text(MESSAGE)
    async with World(tmp_path, settings={"pop3": {"enabled": True}}) as world:

        def curl(scheme: str, path: str, mechanism: str, token: str, *options: str) -> tuple[str, ...]:
            service = {"smtps": "submissions", "https": "https"}.get(scheme, scheme)
            url = f"{scheme}://{HOSTNAME}:{world.ports[service]}{path}"
            login = ("--login-options", f"AUTH={mechanism}") if mechanism else ()
            user = ("--user", f"{IVANOV}:") if mechanism else ()
            common = ("curl", "-sS", "-v", "--cacert", str(world.ca), "--oauth2-bearer", token)
            return (*common, *user, *login, *options, url)

        mail, files = await token_for(world, "mail"), await token_for(world, "files")
        for mechanism in ("OAUTHBEARER", "XOAUTH2"):
            sending = ("--mail-from", IVANOV, "--mail-rcpt", IVANOV, "--upload-file", str(message))
            code, said = await run(*curl("smtps", "/laptop.example", mechanism, mail, *sending))
            assert code == 0, said
            code, said = await run(*curl("imaps", "/INBOX", mechanism, mail, "-X", "STATUS INBOX (MESSAGES)"))
            assert code == 0 and "MESSAGES" in said, said
            code, said = await run(*curl("pop3s", "/1", mechanism, mail))
            assert code == 0 and "Subject: by token" in said, said
            # A token for files opens no mail: curl 67 is "user name, password or similar was not accepted".
            code, said = await run(*curl("imaps", "/INBOX", mechanism, files))
            assert code == 67, said
        url = f"/dav/files/{IVANOV}/a.txt"
        code, said = await run(*curl("https", url, "", files, "--upload-file", str(message), "--fail"))
        assert code == 0, said
        code, said = await run(*curl("https", url, "", files, "--fail"))
        assert code == 0 and "Hello." in said, said
        code, said = await run(*curl("https", url, "", mail, "--fail"))
        assert code == 22 and "insufficient_scope" in said, said


async def test_msmtp(debian: Callable[..., None], tmp_path: Path) -> None:
    debian("msmtp")
    async with World(tmp_path) as world:
        token = await token_for(world, "mail")
        for mechanism in ("oauthbearer", "xoauth2"):
            for given, expected in ((token, 0), ("7.x", 77)):  # EX_NOPERM of sysexits.h
                command: tuple[str, ...] = ("msmtp", "--file=/dev/null", f"--host={HOSTNAME}")
                command += (f"--port={world.ports['submissions']}", "--tls=on", "--tls-starttls=off")
                command += (f"--tls-trust-file={world.ca}", f"--auth={mechanism}", f"--user={IVANOV}")
                command += (f"--passwordeval=echo {given}", f"--from={IVANOV}", "--debug", PETROVA)
                code, said = await run(*command, stdin=MESSAGE)
                assert code == expected, said

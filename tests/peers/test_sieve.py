# SPDX-License-Identifier: Apache-2.0
"""Mail rules with clients people use (sieve-connect, sievelib), and what Pigeonhole makes of scripts."""

from __future__ import annotations

import asyncio
import os
import re
import subprocess
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from sievelib.factory import FiltersSet
from sievelib.managesieve import Client

from armgs_server.rules.sieve.actions import Redirect, Reject, Vacation
from tests.rules.office import counts, message, send
from tests.rules.sieve import cases
from tests.rules.sieve.running import ADDRESS, Office, filed
from tests.world import HOST, HOSTNAME, PASSWORD, PETROVA, World

pytestmark = pytest.mark.peer
Debian = Callable[..., None]
TIMEOUT = 60.0
NAMES = re.compile(r'^"?([^"]+?)"?(?: ACTIVE)?$', re.MULTILINE)


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    """As in real life: nobody logs in without TLS."""
    async with World(tmp_path, settings={"security": {"allow_plaintext": False}}) as world:
        yield world


async def sieve_connect(world: World, *options: str) -> str:
    """sieve-connect to its end; what it printed. The password comes by a pipe, as from a password manager."""
    read, write = os.pipe()
    os.write(write, PASSWORD.encode() + b"\n")
    os.close(write)
    process = await asyncio.create_subprocess_exec(
        *("sieve-connect", "--server", HOST, "--port", str(world.ports["sieve"]), "--user", PETROVA),
        *("--passwordfd", str(read), "--tlscafile", str(world.ca), "--tlshostname", HOSTNAME, *options),
        pass_fds=(read,),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    os.close(read)
    async with asyncio.timeout(TIMEOUT):
        output, _ = await process.communicate()
    text = output.decode(errors="replace")
    assert process.returncode == 0, text
    return text


async def test_sieve_connect_keeps_scripts(world: World, debian: Debian, tmp_path: Path) -> None:
    debian("sieve-connect", "libauthen-sasl-perl")
    local = tmp_path / "main.sieve"
    local.write_text('require "fileinto";\nfileinto "Archive";\n')
    remote = ("--localsieve", str(local), "--remotesieve", "main")
    await sieve_connect(world, "--checkscript", *remote)
    await sieve_connect(world, "--upload", *remote)
    assert "main" in await sieve_connect(world, "--list")
    await sieve_connect(world, "--activate", "--remotesieve", "main")
    await send(world, message())
    assert await counts(world) == {"Archive": 1}
    copy = tmp_path / "copy.sieve"
    await sieve_connect(world, "--download", "--localsieve", str(copy), "--remotesieve", "main")
    assert copy.read_bytes().split() == local.read_bytes().split()
    await sieve_connect(world, "--deactivate")
    await sieve_connect(world, "--delete", "--remotesieve", "main")
    assert "main" not in await sieve_connect(world, "--list")


async def test_sieve_connect_is_told_what_is_wrong(world: World, debian: Debian, tmp_path: Path) -> None:
    debian("sieve-connect", "libauthen-sasl-perl")
    local = tmp_path / "wrong.sieve"
    local.write_text('keep;\nfileinto "Archive";\n')
    with pytest.raises(AssertionError, match="line 2: fileinto needs require"):
        await sieve_connect(world, "--upload", "--localsieve", str(local), "--remotesieve", "wrong")


@pytest.mark.filterwarnings("ignore:Credentials are sent")  # on this machine
async def test_sievelib_makes_rules_that_run(tmp_path: Path) -> None:
    """Its generator writes a script, its client puts it."""
    rules = FiltersSet("office")
    rules.addfilter("lists", [("Subject", ":contains", "[list]")], [("fileinto", "Archive")])
    rules.addfilter("spam", [("Subject", ":matches", "*sale*")], [("fileinto", "Junk"), ("stop",)])
    script = str(rules)
    async with World(tmp_path) as world:

        def manage() -> tuple[str, list[str]]:
            client = Client(HOST, world.ports["sieve"])
            assert client.connect(PETROVA, PASSWORD, authmech="PLAIN")
            assert client.havespace("office", len(script))
            assert client.checkscript(script)
            assert client.putscript("office", script)
            assert client.renamescript("office", "work")
            assert client.setactive("work")
            active, others = client.listscripts()
            assert client.getscript("work").split() == script.split()
            client.logout()
            return active, others

        assert await asyncio.to_thread(manage) == ("work", [])
        await send(world, message(Subject="[list] x"))
        await send(world, message(Subject="a sale"))
        await send(world, message())
        assert await counts(world) == {"Archive": 1, "Junk": 1, "INBOX": 1}


# Pigeonhole

CONFIGURATION = """
mail_uid = {uid}
mail_gid = {gid}
first_valid_uid = 0
first_valid_gid = 0
mail_home = {path}
mail_location = maildir:{path}/Maildir
log_path = /dev/stderr
postmaster_address = postmaster@digital.example
plugin {{
  sieve_extensions = +editheader +vacation-seconds
}}
"""

ACTIONS = (
    "",
    "keep;",
    "discard;",
    'fileinto "A";',
    'fileinto :copy "A"; stop; fileinto "B";',
    'fileinto "A"; fileinto "B"; keep;',
    'redirect "a@b.example";',
    'redirect :copy "a@b.example"; redirect :copy "c@b.example";',
    'if header :matches "subject" "*[*]*" { fileinto "List-${2}"; }',
    'if header :regex "subject" "([0-9]+)$" { fileinto "N${1}"; } else { discard; }',
    'setflag "\\\\Seen"; addflag ["a", "b"]; removeflag "A"; fileinto "A";',
    'fileinto :flags ["\\\\Flagged", "x y"] "A"; keep :flags "z";',
    'set :upper "a" "abc"; set :length "b" "${a}"; fileinto "${a}${b}";',
    'set "a" "1"; if string :is "${a}" "1" { set "a" "${a}${a}"; } fileinto "${a}";',
    'vacation :days 2 :addresses "petrova+work@digital.example" "away";',
    'reject "no";',
    'if allof (not exists "x-missing", anyof (size :under 1, header "x-number" "17 apples")) {discard;}',
    'if true { if false { keep; } elsif true { fileinto "E"; } else { discard; } }',
    'foreverypart { if header :mime :subtype "content-type" "html" { fileinto "H"; break; } }',
    'addheader "X-A" "b"; if header "x-a" "b" { fileinto "Added"; }',
    'deleteheader "x-number"; if not exists "x-number" { fileinto "Gone"; }',
)
REQUIRED = (*cases.REQUIRED, "copy", "vacation", "reject", "foreverypart", "editheader")


MAIL = Path(__file__).parents[3] / "shared" / "data" / "mail"
OF_REAL_MAIL = (
    'header :contains "subject" "a"',
    'header :matches "subject" "*e*"',
    'header :count "ge" :comparator "i;ascii-numeric" "received" "3"',
    'header :regex "subject" "^[A-Z]"',
    'header :is "x-mailer" ""',
    'header :matches "from" "*<*>*"',
    'header :contains ["to", "cc"] "@"',
    'header :mime :anychild :type :is "content-type" "image"',
    'header :mime :anychild :contenttype :is "content-type" "text/html"',
    'header :mime :anychild :contains "content-transfer-encoding" "base64"',
    'address :all :matches ["from", "sender", "reply-to"] "*@*"',
    'address :localpart :is "from" ""',
    'exists ["message-id", "date"]',
    'exists "mime-version"',
    'date :zone "+0000" :value "ge" "date" "year" "2005"',
    'date :originalzone :is "date" "weekday" "1"',
    'date :zone "+0000" :contains "date" "hour" "1"',
    'body :raw :contains "e"',
)


class Pigeonhole:
    """sieve-test: what the other implementation would do."""

    def __init__(self, path: Path) -> None:
        self.path = path
        home = path / "mail"
        home.mkdir(mode=0o777)
        # Root may not run scripts there: nobody does, and may write what it makes of them.
        self._uid, self._gid = ("nobody", "nogroup") if os.geteuid() == 0 else (os.geteuid(), os.getegid())
        for folder in (path, home):
            folder.chmod(0o777)
        text = CONFIGURATION.format(uid=self._uid, gid=self._gid, path=home)
        (path / "dovecot.conf").write_text(text)

    def run(self, script: str, letter: bytes = cases.LETTER.encode()) -> str:
        (self.path / "letter.eml").write_bytes(letter)
        (self.path / "test.sieve").write_text(script)
        (self.path / "test.svbin").unlink(missing_ok=True)
        done = subprocess.run(
            [
                *("sieve-test", "-c", str(self.path / "dovecot.conf"), "-f", cases.SENDER),
                *("-a", cases.RECIPIENT, "-r", cases.RECIPIENT),
                *(str(self.path / "test.sieve"), str(self.path / "letter.eml")),
            ],
            capture_output=True,
            text=True,
            timeout=TIMEOUT,
            check=False,
        )
        assert "final result: success" in done.stderr, done.stderr
        return done.stdout


@pytest.fixture
def pigeonhole(debian: Debian) -> Iterator[Pigeonhole]:
    debian("dovecot-sieve")
    # Not below pytest's folder: whom it runs as could not get there.
    with TemporaryDirectory(prefix="armgs-pigeonhole-", ignore_cleanup_errors=True) as folder:
        yield Pigeonhole(Path(folder))


@pytest.fixture
async def office(tmp_path: Path) -> AsyncIterator[Office]:
    office = await Office.open(tmp_path)
    yield office
    await office.close()


def theirs(output: str) -> set[str]:
    """What sieve-test says would be done, in our words."""
    found: set[str] = set()
    for name, flags in re.findall(
        r"^ \* store message in folder: (.*)\n((?:\s+\+ add IMAP flags: .*\n)?)", output, re.MULTILINE
    ):
        words = sorted(flags.partition(": ")[2].lower().split())
        found.add(f"file {name} {' '.join(words)}".strip())
    found.update(f"redirect {address}" for address in re.findall(r"redirect message to: <(.*)>", output))
    found.update(f"vacation {seconds}" for seconds in re.findall(r"=> seconds : (\d+)", output))
    if "reject message" in output:
        found.add("reject")
    return found


async def ours(office: Office, script: str) -> set[str]:
    outcome = await office.outcome(script)
    kept = filed(outcome)
    if outcome.keeps:
        kept["INBOX"] = outcome.keep_flags
    found = {
        f"file {name} {' '.join(sorted(flag.lower() for flag in flags))}".strip()
        for name, flags in kept.items()
    }
    for action in outcome.actions:
        if isinstance(action, Redirect):
            found.add(f"redirect {action.address}")
        elif isinstance(action, Vacation):
            found.add(f"vacation {action.seconds}")
        elif isinstance(action, Reject):
            found.add("reject")
    return found


async def test_pigeonhole_answers_the_tests_alike(pigeonhole: Pigeonhole) -> None:
    output = pigeonhole.run(cases.script(cases.COMMON, cases.REQUIRED))
    flags = re.search(r"add IMAP flags: (.*)", output)
    assert flags is not None
    assert cases.differences(cases.COMMON, set(flags[1].split())) == []


@pytest.mark.skipif(not MAIL.is_dir(), reason="the real-world messages (../shared/data) are not there")
async def test_pigeonhole_reads_real_mail_alike(pigeonhole: Pigeonhole, office: Office) -> None:
    """Broken messages, too; what both make of a field that is none, or of an empty one, is left out."""
    script = cases.script(tuple((True, test) for test in OF_REAL_MAIL), cases.REQUIRED)
    different = []
    for path in sorted(MAIL.rglob("*.eml")):
        output = pigeonhole.run(script, path.read_bytes())
        flags = re.search(r"add IMAP flags: (.*)", output)
        outcome = await office.outcome(script, letter=path.read_bytes())
        found = set(filed(outcome)["INBOX"])
        for number in found ^ set(flags[1].split() if flags is not None else ()):
            different.append((path.name, OF_REAL_MAIL[int(number[1:])]))
    assert different == []


@pytest.mark.parametrize("script", ACTIONS)
async def test_pigeonhole_does_the_same(pigeonhole: Pigeonhole, office: Office, script: str) -> None:
    names = ", ".join(f'"{name}"' for name in REQUIRED)
    whole = f"require [{names}];\r\n{script}\r\n"
    assert await ours(office, whole) == theirs(pigeonhole.run(whole))
    assert office.owner.address == ADDRESS

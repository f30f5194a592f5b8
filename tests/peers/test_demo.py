# SPDX-License-Identifier: Apache-2.0
"""What `make run` prints is true: each row of the table, tried with a real client (curl, go-sendxmpp)."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.world import free_offset

pytestmark = pytest.mark.peer
Debian = Callable[..., None]
ROOT = Path(__file__).parent.parent.parent
ACCOUNT = "ivanov@digital.example"
TIMEOUT = 60


class Demo:
    """The demonstration, served by a process of its own, and its table."""

    def __init__(self, table: dict[str, Any], folder: Path) -> None:
        self.services = {service["service"]: service for service in table["services"]}
        self.password: str = table["password"]
        self.ca: str = table["ca"]
        self.folder = folder

    def run(self, *command: str, stdin: str = "", code: int = 0) -> str:
        done = subprocess.run(
            command,
            input=stdin,
            capture_output=True,
            text=True,
            timeout=TIMEOUT,
            cwd=self.folder,
            env=os.environ | {"SSL_CERT_FILE": self.ca, "HOME": str(self.folder)},
            check=False,
        )
        assert done.returncode == code, f"{command}: {done.returncode}\n{done.stdout}\n{done.stderr}"
        return done.stdout

    def curl(self, *arguments: str) -> str:
        return self.run(
            "curl", "-sS", "--cacert", self.ca, "--user", f"{ACCOUNT}:{self.password}", *arguments
        )

    def address(self, service: str) -> str:
        return str(self.services[service]["address"])

    def port(self, service: str) -> int:
        return int(self.services[service]["port"])


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    folder = tmp_path_factory.mktemp("demo")
    command = [sys.executable, "-m", "armgs_server", "demo", str(folder / "demo"), "--serve", "--json"]
    with subprocess.Popen(
        [*command, "--port-offset", str(free_offset())],
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env=os.environ | {"PYTHONUNBUFFERED": "1"},
    ) as process:
        assert process.stdout is not None
        text = ""
        for line in process.stdout:
            text += line
            if line == "}\n":
                break
        try:
            yield Demo(json.loads(text), folder)
        finally:
            process.send_signal(signal.SIGTERM)
            assert process.wait(TIMEOUT) == 0


def test_start_page(debian: Debian, demo: Demo) -> None:
    debian("curl")
    assert "ca.crt" in demo.curl("--location", demo.address("Start page"))
    plain = demo.address("HTTP (redirects, CA)")
    assert "BEGIN CERTIFICATE" in demo.run("curl", "-sS", f"{plain}ca.crt")
    redirected = demo.run("curl", "-sS", "-o", "/dev/null", "-w", "%{redirect_url}", f"{plain}dav/")
    assert redirected == f"{demo.address('Start page')}dav/"


@pytest.mark.parametrize(("service", "scheme"), [("IMAP (TLS)", "imaps"), ("IMAP (STARTTLS)", "imap")])
def test_imap(debian: Debian, demo: Demo, service: str, scheme: str) -> None:
    debian("curl")
    url = f"{scheme}://{demo.address(service)}:{demo.port(service)}/"
    listed = demo.curl("--ssl-reqd", url)
    assert "INBOX" in listed
    header = demo.curl("--ssl-reqd", f"{url}INBOX;MAILINDEX=1;SECTION=HEADER.FIELDS%20(SUBJECT)")
    assert header.startswith("Subject: ")


@pytest.mark.parametrize(
    ("service", "scheme"),
    [
        ("SMTP submission (TLS)", "smtps"),
        ("SMTP submission (STARTTLS)", "smtp"),
        ("SMTP from other servers", "smtp"),
    ],
)
def test_smtp(debian: Debian, demo: Demo, service: str, scheme: str) -> None:
    """Submitted by ivanov, or brought by another server without log-in: petrova has it."""
    debian("curl")
    outside = service == "SMTP from other servers"
    sender = "somebody@elsewhere.example" if outside else ACCOUNT
    mail = demo.folder / "mail"
    mail.write_text(f"From: {sender}\r\nTo: petrova@digital.example\r\nSubject: {service}\r\n\r\nbody\r\n")
    arguments = [
        *("--ssl-reqd", f"{scheme}://{demo.address(service)}:{demo.port(service)}/client.example"),
        *("--mail-from", sender, "--mail-rcpt", "petrova@digital.example", "--upload-file", str(mail)),
    ]
    if outside:
        demo.run("curl", "-sS", "--cacert", demo.ca, *arguments)
    else:
        demo.curl(*arguments)
    inbox = f"imaps://{demo.address('IMAP (TLS)')}:{demo.port('IMAP (TLS)')}/INBOX"
    petrova = ("--user", f"petrova@digital.example:{demo.password}")
    found = demo.curl(*petrova, "--request", f'SEARCH SUBJECT "{service}"', inbox)
    assert found.startswith("* SEARCH ")
    assert len(found.split()) == 3


@pytest.mark.parametrize("service", ["XMPP (TLS)", "XMPP (STARTTLS)"])
def test_xmpp(debian: Debian, demo: Demo, service: str) -> None:
    """go-sendxmpp leaves a message for petrova, who is not there; her archive has it."""
    debian("go-sendxmpp")
    arguments = ["--username", ACCOUNT, "--password", demo.password]
    arguments += ["--jserver", f"{demo.address(service)}:{demo.port(service)}"]
    if service == "XMPP (TLS)":
        arguments.append("--tls")
    assert demo.run("go-sendxmpp", *arguments, "petrova@digital.example", stdin=service) == ""
    out = demo.folder / service
    exported = [sys.executable, "-m", "armgs_server", "export", "petrova@digital.example", str(out)]
    subprocess.run(
        [*exported, "--config", str(demo.folder / "demo")],
        cwd=ROOT,
        check=True,
        capture_output=True,
        timeout=TIMEOUT,
    )
    assert f"<body>{service}" in (out / "chat.xml").read_text()


@pytest.mark.parametrize(
    ("service", "shown"),
    [
        ("CalDAV", "/default/"),
        ("CardDAV", "/contacts/"),
        ("WebDAV, own files", "%D0%97%D0%B0%D0%BC%D0%B5%D1%82%D0%BA%D0%B8"),
        ("WebDAV, department's files", "Regulations"),
    ],
)
def test_dav(debian: Debian, demo: Demo, service: str, shown: str) -> None:
    debian("curl")
    answer = demo.curl("--request", "PROPFIND", "--header", "Depth: 1", demo.address(service))
    assert "multistatus" in answer
    assert shown in answer

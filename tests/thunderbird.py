# SPDX-License-Identifier: Apache-2.0
"""Thunderbird of Debian under Xvfb, driven by Marionette: scripts run where its own windows' code runs.

`await thunderbird.run(script, ...)` gives the script `args` and wants it to return (or await) plain data. The
wire is that of Marionette, protocol 3: LENGTH:JSON each way, a command is [0, id, name, parameters].
"""

from __future__ import annotations

import asyncio
import base64
import json
import os
import signal
import ssl
from pathlib import Path
from types import TracebackType
from typing import Any

PACKAGES = ("thunderbird", "xvfb", "xauth")
START_TIMEOUT = 120.0
SCRIPT_TIMEOUT = 90.0
# No first-run pages, no updates, nothing asked of the Internet; names are looked up by a proxy that is us.
PREFERENCES: dict[str, bool | int | str] = {
    "app.donation.eoy.version.viewed": 999,
    "app.update.enabled": False,
    "browser.aboutwelcome.enabled": False,
    "datareporting.policy.dataSubmissionEnabled": False,
    "datareporting.policy.dataSubmissionPolicyBypassNotification": True,
    "mail.provider.suppress_dialog_on_startup": True,
    "mail.spotlight.firstRunDone": True,
    "mail.winsearch.firstRunDone": True,
    "mailnews.start_page.enabled": False,
    "mailnews.auto_config_url": "",
    "mailnews.mx_service_url": "",
    "marionette.port": 0,
    "network.proxy.type": 1,
    "network.proxy.ssl": "127.0.0.1",
    "network.proxy.ssl_port": 1,
    "network.proxy.no_proxies_on": "localhost, 127.0.0.1",
    "toolkit.telemetry.enabled": False,
}
_TRUST = """
    const [certificate] = args;
    Cc["@mozilla.org/security/x509certdb;1"].getService(Ci.nsIX509CertDB)
        .addCertFromBase64(certificate, "C,C,C");
    Services.prefs.setBoolPref("signon.rememberSignons", true);  // which Marionette has switched off
"""


class Thunderbird:
    """One profile, empty at first. `http_port` answers plain HTTP for every name, `ca` is trusted."""

    def __init__(self, folder: Path, http_port: int, ca: Path) -> None:
        self._profile = folder / "profile"
        self._log = folder / "thunderbird.log"
        self._http_port = http_port
        self._ca = ca
        self._number = 0

    async def __aenter__(self) -> Thunderbird:
        self._profile.mkdir(parents=True)
        preferences = PREFERENCES | {
            "network.proxy.http": "127.0.0.1",
            "network.proxy.http_port": self._http_port,
        }
        lines = [f"user_pref({json.dumps(key)}, {json.dumps(value)});" for key, value in preferences.items()]
        (self._profile / "user.js").write_text("\n".join(lines) + "\n")
        with self._log.open("wb") as log:
            self._process = await asyncio.create_subprocess_exec(
                *(
                    "xvfb-run",
                    "--auto-servernum",
                    "thunderbird",
                    "--marionette",
                    "--no-remote",
                    "--remote-allow-system-access",
                ),
                *("--profile", str(self._profile)),
                env={**os.environ, "HOME": str(self._profile.parent), "LANG": "C.UTF-8", "MOZ_LOG": ""},
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        try:
            async with asyncio.timeout(START_TIMEOUT):
                await self._connect()
        except BaseException:
            await self._end()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if kind is not None:
            print(self._log.read_text(errors="replace")[-4000:])
        self._writer.close()
        await self._end()

    async def _connect(self) -> None:
        port_file = self._profile / "MarionetteActivePort"
        while not port_file.exists() or not port_file.read_text().strip():
            assert self._process.returncode is None, self._log.read_text(errors="replace")[-2000:]
            await asyncio.sleep(0.2)
        port = int(port_file.read_text())
        self._reader, self._writer = await asyncio.open_connection("127.0.0.1", port, limit=1 << 24)
        await self._receive()
        await self._command("WebDriver:NewSession", {})
        await self._command("Marionette:SetContext", {"value": "chrome"})
        await self._command("WebDriver:SetTimeouts", {"script": int(SCRIPT_TIMEOUT * 1000)})
        der = ssl.PEM_cert_to_DER_cert(self._ca.read_text())
        await self.run(_TRUST, base64.b64encode(der).decode())

    async def run(self, script: str, *args: object) -> Any:
        """What the body of an async function returns; what it throws is an AssertionError here."""
        wrapped = f"""
            const resolve = arguments[arguments.length - 1];
            const args = Array.from(arguments).slice(0, -1);
            (async () => {{ {script} }})().then(
                value => resolve({{value: value === undefined ? null : value}}),
                error => resolve({{error: String(error) + "\\n" + (error && error.stack)}}));
        """
        answer = await self._command("WebDriver:ExecuteAsyncScript", {"script": wrapped, "args": list(args)})
        result = answer["value"]
        assert "error" not in result, result["error"]
        return result["value"]

    async def _command(self, name: str, parameters: dict[str, Any]) -> Any:
        self._number += 1
        data = json.dumps([0, self._number, name, parameters]).encode()
        self._writer.write(b"%d:%b" % (len(data), data))
        async with asyncio.timeout(SCRIPT_TIMEOUT + 10):
            _, _, error, result = await self._receive()
        assert error is None, f"{name}: {error}"
        return result

    async def _receive(self) -> Any:
        length = (await self._reader.readuntil(b":"))[:-1]
        return json.loads(await self._reader.readexactly(int(length)))

    async def _end(self) -> None:
        """Ends it with the X server that was started for it."""
        if self._process.returncode is None:
            os.killpg(self._process.pid, signal.SIGTERM)
            try:
                await asyncio.wait_for(self._process.wait(), 20)
            except TimeoutError:
                os.killpg(self._process.pid, signal.SIGKILL)
                await self._process.wait()

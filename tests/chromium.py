# SPDX-License-Identifier: Apache-2.0
"""Debian's Chromium without a window, driven by the DevTools protocol over a pipe.

`async with Chromium(folder, trusted=PEM) as browser: page = await browser.open(url)`. What a page logs as an
error, and every breach of its Content-Security-Policy, is in `page.errors`.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import itertools
import json
import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

WAIT = 60.0
_PATH = "/usr/bin/chromium"
_SWITCHES = (
    "--headless=new",
    "--no-sandbox",  # tests run as root, in containers without user namespaces
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--remote-debugging-pipe",
    "--window-size=1280,900",
)


class Chromium:
    """One browser; each page has cookies and storage of its own."""

    def __init__(self, folder: Path, *, trusted: Path) -> None:
        certificate = x509.load_pem_x509_certificates(trusted.read_bytes())[0]
        key = certificate.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        self._pin = base64.b64encode(hashlib.sha256(key).digest()).decode()
        self._folder = folder
        self._numbers = itertools.count(1)
        self._waiting: dict[int, asyncio.Future[dict[str, Any]]] = {}
        self._pages: dict[str, Page] = {}

    async def __aenter__(self) -> Chromium:
        theirs_in, self._out = os.pipe()
        ours_in, theirs_out = os.pipe()
        profile = tempfile.mkdtemp(dir=self._folder)

        def place() -> None:
            """The browser reads commands from descriptor 3 and writes answers to 4."""
            high_in, high_out = os.dup(theirs_in), os.dup(theirs_out)
            os.dup2(high_in, 3)
            os.dup2(high_out, 4)

        self._process = await asyncio.create_subprocess_exec(
            _PATH,
            *_SWITCHES,
            f"--user-data-dir={profile}",
            f"--ignore-certificate-errors-spki-list={self._pin}",
            "about:blank",
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.DEVNULL,
            env={**os.environ, "HOME": profile},
            pass_fds=(3, 4, theirs_in, theirs_out),
            preexec_fn=place,
            start_new_session=True,
        )
        os.close(theirs_in)
        os.close(theirs_out)
        reader = asyncio.StreamReader(limit=1 << 26)
        self._transport, _ = await asyncio.get_running_loop().connect_read_pipe(
            lambda: asyncio.StreamReaderProtocol(reader), os.fdopen(ours_in, "rb")
        )
        self._listening = asyncio.create_task(self._listen(reader))
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            await self.call("Browser.close")
            await asyncio.wait_for(self._process.wait(), WAIT)
        except (TimeoutError, ConnectionError, AssertionError):
            self._process.kill()
            await self._process.wait()
        self._listening.cancel()
        self._transport.close()
        os.close(self._out)

    async def open(self, url: str) -> Page:
        """A new page in a profile of its own."""
        context = (await self.call("Target.createBrowserContext"))["browserContextId"]
        target = await self.call("Target.createTarget", url="about:blank", browserContextId=context)
        attached = await self.call("Target.attachToTarget", targetId=target["targetId"], flatten=True)
        page = Page(self, attached["sessionId"])
        self._pages[attached["sessionId"]] = page
        for domain in ("Page", "Runtime", "Log", "DOM", "Audits"):
            await page.call(f"{domain}.enable")
        await page.call("Page.navigate", url=url)
        return page

    async def call(self, method: str, session: str = "", **parameters: Any) -> dict[str, Any]:
        """One command and its result."""
        number = next(self._numbers)
        message: dict[str, Any] = {"id": number, "method": method, "params": parameters}
        if session:
            message["sessionId"] = session
        answer = self._waiting[number] = asyncio.get_running_loop().create_future()
        os.write(self._out, json.dumps(message).encode() + b"\0")
        result = await asyncio.wait_for(answer, WAIT)
        if "navigated" in result.get("error", {}).get("message", ""):
            raise NavigatedError(method)
        assert "error" not in result, (method, result["error"])
        return dict(result["result"])

    async def _listen(self, reader: asyncio.StreamReader) -> None:
        while True:
            try:
                message = json.loads((await reader.readuntil(b"\0"))[:-1])
            except asyncio.IncompleteReadError:
                for answer in self._waiting.values():
                    if not answer.done():
                        answer.set_exception(ConnectionError("the browser has ended"))
                return
            if "id" in message:
                self._waiting.pop(message["id"]).set_result(message)
            elif message.get("sessionId") in self._pages:
                self._pages[message["sessionId"]].note(message["method"], message["params"])


class NavigatedError(Exception):
    """The page went away while it was being asked."""


class Page:
    """One page."""

    def __init__(self, browser: Chromium, session: str) -> None:
        self.errors: set[str] = set()
        self._browser = browser
        self._session = session

    async def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        return await self._browser.call(method, self._session, **parameters)

    async def run(self, script: str) -> Any:
        """The value of an expression, awaited where it is a promise."""
        answer = await self.call(
            "Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True, userGesture=True
        )
        assert "exceptionDetails" not in answer, (script, answer["exceptionDetails"])
        return answer["result"].get("value")

    async def until(self, script: str, holds: Callable[[Any], bool] = bool) -> Any:
        """Waits until the expression's value is as it must be."""
        value = None
        try:
            async with asyncio.timeout(WAIT):
                while not holds(value := await self._look(script)):
                    await asyncio.sleep(0.1)
        except TimeoutError:
            shown = await self.run("document.body.innerText.slice(0, 2000)")
            raise AssertionError(f"{script} stays {value!r}; errors {self.errors}; page:\n{shown}") from None
        return value

    async def _look(self, script: str) -> Any:
        try:
            return await self.run(script)
        except NavigatedError:
            return None  # the next page will tell

    async def type(self, selector: str, text: str) -> None:
        """Types into a field as a person does."""
        # In one step: between two the page may be replaced by the next.
        await self.until(f"(field => !!field && (field.focus(), true))(document.querySelector({selector!r}))")
        await self.call("Input.insertText", text=text)

    async def press_enter(self) -> None:
        key = {"key": "Enter", "code": "Enter", "windowsVirtualKeyCode": 13, "text": "\r"}
        await self.call("Input.dispatchKeyEvent", type="keyDown", **key)
        await self.call("Input.dispatchKeyEvent", type="keyUp", **key)

    async def click(self, selector: str) -> None:
        await self.until(f"!!document.querySelector({selector!r})")
        await self.run(f"document.querySelector({selector!r}).click()")

    async def choose_file(self, selector: str, path: Path) -> None:
        """Gives a file to an `<input type=file>`."""
        await self.until(f"!!document.querySelector({selector!r})")
        root = await self.call("DOM.getDocument", depth=0)
        node = await self.call("DOM.querySelector", nodeId=root["root"]["nodeId"], selector=selector)
        await self.call("DOM.setFileInputFiles", files=[str(path)], nodeId=node["nodeId"])

    async def picture(self, path: Path) -> None:
        """What is seen, as PNG."""
        answer = await self.call("Page.captureScreenshot", format="png")
        path.write_bytes(base64.b64decode(answer["data"]))

    def note(self, method: str, parameters: dict[str, Any]) -> None:
        """Something the page has reported."""
        if method == "Log.entryAdded" and parameters["entry"]["level"] == "error":
            entry = parameters["entry"]
            self.errors.add(f"{entry['text']} {entry.get('url', '')}")
        elif method == "Runtime.exceptionThrown":
            details = parameters["exceptionDetails"]
            self.errors.add(str(details.get("exception", {}).get("description") or details["text"]))
        elif method == "Audits.issueAdded" and "contentSecurityPolicyIssueDetails" in str(parameters):
            self.errors.add(json.dumps(parameters["issue"]["details"]))

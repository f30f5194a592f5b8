# SPDX-License-Identifier: Apache-2.0
"""The client's side of one SMTP connection: greeting, STARTTLS, AUTH, and one message after the other.

RFC 5321 §3, RFC 2920 (MAIL and RCPT in one piece where the server pipelines), RFC 3030 (BDAT for what is
binary), RFC 3207, RFC 4954, RFC 9422. What is refused comes back as the answer of a recipient; Broken means
that nothing more can be said on this connection.
"""

from __future__ import annotations

import base64
import re
import ssl
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import replace

from armgs_server.net.stream import Stream
from armgs_server.smtp import responses
from armgs_server.smtp.envelope import Answer, Message, Target
from armgs_server.smtp.responses import BadResponse, Response, ResponseReader

# Octets written before the server's pace is waited for.
PIECE = 256 * 1024
QUIT_TIMEOUT = 5.0

_NOT_CRLF = re.compile(rb"\r\n|\r|\n")


class Broken(Exception):
    """The connection, or the talk on it, has ended before its time."""


class Rejected(Broken):
    """The server has said that it will not talk with us."""


class Client:
    """See the module's docstring. Whoever made the stream closes it, by `quit` or `close`."""

    def __init__(self, stream: Stream, host: str, timeout: float) -> None:
        self.stream = stream
        self.host = host
        self.extensions: Mapping[str, str] = {}
        self.limits: Mapping[str, int] = {}
        self.messages = 0  # sent on this connection
        self._timeout = timeout
        self._reader = ResponseReader()
        self._received: deque[Response] = deque()

    async def greet(self, hostname: str) -> None:
        """The server's greeting, then EHLO, or HELO where that is all the server knows."""
        banner = await self._read()
        if banner.code != 220:
            raise Rejected(banner.text or str(banner.code))
        await self.hello(hostname)

    async def hello(self, hostname: str) -> None:
        """EHLO once more, after STARTTLS."""
        answer = await self._command(f"EHLO {hostname}")
        if not answer.is_positive:
            answer = await self._command(f"HELO {hostname}")
            if not answer.is_positive:
                raise Rejected(answer.text)
            self.extensions = {}
        else:
            self.extensions = responses.extensions(answer)
        self.limits = responses.limits(self.extensions.get("LIMITS", ""))

    async def start_tls(self, context: ssl.SSLContext, name: str, hostname: str) -> None:
        """STARTTLS and the greeting under TLS. ssl.SSLError; Broken."""
        answer = await self._command("STARTTLS")
        if not answer.is_positive:
            raise Rejected(answer.text)
        if self._received or self._reader.has_input:
            raise Broken("the server went on behind STARTTLS")  # RFC 3207 §5: not to be believed
        await self.stream.start_tls(context, name)
        await self.hello(hostname)

    async def login(self, user: str, password: str) -> None:
        """AUTH PLAIN (RFC 4616), for a smart host that wants to know who sends."""
        self.stream.conceal(True)
        token = base64.b64encode(f"\0{user}\0{password}".encode()).decode()
        answer = await self._command(f"AUTH PLAIN {token}")
        self.stream.conceal(False)
        if answer.code != 235:
            raise Rejected(f"log-in: {answer.text}")

    async def reset(self) -> None:
        """RSET: whether the connection still stands, before it serves once more."""
        answer = await self._command("RSET")
        if not answer.is_positive:
            raise Rejected(answer.text)

    async def send(
        self, message: Message, targets: Sequence[Target], options: Sequence[str]
    ) -> dict[str, Answer]:
        """One transaction; the answer for each recipient. `options` are those of MAIL."""
        knows_dsn = "DSN" in self.extensions
        mail = " ".join((f"MAIL FROM:<{message.sender}>", *options))
        rcpts = [
            " ".join((f"RCPT TO:<{each.address}>", *(each.options if knows_dsn else ()))) for each in targets
        ]
        replies = await self._commands([mail, *rcpts])
        self.messages += 1
        if not replies[0].is_positive:
            await self.reset()
            return {each.address: self._answer(replies[0]) for each in targets}
        answers = {
            each.address: self._answer(answer) for each, answer in zip(targets, replies[1:], strict=True)
        }
        accepted = [each for each in targets if answers[each.address].is_delivered]
        if not accepted:
            await self.reset()
            return answers
        last = self._answer(await self._text(message))
        last = replace(last, reports=knows_dsn, knows_time="DELIVERBY" in self.extensions)
        answers.update(dict.fromkeys((each.address for each in accepted), last))
        return answers

    async def quit(self) -> None:
        """Says goodbye without waiting long for the answer, and closes."""
        self._timeout = QUIT_TIMEOUT
        try:
            await self._command("QUIT")
        except Broken:
            self.stream.abort()
            return
        self.stream.close()

    def close(self) -> None:
        """Ends the connection at once."""
        self.stream.abort()

    # Private.

    async def _text(self, message: Message) -> Response:
        if message.is_binary:
            self._write(f"BDAT {len(message.text)} LAST\r\n".encode())
            return await self._write_text(message.text)
        answer = await self._command("DATA")
        if answer.code != 354:
            return answer
        return await self._write_text(stuffed(message.text))

    async def _write_text(self, data: bytes) -> Response:
        try:
            for start in range(0, len(data), PIECE):
                self._write(data[start : start + PIECE])
                await self.stream.drain()
        except (OSError, TimeoutError) as error:
            raise Broken(str(error) or "the server takes no more") from error
        return await self._read()

    async def _commands(self, lines: Sequence[str]) -> list[Response]:
        """In one piece where the server pipelines (RFC 2920 §3.1), else one after the other."""
        if "PIPELINING" not in self.extensions:
            return [await self._command(line) for line in lines]
        self._write("".join(f"{line}\r\n" for line in lines).encode())
        return [await self._read() for _ in lines]

    async def _command(self, line: str) -> Response:
        self._write(f"{line}\r\n".encode())
        return await self._read()

    def _write(self, data: bytes) -> None:
        self.stream.write(data)

    async def _read(self) -> Response:
        while not self._received:
            try:
                data = await self.stream.read(self._timeout)
            except TimeoutError as error:
                raise Broken("no answer in time") from error
            except OSError as error:
                raise Broken(str(error)) from error
            if not data:
                raise Broken("the server has closed the connection")
            self._reader.receive_data(data)
            try:
                self._received.extend(self._reader.responses())
            except BadResponse as error:
                raise Broken(str(error)) from error
        response = self._received.popleft()
        if response.code == 421:  # RFC 5321 §3.8: the server leaves
            raise Rejected(response.text or "421")
        return response

    def _answer(self, response: Response) -> Answer:
        return Answer(response.code, response.status, response.text, self.host)


def stuffed(text: bytes) -> bytes:
    """As DATA wants it: CRLF at every line's end, dots doubled, the end (RFC 5321 §4.5.2).

    A bare CR or LF never goes out: some servers take them for the end of a line, and the message's end
    could then be another for them than for us.
    """
    if not text.count(b"\r") == text.count(b"\n") == text.count(b"\r\n"):
        text = _NOT_CRLF.sub(b"\r\n", text)
    text = text.replace(b"\r\n.", b"\r\n..")
    if text.startswith(b"."):
        text = b"." + text
    return text + (b".\r\n" if text.endswith(b"\r\n") or not text else b"\r\n.\r\n")

# SPDX-License-Identifier: Apache-2.0
"""SASL server mechanisms as machines without I/O (RFC 4422).

A machine takes the client's messages, decoded from base64, by receive(); what it returns is a Challenge for
the client, or something it needs from whoever drives it: a password to be checked, keys to be fetched, a
certificate's name to be compared. SaslError carries the condition of RFC 6120 §6.5. No clock, no random
source, no look-up in here; a machine serves one exchange.

- PLAIN (RFC 4616); LOGIN (never a standard; some mail clients know nothing else); EXTERNAL (RFC 4422 app. A)
- SCRAM-SHA-1, SCRAM-SHA-256 and their -PLUS forms (RFC 5802, 7677; channel bindings of RFC 5929 and 9266)
- OAUTHBEARER and XOAUTH2 are in bearer.py.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Final, TypeAlias

from armgs_server.directory.scram import Hash, Keys, is_proof, server_signature

SCRAM: Final = ("SCRAM-SHA-256", "SCRAM-SHA-1")
MESSAGE_LIMIT: Final = 8192  # bytes of one message; names and passwords are far shorter

ChannelBinding: TypeAlias = Callable[[str], bytes | None]


class SaslError(Exception):
    """The exchange has failed; `condition` is a defined condition of RFC 6120 §6.5."""

    def __init__(self, condition: str, text: str) -> None:
        super().__init__(text)
        self.condition = condition
        self.text = text


@dataclass(frozen=True, slots=True)
class Challenge:
    """To be sent to the client; its answer goes to receive()."""

    data: bytes


@dataclass(frozen=True, slots=True)
class CheckPassword:
    """The client claims to be `authcid`; `authzid` is whom it wants to act as, "" for itself."""

    authzid: str
    authcid: str
    password: str


@dataclass(frozen=True, slots=True)
class WantKeys:
    """Scram.use_keys() must be called with the keys of `authcid`, or with made-up ones."""

    authzid: str
    authcid: str


@dataclass(frozen=True, slots=True)
class Proven:
    """The client has shown that it knows the password; `data` goes to it with the success."""

    data: bytes


@dataclass(frozen=True, slots=True)
class Certified:
    """The client relies on its certificate; `authzid` is whom it wants to act as, "" for itself."""

    authzid: str


class Plain:
    """message = [authzid] UTF8NUL authcid UTF8NUL passwd (RFC 4616 §2)"""

    def receive(self, data: bytes) -> CheckPassword:
        parts = _text(data).split("\0")
        if len(parts) != 3 or not parts[1] or not parts[2]:
            raise SaslError("malformed-request", "PLAIN needs an identity and a password")
        return CheckPassword(*parts)


class Login:
    """Two prompts. COMPAT Outlook and others: the name may come as initial response."""

    def __init__(self) -> None:
        self._authcid: str | None = None

    def receive(self, data: bytes) -> Challenge | CheckPassword:
        text = _text(data)
        if "\0" in text:
            raise SaslError("malformed-request", "a NUL character in LOGIN")
        if self._authcid is None:
            self._authcid = text
            return Challenge(b"Password:")
        return CheckPassword("", self._authcid, text)


class External:
    """RFC 4422 appendix A: the whole message is the authorization identity."""

    def receive(self, data: bytes) -> Certified:
        text = _text(data)
        if "\0" in text:
            raise SaslError("malformed-request", "a NUL character in EXTERNAL")
        return Certified(text)


# RFC 5802 §7. value-safe-char leaves out NUL, "=" and ","; saslname writes these two as =3D and =2C.
# printable = %x21-2B / %x2D-7E
_PRINTABLE: Final = r"[\x21-\x2b\x2d-\x7e]+"
_SASLNAME: Final = r"(?:[^\0,=]|=2C|=3D)+"
_EXTENSIONS: Final = r"(?:,[A-Za-z]=[^\0,]+)*"
_BASE64: Final = r"[A-Za-z0-9+/]*={0,2}"
# gs2-header = gs2-cbind-flag "," [ authzid ] ","; gs2-cbind-flag = ("p=" cb-name) / "n" / "y"
_CLIENT_FIRST: Final = re.compile(
    rf"((n|y|p=([A-Za-z0-9.-]+)),(?:a=({_SASLNAME}))?,)"
    # client-first-message-bare = [reserved-mext ","] username "," nonce ["," extensions]
    rf"(n=({_SASLNAME}),r=({_PRINTABLE}){_EXTENSIONS})"
)
# client-final-message = channel-binding "," nonce ["," extensions] "," proof
_CLIENT_FINAL: Final = re.compile(rf"(c=({_BASE64}),r=({_PRINTABLE}){_EXTENSIONS}),p=({_BASE64})")


class Scram:
    """SCRAM for one hash function (RFC 5802 §5).

    `is_plus` is the mechanism's form the client chose. `channel_binding` answers for the connection's
    channel, and is None where no -PLUS form was offered to the client. `nonce` is the server's part of it;
    `digest` is of what was offered, where the client may check that nobody has shortened it (XEP-0474).
    """

    def __init__(
        self,
        hash_name: Hash,
        *,
        is_plus: bool,
        channel_binding: ChannelBinding | None,
        nonce: str,
        digest: str = "",
    ) -> None:
        self._hash = hash_name
        self._is_plus = is_plus
        self._channel_binding = channel_binding
        self._nonce = nonce
        self._extensions = f",h={digest}" if digest else ""
        self._keys: Keys | None = None
        self._binding = b""  # what the client's c= must decode to
        self._client_first_bare = ""
        self._server_first = ""

    def receive(self, data: bytes) -> WantKeys | Proven:
        """client-first-message, then, after use_keys(), client-final-message."""
        return self._receive_first(_text(data)) if self._keys is None else self._receive_final(_text(data))

    def use_keys(self, keys: Keys) -> Challenge:
        """Answers WantKeys; the challenge is the server-first-message."""
        self._keys = keys
        salt = base64.b64encode(keys.salt).decode()
        self._server_first = f"r={self._nonce},s={salt},i={keys.iterations}{self._extensions}"
        return Challenge(self._server_first.encode())

    def _receive_first(self, text: str) -> WantKeys:
        match = _CLIENT_FIRST.fullmatch(text)
        if match is None:  # a mandatory extension "m=" lands here too, as RFC 5802 §5.1 wants it to fail
            raise SaslError("malformed-request", "not a SCRAM client-first-message")
        gs2_header, flag, cb_name, authzid, bare, username, client_nonce = match.groups()
        self._binding = gs2_header.encode() + self._check_flag(flag, cb_name)
        self._client_first_bare = bare
        self._nonce = client_nonce + self._nonce
        return WantKeys(_unescape(authzid or ""), _unescape(username))

    def _check_flag(self, flag: str, cb_name: str | None) -> bytes:
        """RFC 5802 §6; the channel's binding data where the client uses it."""
        if self._is_plus != (cb_name is not None):
            raise SaslError("malformed-request", "the channel binding flag does not fit the mechanism")
        if flag == "y" and self._channel_binding is not None:
            # "the client thinks the server does not support channel binding": somebody has cut -PLUS
            # out of the list on its way.
            raise SaslError("not-authorized", "channel binding is offered here")
        if cb_name is None:
            return b""
        binding = self._channel_binding(cb_name) if self._channel_binding is not None else None
        if binding is None:
            raise SaslError("not-authorized", "this channel binding is not supported")
        return binding

    def _receive_final(self, text: str) -> Proven:
        match = _CLIENT_FINAL.fullmatch(text)
        if match is None:
            raise SaslError("malformed-request", "not a SCRAM client-final-message")
        without_proof, binding, nonce, proof = match.groups()
        if nonce != self._nonce:
            raise SaslError("not-authorized", "the nonce has changed")
        if _base64(binding) != self._binding:
            raise SaslError("not-authorized", "the channel binding does not match")
        assert self._keys is not None  # receive() comes here only with them
        auth_message = f"{self._client_first_bare},{self._server_first},{without_proof}".encode()
        if not is_proof(self._hash, self._keys, auth_message, _base64(proof)):
            raise SaslError("not-authorized", "the name or the password is wrong")
        signature = server_signature(self._hash, self._keys, auth_message)
        return Proven(b"v=" + base64.b64encode(signature))


Machine: TypeAlias = Plain | Login | External | Scram
Step: TypeAlias = Challenge | CheckPassword | WantKeys | Proven | Certified


def _text(data: bytes) -> str:
    if len(data) > MESSAGE_LIMIT:
        raise SaslError("malformed-request", f"a message is longer than {MESSAGE_LIMIT} bytes")
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        raise SaslError("malformed-request", "not UTF-8") from error


def _base64(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except binascii.Error as error:
        raise SaslError("malformed-request", "not base64") from error


def _unescape(saslname: str) -> str:
    return saslname.replace("=2C", ",").replace("=3D", "=")


@cache
def offered(*, plus: bool, login: bool, external: bool, bearer: tuple[str, ...]) -> tuple[str, ...]:
    """Names of mechanisms, the best first."""
    first = ("EXTERNAL",) if external else ()
    with_binding = tuple(f"{name}-PLUS" for name in SCRAM) if plus else ()
    return (*first, *with_binding, *SCRAM, *bearer, "PLAIN", *(("LOGIN",) if login else ()))

# SPDX-License-Identifier: Apache-2.0
"""Web Authentication (W3C Level 3): what a page asks a browser's authenticator for, and whether its answer is
right. Pure; the signatures are checked by the library `webauthn`.

What must hold: an answer counts for this origin alone, never from a frame of another (§7.1, §7.2). Who made
an authenticator is not asked (attestation "none", §8.7): statements of makers are refused unread.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Any, Final
from urllib.parse import urlsplit

from armgs_server.errors import Invalid

GET: Final = "webauthn.get"  # §5.8.1: what the browser was asked for
CREATE: Final = "webauthn.create"
ALGORITHMS: Final = (-8, -7, -257)  # COSE (RFC 9053, RFC 8812): EdDSA, ES256, RS256, as §5.4 would have it
ANSWER_LIMIT: Final = 32 * 1024  # characters; a whole answer with an RSA key has three thousand
CREDENTIAL_ID_LIMIT: Final = 1023  # bytes (§4, credential ID)
USER_HANDLE_LIMIT: Final = 64  # bytes (§4, user handle)
_KEY_LIMIT: Final = 1024  # bytes: RSA with 4096 bits needs 530
_CLIENT_DATA_LIMIT: Final = 4096  # bytes
_AUTHENTICATOR_DATA_LIMIT: Final = 4096  # bytes
_TRANSPORTS: Final = ("ble", "hybrid", "internal", "nfc", "smart-card", "usb")  # §5.8.4
_PLAIN: Final = re.compile(r"[A-Za-z0-9_-]*")


@dataclass(frozen=True, slots=True)
class RelyingParty:
    """`id`: the host name that keys are bound to (§4, RP ID); `origin`: scheme, host, port of the pages."""

    id: str
    origin: str


@dataclass(frozen=True, slots=True)
class Answer:
    """What a browser has sent; nothing of it is proven but that it is for these pages."""

    credential_id: bytes
    user_handle: bytes  # empty where the authenticator gave none
    challenge: bytes
    document: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Assertion:
    """A signature that is right (§7.2)."""

    sign_count: int
    is_verified: bool  # the person was: by PIN, finger or face
    is_backup_eligible: bool


@dataclass(frozen=True, slots=True)
class Registration:
    """A new credential (§7.1)."""

    credential_id: bytes
    public_key: bytes  # COSE_Key (RFC 9052 §7)
    sign_count: int
    is_backup_eligible: bool
    transports: tuple[str, ...]


def relying_party(origin: str) -> RelyingParty | None:
    """Who we are at that address; None where it is no domain: keys are bound to a name (§5.1.3, step 7)."""
    host = urlsplit(origin).hostname or ""
    try:
        ip_address(host)
    except ValueError:
        return RelyingParty(host, origin) if host else None
    return None


def creation_options(
    party: RelyingParty,
    challenge: bytes,
    timeout: int,
    *,
    user: tuple[bytes, str, str],
    known: Sequence[tuple[bytes, str]],
) -> dict[str, Any]:
    """PublicKeyCredentialCreationOptionsJSON (§5.1.8). `user`: handle, address, name; `known`: see
    request_options; `timeout` in milliseconds."""
    handle, address, name = user
    return {
        "rp": {"id": party.id, "name": party.id},
        "user": {"id": encode(handle), "name": address, "displayName": name},
        "challenge": encode(challenge),
        "pubKeyCredParams": [{"type": "public-key", "alg": algorithm} for algorithm in ALGORITHMS],
        "timeout": timeout,
        "excludeCredentials": _descriptors(known),
        "authenticatorSelection": {
            "residentKey": "preferred",
            "requireResidentKey": False,
            "userVerification": "preferred",
        },
        "attestation": "none",
    }


def request_options(
    party: RelyingParty, challenge: bytes, timeout: int, *, known: Sequence[tuple[bytes, str]], verified: bool
) -> dict[str, Any]:
    """PublicKeyCredentialRequestOptionsJSON (§5.1.9). `known`: credential id and transports, by spaces, of
    each key that may answer; none for whichever knows these pages. `verified`: by PIN, finger or face."""
    return {
        "challenge": encode(challenge),
        "timeout": timeout,
        "rpId": party.id,
        "allowCredentials": _descriptors(known),
        "userVerification": "required" if verified else "discouraged",
    }


def parse_answer(text: str, party: RelyingParty, ceremony: str) -> Answer:
    """An answer as JSON (§5.1, toJSON) to what was asked, GET or CREATE, at this origin. Invalid."""
    document = _object(text, ANSWER_LIMIT)
    response = document.get("response")
    if document.get("type") != "public-key" or not isinstance(response, dict):
        raise Invalid("no public key credential")
    credential_id = decode(document.get("rawId"), CREDENTIAL_ID_LIMIT)
    if not credential_id or document.get("id") != document.get("rawId"):
        raise Invalid("no credential id")
    handle = response.get("userHandle")
    client = _object(_text(decode(response.get("clientDataJSON"), _CLIENT_DATA_LIMIT)), _CLIENT_DATA_LIMIT)
    if client.get("type") != ceremony:
        raise Invalid("an answer to something else")
    # §7.1 steps 9 to 11, §7.2 steps 13 to 15
    if client.get("origin") != party.origin:
        raise Invalid("an answer for another origin")
    if client.get("crossOrigin", False) is not False or "topOrigin" in client:
        raise Invalid("an answer from within another page")
    return Answer(
        credential_id,
        b"" if handle is None else decode(handle, USER_HANDLE_LIMIT),
        decode(client.get("challenge"), _CLIENT_DATA_LIMIT),
        document,
    )


def check_assertion(answer: Answer, party: RelyingParty, public_key: bytes) -> Assertion:
    """The rest of §7.2 but for the counter. Invalid. A millisecond; the first time the library is loaded.

    The challenge is the caller's to check: answer.challenge must be one that was given out.
    """
    # Here, not above: it costs 8 MB and 130 ms, which only processes pay where somebody has a key.
    import webauthn

    decode(answer.document["response"].get("authenticatorData"), _AUTHENTICATOR_DATA_LIMIT)
    try:
        found = webauthn.verify_authentication_response(
            credential=dict(answer.document),
            expected_challenge=answer.challenge,
            expected_rp_id=party.id,
            expected_origin=party.origin,
            credential_public_key=public_key,
            credential_current_sign_count=0,
        )
    except Exception as error:  # the library lets through whatever its parsers and OpenSSL raise
        raise Invalid(f"no right assertion: {_reason(error)}") from error
    return Assertion(
        found.new_sign_count, bool(found.user_verified), found.credential_device_type == "multi_device"
    )


def check_registration(answer: Answer, party: RelyingParty) -> Registration:
    """The rest of §7.1; see check_assertion. Invalid."""
    import webauthn
    from webauthn.helpers import parse_attestation_object
    from webauthn.helpers.cose import COSEAlgorithmIdentifier

    response = answer.document["response"]
    try:
        attestation = parse_attestation_object(decode(response.get("attestationObject"), ANSWER_LIMIT))
        # §8.2, §8.7: "none", or self attestation, which browsers leave in place
        if attestation.fmt not in ("none", "packed") or attestation.att_stmt.x5c is not None:
            raise Invalid("an attestation that was not asked for")
        found = webauthn.verify_registration_response(
            credential=dict(answer.document),
            expected_challenge=answer.challenge,
            expected_rp_id=party.id,
            expected_origin=party.origin,
            supported_pub_key_algs=[COSEAlgorithmIdentifier(each) for each in ALGORITHMS],
        )
    except Invalid:
        raise
    except Exception as error:  # as above
        raise Invalid(f"no right registration: {_reason(error)}") from error
    if found.credential_id != answer.credential_id or len(found.credential_public_key) > _KEY_LIMIT:
        raise Invalid("the credential is another, or its key too long")
    told = response.get("transports")
    transports = told if isinstance(told, list) else []
    return Registration(
        found.credential_id,
        found.credential_public_key,
        found.sign_count,
        found.credential_device_type == "multi_device",
        tuple(each for each in _TRANSPORTS if each in transports),
    )


def encode(data: bytes) -> str:
    """base64url without padding (RFC 4648 §5)."""
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def decode(text: object, limit: int) -> bytes:
    """Bytes from base64url; Invalid, also where there are more than `limit`."""
    if not isinstance(text, str) or len(text) > limit * 4 // 3 + 4 or not _PLAIN.fullmatch(text):
        raise Invalid("no base64url, or too much of it")
    try:
        return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    except binascii.Error as error:
        raise Invalid("no base64url") from error


def _descriptors(known: Sequence[tuple[bytes, str]]) -> list[dict[str, Any]]:
    """PublicKeyCredentialDescriptorJSON (§5.8.3)."""
    return [
        {"type": "public-key", "id": encode(id_), **({"transports": told.split()} if told else {})}
        for id_, told in known
    ]


def _object(text: str, limit: int) -> dict[str, Any]:
    if len(text) > limit:
        raise Invalid("too long")
    try:
        found = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise Invalid("no JSON") from error
    if not isinstance(found, dict):
        raise Invalid("no JSON object")
    return found


def _text(data: bytes) -> str:
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        raise Invalid("no UTF-8") from error


def _reason(error: Exception) -> str:
    """What a log may have of it: the texts of the library quote what was sent."""
    return type(error).__name__

# SPDX-License-Identifier: Apache-2.0
"""Settings of log-in by tokens (OAuth 2.0), and of what people sign in with beside a password."""

from dataclasses import dataclass

from armgs_server.settings import setting


@dataclass(frozen=True, slots=True)
class OAuthSettings:
    """Log-in of programs by OAuth 2.0 (OAUTHBEARER), and of other web services by OpenID Connect."""

    enabled: bool = setting(True, doc="Programs may be given tokens, and log in with them.")
    registration: bool = setting(
        True,
        doc="Programs that nobody has entered here may register themselves (RFC 7591). People still have to\n"
        "agree to each. Without it: only those of `armgs oauth client`.",
    )
    registration_size: int = setting(
        4096,
        doc="Bytes of one registration; the client identifier that is given back is a third longer.",
        minimum=512,
        maximum=8192,
    )
    code_lifetime: float = setting(
        60.0,
        doc="For how long an authorization code can be redeemed (RFC 6749 §4.1.2).",
        minimum=1,
        maximum=600,
    )
    access_lifetime: float = setting(3600.0, doc="For how long an access token is good.", minimum=10)
    refresh_lifetime: float = setting(
        90 * 86400.0,
        doc="A program that has not refreshed its token for this time must ask again.",
        minimum=60,
    )
    refresh_grace: float = setting(
        60.0,
        doc="For this time a refresh token can be used once more: the answer may have been lost. Later a\n"
        "second use means that somebody has stolen it, and the program's tokens are all void.",
        minimum=0,
        maximum=3600,
    )
    grants: int = setting(
        50, doc="Programs that one person has agreed to; the one unused for longest goes.", minimum=1
    )
    access_tokens: int = setting(20, doc="Access tokens of one such program at the same time.", minimum=1)
    app_passwords_only: bool = setting(
        True,
        doc="Who has a second factor logs in to programs by app passwords and tokens, never by the password.",
    )
    recovery_codes: int = setting(10, doc="Codes for who has lost the second factor.", minimum=1, maximum=50)
    key_days: int = setting(
        90,
        doc="The key that signs ID tokens is replaced at this age; 0: only by the verb oauth-keys.rotate.",
        minimum=0,
        maximum=3650,
    )


@dataclass(frozen=True, slots=True)
class WebAuthnSettings:
    """Security keys and passkeys for the pages (Web Authentication); bound to [server] hostname."""

    passwordless: bool = setting(
        True, doc="A passkey that checks its owner (PIN, finger, face) signs in to the pages by itself."
    )
    keys: int = setting(
        10, doc="Most keys of one person; 0: no more can be registered.", minimum=0, maximum=100
    )
    timeout: float = setting(
        300.0,
        doc="A page's question to a key must be answered within this time; and who has shown on the page of\n"
        "keys to be the owner may change them for so long.",
        minimum=30,
        maximum=3600,
    )

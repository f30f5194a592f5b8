# SPDX-License-Identifier: Apache-2.0
"""Which scopes there are, and what each opens."""

from __future__ import annotations

from armgs_server.directory import scopes

MAIL = "urn:ietf:params:oauth:scope:mail"


def test_unknown_scopes_are_left_out() -> None:
    assert scopes.known("mail nonsense openid mail") == "mail openid"
    assert scopes.known("") == scopes.known("nonsense") == scopes.known("MAIL") == ""
    assert scopes.known(f"{MAIL} {MAIL}s") == MAIL


def test_names_of_the_draft_mean_the_same() -> None:
    assert scopes.of(f"{MAIL} files") == {"mail", "files"}
    assert scopes.is_within("mail", MAIL)
    assert not scopes.is_within("mail files", MAIL)


def test_each_protocol_needs_its_own() -> None:
    for service in ("imap", "pop3", "smtp", "sieve"):
        assert scopes.permits(MAIL, service)
        assert not scopes.permits("openid email chat files calendars contacts", service)
    assert scopes.permits("chat", "xmpp")
    assert not scopes.permits("mail", "xmpp")
    assert scopes.permits("files", "files")
    assert not scopes.permits("files", "calendars")
    assert scopes.permits("contacts", "dav")


def test_who_only_signs_in_needs_no_refresh() -> None:
    assert not scopes.needs_refresh("openid profile email")
    assert scopes.needs_refresh("openid offline_access")
    assert scopes.needs_refresh("mail")

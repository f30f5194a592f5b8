# SPDX-License-Identifier: Apache-2.0
"""The texts: every language says everything."""

from armgs_server.net.http import Request
from armgs_server.portal.pages import language_of
from armgs_server.portal.texts import TEXTS


def request(accept_language: str) -> Request:
    return Request("GET", "/", [(b"accept-language", accept_language.encode())], peer="", is_tls=True)


def test_every_language_has_every_text() -> None:
    names = {language: set(texts) for language, texts in TEXTS.items()}
    assert names["ru"] == names["en"]
    assert all(text for texts in TEXTS.values() for text in texts.values())


def test_language_by_quality() -> None:
    assert language_of(request("en;q=0.4, ru;q=0.8")) == "ru"
    assert language_of(request("ru;q=0, en;q=0.1")) == "en"
    assert language_of(request("ru;q=broken")) == "en"
    assert language_of(request("")) == "en"

# SPDX-License-Identifier: Apache-2.0
"""Clients of OAuth: identifiers that hold a registration, and where an answer may go."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from armgs_server.directory.oauth_clients import BUILT_IN, Client, Clients
from armgs_server.errors import Invalid
from tests.directory.conftest import Workplace

PLACES = ("http://127.0.0.1/done", "com.example.mail:/done", "https://portal.example/callback?x=1")
CLIENT = Client("c", "Client", PLACES)


@pytest.fixture
def store_url() -> str:
    """One engine is enough: nearly nothing of this is in the store."""
    return "sqlite"


@pytest.fixture
def clients(workplace: Workplace) -> Clients:
    return workplace.directory.auth.oauth.clients


@pytest.mark.parametrize("uri", [*PLACES, "http://127.0.0.1:1/done", "http://127.0.0.1:65535/done"])
def test_where_an_answer_may_go(uri: str) -> None:
    assert CLIENT.may_redirect(uri)


@pytest.mark.parametrize(
    "uri",
    [
        "",
        "http://127.0.0.1/",
        "http://127.0.0.1/done/",
        "http://127.0.0.1/done?x=1",
        "http://127.0.0.1:65536/done",
        "http://127.0.0.1/done#x",
        "http://127.0.0.1\t/done",
        "http://127.0.0.1@evil.example/done",
        "http://evil.example@127.0.0.1/done",
        "http://127.0.0.1\\@evil.example/done",
        "http://[::1]/done",
        "HTTP://127.0.0.1/done/../x",
        "com.example.mail:/done/x",
        "com.example.mail://evil.example/done",
        "https://portal.example:444/callback?x=1",
        "https://portal.example/callback",
        "https://portal.example.evil.example/callback?x=1",
        "javascript:alert(1)",
        "//127.0.0.1/done",
        "http://127.0.0.1/ы",
    ],
)
def test_where_it_may_not(uri: str) -> None:
    assert not CLIENT.may_redirect(uri)


@given(st.text(max_size=60))
def test_any_text_is_a_place_of_the_clients_or_none(uri: str) -> None:
    if CLIENT.may_redirect(uri):
        assert uri in PLACES or uri.startswith("http://127.0.0.1:")


async def test_a_registration_is_read_back(clients: Clients, workplace: Workplace) -> None:
    made = clients.register({"client_name": " Почта \n на  столе ", "redirect_uris": [PLACES[0]]})
    assert await clients.find(made.id) == made
    assert (made.name, made.redirects, made.is_unchecked) == ("Почта на столе", PLACES[:1], True)
    assert made.id == clients.register({"client_name": "Почта на столе", "redirect_uris": [PLACES[0]]}).id
    nameless = clients.register({"redirect_uris": [PLACES[1]]})
    assert nameless.name == "?"
    for changed in (
        made.id[:-1],
        made.id + "A",
        made.id.replace("r.", "r.A", 1),
        "r.",
        "r..",
        "r.ы.ы",
        "r.A.A",
    ):
        assert await clients.find(changed) is None
    assert await clients.find("x" * 20_000) is None


async def test_known_ones_are_found_and_may_be_replaced(clients: Clients, workplace: Workplace) -> None:
    assert await clients.find("thunderbird") == BUILT_IN["thunderbird"]
    _, secret = await clients.enter("thunderbird", "Ours", [PLACES[2]], is_confidential=True)
    found = await clients.find("thunderbird")
    assert found is not None and found.name == "Ours"
    assert found.is_secret(secret) and not found.is_secret("") and not found.is_secret(secret[:-1])
    assert not BUILT_IN["thunderbird"].is_secret("")
    assert secret not in repr(found)
    with pytest.raises(Invalid):
        await clients.enter("r.mine", "", [PLACES[2]], is_confidential=False)


_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=20) | st.sampled_from(PLACES),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=10,
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.dictionaries(st.sampled_from(("client_name", "redirect_uris", "scope", "x")), _VALUES))
async def test_any_metadata_is_a_client_or_refused(clients: Clients, metadata: dict[str, object]) -> None:
    try:
        made = clients.register(metadata)
    except Invalid:
        return
    assert all(not uri.startswith("https://portal") for uri in made.redirects)
    assert await clients.find(made.id) == made

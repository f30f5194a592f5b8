# SPDX-License-Identifier: Apache-2.0
"""The way around on the pages of who is signed in: path, and the name of the text that stands there."""

from typing import Final

SECTIONS: Final[tuple[tuple[str, str], ...]] = (
    ("/", "connect_title"),
    ("/me", "own_title"),
    ("/news", "news_title"),
    ("/forms", "forms_title"),
    ("/people", "people_title"),
    ("/rooms", "rooms_title"),
)
# What is one's own, below /me.
OWN: Final[tuple[tuple[str, str], ...]] = (
    ("/me/devices", "devices_title"),
    ("/me/programs", "programs_title"),
    ("/me/password", "password_title"),
    ("/me/second-factor", "second_title"),
    ("/me/keys", "keys_title"),
    ("/me/logins", "logins_title"),
    ("/me/absence", "absence_title"),
    ("/me/space", "space_title"),
    ("/me/rights", "rights_title"),
    ("/links", "links_title"),
)

# SPDX-License-Identifier: Apache-2.0
"""What the office editor can open, where, and with which key it signs: its discovery (MS-WOPI §3.1.5.1).

Read from `[dav] editor_url` when it is first needed, kept for some hours, and read anew when a signature does
not fit, since that may be a new key.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

from armgs_server import log
from armgs_server.config import Config
from armgs_server.dav.wopi_proof import ProofKeys, parse_keys
from armgs_server.errors import DomainError, Temporary
from armgs_server.formats import xmltree
from armgs_server.net.fetch import ANYWHERE, Bounds, fetch

PATH = "/hosting/discovery"
SIZE_LIMIT = 1 << 20
TIMEOUT = 20.0
KEPT = 6 * 3600.0
AGAIN = 60.0  # soonest after the last time, where a signature does not fit
PAUSE = 5.0  # after a failure
# What a host may put into an action's URL: <name=VALUE&>; all of it may be left out.
_PLACEHOLDER = re.compile(r"<[^<>]*>")

_log = log.get("wopi")


@dataclass(frozen=True, slots=True)
class Discovery:
    """The editor's URL by the ending of a file's name and by action: view, edit."""

    actions: Mapping[str, Mapping[str, str]]
    proof_keys: ProofKeys | None

    def action(self, name: str, *, may_write: bool) -> tuple[str, bool]:
        """The URL with which a file of this name is opened, and whether to edit it; "" where it cannot be."""
        known = self.actions.get(name.rpartition(".")[2].lower(), {})
        if may_write and "edit" in known:
            return known["edit"], True
        return known.get("view", known.get("edit", "")), False


def parse(data: bytes) -> Discovery:
    """A discovery document. Invalid."""
    root = xmltree.parse(data, max_size=SIZE_LIMIT)
    actions: dict[str, dict[str, str]] = {}
    for action in root.iter("action"):
        ending, name = action.get("ext", "").lower(), action.get("name", "")
        url = _PLACEHOLDER.sub("", action.get("urlsrc", ""))
        if ending and name in ("view", "edit") and urlsplit(url).scheme in ("http", "https"):
            actions.setdefault(ending, {}).setdefault(name, url)
    proof = root.find("proof-key")
    attributes = {str(name): str(value) for name, value in proof.attrib.items()} if proof is not None else {}
    return Discovery(actions, parse_keys(attributes) if attributes.get("modulus") else None)


class Editor:
    """The editor of this workplace, asked when it must be. One for a process."""

    def __init__(self, config: Config) -> None:
        self._config = config
        self._known: Discovery | None = None
        self._url = ""
        self._tried = float("-inf")
        self._turn = asyncio.Lock()

    @property
    def is_there(self) -> bool:
        """Whether one is set."""
        return bool(self._config.dav.editor_url)

    async def discovery(self, *, is_doubted: bool = False) -> Discovery:
        """What it said last, read again when that is old or in doubt. Temporary where it cannot be had."""
        async with self._turn:
            url, now = self._config.dav.editor_url, asyncio.get_running_loop().time()
            if url != self._url:
                self._url, self._known, self._tried = url, None, float("-inf")
            age = now - self._tried
            if age > KEPT or (is_doubted and age > AGAIN) or (self._known is None and age > PAUSE):
                self._tried = now
                try:
                    self._known = parse(await _fetch(self._config, url))
                except DomainError as error:
                    _log.warning("no discovery of the editor", url=url, error=error)
            if self._known is None:
                raise Temporary("the office editor does not answer")
            return self._known


async def _fetch(config: Config, url: str) -> bytes:
    ca = str(config.path(config.dav.editor_ca)) if config.dav.editor_ca else ""
    bounds = Bounds(SIZE_LIMIT, TIMEOUT, ANYWHERE, ca, redirects=0)
    answer = await fetch(url.rstrip("/") + PATH, config.limits, bounds)
    return answer.body

# SPDX-License-Identifier: Apache-2.0
"""Apache of Debian, whose people are ours: what decides who may come in is each test's own."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from tests.trust.filter_servers import free_port, running
from tests.world import HOST, World

_MODULES = "/usr/lib/apache2/modules"
_CONFIGURATION = """
ServerName localhost
Listen {host}:{port}
PidFile {home}/pid
ErrorLog {home}/log
User www-data
Group www-data
DocumentRoot {home}/www
LoadModule mpm_event_module {modules}/mod_mpm_event.so
LoadModule authn_core_module {modules}/mod_authn_core.so
LoadModule authz_core_module {modules}/mod_authz_core.so
"""


class Apache:
    """One server, its documents in `www` below `home`."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.port = free_port()
        (home / "www").mkdir()

    @property
    def url(self) -> str:
        return f"http://{HOST}:{self.port}"

    @asynccontextmanager
    async def serving(self, world: World, modules: tuple[str, ...], more: str) -> AsyncIterator[None]:
        """With these modules, too, and more lines of configuration; `ca.crt` in its folder is the world's."""
        (self.home / "ca.crt").write_bytes(world.ca.read_bytes())
        base = _CONFIGURATION.format(host=HOST, port=self.port, home=self.home, modules=_MODULES)
        loaded = "".join(f"LoadModule {name}_module {_MODULES}/mod_{name}.so\n" for name in modules)
        (self.home / "conf").write_text(base + loaded + more)
        command = ("/usr/sbin/apache2", "-D", "FOREGROUND", "-d", str(self.home))
        async with running(*command, "-f", str(self.home / "conf"), ready=f"{HOST}:{self.port}"):
            yield


@pytest.fixture
def apache() -> Iterator[Apache]:
    """It serves as somebody else, who cannot look into the tests' own folders."""
    home = Path(tempfile.mkdtemp(prefix="armgs-apache-"))
    home.chmod(0o755)
    yield Apache(home)
    shutil.rmtree(home)

# SPDX-License-Identifier: Apache-2.0
"""How the files of a person become a folder or a drive of the computer: the lines to type, for each system.

/mount                     what to do on Windows, macOS, GNOME, KDE, with rclone and with davfs2
/mount/armgs.reg           settings of Windows' WebDAV client, once for a computer
/mount/armgs.cmd?address=  connects drive letter P: at every log-in

`armgs mount` prints the same. An address gets into a line only where a shell takes it for plain text.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final
from urllib.parse import quote, urlsplit

from armgs_server.errors import Invalid
from armgs_server.net.http import Handler, Request, Response
from armgs_server.portal.addresses import address_of
from armgs_server.portal.endpoints import Endpoints
from armgs_server.portal.pages import Pages, text_of
from armgs_server.portal.safety import Safety
from armgs_server.service import Core

PATH: Final = "/mount"
REGISTRY: Final = "/mount/armgs.reg"
SCRIPT: Final = "/mount/armgs.cmd"
SYSTEMS: Final = ("windows", "macos", "gnome", "kde", "rclone", "davfs2")
DRIVE: Final = "P:"
# Nothing that cmd.exe or a Unix shell would read as anything but text.
_PLAIN: Final = re.compile(r"[\w.+-]+@[\w.-]+")
_KEY: Final = r"HKEY_LOCAL_MACHINE\SYSTEM\CurrentControlSet\Services\WebClient\Parameters"


@dataclass(frozen=True, slots=True)
class Instruction:
    """For one system: what stands in its window for connecting, and what one may type instead."""

    system: str
    place: str
    lines: tuple[str, ...]


def is_plain(address: str) -> bool:
    """Whether an address may stand in a line for a shell."""
    return _PLAIN.fullmatch(address) is not None


def instructions(endpoints: Endpoints, address: str) -> tuple[Instruction, ...]:
    """For an address that is plain."""
    url = files_url(endpoints, address)
    scheme, _, rest = url.partition("://")
    secure = "s" if scheme == "https" else ""
    user = quote(address, safe="")
    return (
        Instruction("windows", url, (net_use(endpoints, address),)),
        Instruction("macos", url, (f"mkdir -p ~/armgs && mount_webdav -i -v armgs '{url}' ~/armgs",)),
        Instruction("gnome", f"dav{secure}://{user}@{rest}", (f"gio mount 'dav{secure}://{user}@{rest}'",)),
        Instruction("kde", f"webdav{secure}://{user}@{rest}", (f"dolphin 'webdav{secure}://{user}@{rest}'",)),
        Instruction(
            "rclone",
            url,
            (
                f"rclone config create armgs webdav url='{url}' vendor=other user='{address}'",
                "rclone config password armgs pass",
                "mkdir -p ~/armgs && rclone mount armgs: ~/armgs --vfs-cache-mode writes --daemon",
            ),
        ),
        Instruction(
            "davfs2",
            url,
            (
                f"echo '{url} /mnt/armgs davfs user,noauto,_netdev 0 0' | sudo tee -a /etc/fstab",
                "sudo mkdir -p /mnt/armgs && sudo usermod -aG davfs2 $USER",
                "mount /mnt/armgs",
            ),
        ),
    )


def files_url(endpoints: Endpoints, address: str) -> str:
    """The top of the person's files."""
    return f"{endpoints.dav_url}files/{quote(address, safe='@')}/"


def net_use(endpoints: Endpoints, address: str) -> str:
    """Windows takes a WebDAV server for one of its own under a name with @SSL in it (its Mini-Redirector)."""
    parts = urlsplit(endpoints.base_url)
    security = "@SSL" if parts.scheme == "https" else ""
    port = f"@{parts.port}" if parts.port is not None else ""
    return (
        f'net use {DRIVE} "\\\\{parts.hostname}{security}{port}\\dav\\files\\{address}" '
        f'/user:"{address}" /persistent:yes *'
    )


def registry(endpoints: Endpoints) -> bytes:
    """A .reg file: files of up to 4 GB instead of 50 MB, a longer wait, and no log-in window for this server.

    UTF-16 with a mark, as the format's version 5 has it.
    """
    servers = endpoints.base_url.encode("utf-16-le") + bytes(4)  # REG_MULTI_SZ: each ends with a zero
    values = [
        '"FileSizeLimitInBytes"=dword:ffffffff',
        '"FileAttributesLimitInBytes"=dword:00f42400',
        '"SendReceiveTimeoutInSec"=dword:00000e10',
        f'"AuthForwardServerList"=hex(7):{",".join(f"{octet:02x}" for octet in servers)}',
    ]
    if not endpoints.base_url.startswith("https://"):
        values.append('"BasicAuthLevel"=dword:00000002')  # without TLS it sends no password otherwise
    lines = ["Windows Registry Editor Version 5.00", "", f"[{_KEY}]", *values, "", ""]
    return "\r\n".join(lines).encode("utf-16")


def script(endpoints: Endpoints, address: str) -> bytes:
    """A .cmd file that starts the WebDAV client and connects the drive."""
    lines = [
        "@echo off",
        "chcp 65001 >nul",
        'sc query WebClient | find "RUNNING" >nul || net start WebClient',
        f"net use {DRIVE} /delete /yes >nul 2>&1",
        net_use(endpoints, address),
        "if errorlevel 1 pause",
        "",
    ]
    return "\r\n".join(lines).encode()


class Mounting:
    """The routes; nothing here tells whether an address exists."""

    def __init__(self, core: Core, endpoints: Endpoints, pages: Pages) -> None:
        self._config = core.config
        self._endpoints = endpoints
        self._pages = pages
        self._safety = Safety(core.config, pages)

    @property
    def routes(self) -> Sequence[tuple[str, Handler]]:
        return (
            self._safety.page(PATH, self._page),
            self._safety.page(REGISTRY, self._registry),
            self._safety.page(SCRIPT, self._script),
        )

    async def _page(self, request: Request) -> Response:
        address = self._address(request, required=False)
        domains = self._config.server.domains
        example = address or f"ivanov@{domains[0] if domains else self._endpoints.hostname}"
        page = self._pages.render(
            "mount.html",
            request,
            address=address,
            example=example,
            instructions=instructions(self._endpoints, example),
            files={"registry": REGISTRY, "script": SCRIPT},
        )
        return self._pages.html(request, 200, page)

    async def _registry(self, request: Request) -> Response:
        return _download("armgs.reg", registry(self._endpoints))

    async def _script(self, request: Request) -> Response:
        return _download("armgs.cmd", script(self._endpoints, self._address(request, required=True)))

    def _address(self, request: Request, *, required: bool) -> str:
        address = address_of(request, self._config.server.domains, required=required)
        if address and not is_plain(address):
            raise Invalid(text_of(request, "mount_address"))
        return address


def _download(name: str, data: bytes) -> Response:
    headers = [
        ("Content-Type", "application/octet-stream"),
        ("Content-Disposition", f'attachment; filename="{name}"'),
        ("Cache-Control", "no-store"),
    ]
    return Response(200, headers, data)

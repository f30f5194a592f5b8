# SPDX-License-Identifier: Apache-2.0
"""Dovecot (maildir and mdbox), Cyrus and Postfix of Debian, to be measured beside ours: as they are shipped,
but for ports, folders, people, and limits that a bench would reach. A peer that cannot be had raises Missing.
"""

from __future__ import annotations

import asyncio
import os
import shutil
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

from bench.common import DOMAIN, PASSWORD
from bench.cyrus import Service, run, running_cyrus
from bench.peers import folder_of, free_ports, need, running, tree_cpu, tree_memory

QUEUE_TIMEOUT = 300.0


@dataclass(frozen=True, slots=True)
class MailTarget:
    """A mail server under measurement."""

    name: str
    imap: int  # port; 0 where it has none
    delivery: int  # port
    hello: bytes  # LHLO, EHLO
    pids: Callable[[], list[int]]  # of the first processes
    user: Callable[[int], str]  # what one of the people logs in as
    recipient: Callable[[int], str]
    settled: Callable[[], bool] = lambda: True  # whether everything accepted is in its mailbox

    def cpu(self) -> float:
        return sum(map(tree_cpu, self.pids()))

    def memory(self) -> float:
        return sum(map(tree_memory, self.pids()))


@asynccontextmanager
async def dovecot(people: int, kind: str) -> AsyncIterator[MailTarget]:
    """With `kind` of mailboxes: maildir, mdbox."""
    need("dovecot-imapd", "dovecot-lmtpd")
    with folder_of("dovecot") as folder:
        imap, lmtp = free_ports(2)
        (folder / "mail").mkdir()
        shutil.chown(folder / "mail", "nobody", "nogroup")
        config = folder / "dovecot.conf"
        values = {"folder": folder, "kind": kind, "imap": imap, "lmtp": lmtp, "password": PASSWORD}
        config.write_text(_DOVECOT % values)
        async with running(folder, imap, ("dovecot", "-F", "-c", str(config))) as pid:
            yield MailTarget(f"dovecot {kind}", imap, lmtp, b"LHLO", lambda: [pid], _name, _address)


@asynccontextmanager
async def cyrus(people: int) -> AsyncIterator[MailTarget]:
    """A mailbox is made by the first message."""
    lmtp, imap = free_ports(2)
    services = (
        Service("lmtp", "lmtpd", "-a", lmtp, "prefork=0 maxchild=40"),
        Service("imap", "imapd", "-U 30", imap, "prefork=0 maxchild=2000"),
    )
    settings = {"maxlogins_per_user": "0", "lmtpsocket": "%(folder)s/run/socket/lmtp"}
    async with running_cyrus((), services, settings, map(_name, range(people))) as (pid, _):
        yield MailTarget("cyrus", imap, lmtp, b"LHLO", lambda: [pid], _name, _name)


@asynccontextmanager
async def postfix(into: MailTarget) -> AsyncIterator[MailTarget]:
    """In front of another server: it takes mail by SMTP, and hands it on by LMTP."""
    need("postfix")
    with folder_of("postfix") as folder:
        (port,) = free_ports(1)
        for part in ("conf", "data", "queue"):
            (folder / part).mkdir()
        shutil.chown(folder / "data", "postfix", "postfix")
        (folder / "conf" / "main.cf").write_text(
            _POSTFIX % {"folder": folder, "domain": DOMAIN, "lmtp": into.delivery}
        )
        (folder / "conf" / "master.cf").write_text(_POSTFIX_MASTER % {"port": port})
        command = ("/usr/lib/postfix/sbin/master", "-c", str(folder / "conf"), "-s")
        await asyncio.to_thread(run, "postfix", "-c", str(folder / "conf"), "check")
        queues = [folder / "queue" / each for each in ("maildrop", "incoming", "active", "deferred")]

        def settled() -> bool:
            return not any(files for queue in queues for _, _, files in os.walk(queue))

        async with running(folder, port, command) as pid:
            yield MailTarget(
                f"postfix, {into.name}", 0, port, b"EHLO", lambda: [pid, *into.pids()],
                into.user, into.recipient, settled,
            )  # fmt: skip


async def settle(target: MailTarget) -> None:
    """Waits until everything that was accepted is where it belongs."""
    async with asyncio.timeout(QUEUE_TIMEOUT):
        while not target.settled():  # noqa: ASYNC110 - another program's files
            await asyncio.sleep(0.02)


def _name(number: int) -> str:
    return f"user{number}"


def _address(number: int) -> str:
    return f"user{number}@{DOMAIN}"


_DOVECOT = """\
base_dir = %(folder)s/run
log_path = %(folder)s/log
protocols = imap lmtp
listen = 127.0.0.1
ssl = no
disable_plaintext_auth = no
mail_location = %(kind)s:%(folder)s/mail/%%n
mail_uid = nobody
mail_gid = nogroup
first_valid_uid = 1
first_valid_gid = 1
mail_max_userip_connections = 2000
auth_username_format = %%n
default_internal_user = nobody
default_internal_group = nogroup
default_login_user = nobody
passdb {
  driver = static
  args = password=%(password)s
}
userdb {
  driver = static
  args = uid=nobody gid=nogroup home=%(folder)s/mail/%%n allow_all_users=yes
}
service imap-login {
  chroot =
  process_limit = 2000
  inet_listener imap {
    port = %(imap)d
  }
  inet_listener imaps {
    port = 0
  }
}
service imap {
  process_limit = 2000
}
service lmtp {
  inet_listener lmtp {
    address = 127.0.0.1
    port = %(lmtp)d
  }
}
service anvil {
  chroot =
  client_limit = 5000
}
service auth {
  client_limit = 5000
}
"""

_POSTFIX = """\
compatibility_level = 3.6
queue_directory = %(folder)s/queue
data_directory = %(folder)s/data
command_directory = /usr/sbin
daemon_directory = /usr/lib/postfix/sbin
mail_owner = postfix
setgid_group = postdrop
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
myhostname = bench.example
mydestination =
virtual_mailbox_domains = %(domain)s
virtual_transport = lmtp:inet:127.0.0.1:%(lmtp)d
mynetworks = 127.0.0.0/8
alias_maps =
local_recipient_maps =
maillog_file = /dev/stdout
lmtp_destination_concurrency_limit = 20
smtpd_client_connection_count_limit = 100
"""

_POSTFIX_MASTER = """\
127.0.0.1:%(port)d inet n - n - - smtpd
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
verify unix - - n - 1 verify
proxymap unix - - n - - proxymap
anvil unix - - n - 1 anvil
scache unix - - n - 1 scache
error unix - - n - - error
retry unix - - n - - error
lmtp unix - - n - - lmtp
smtp unix - - n - - smtp
postlog unix-dgram n - n - 1 postlogd
"""

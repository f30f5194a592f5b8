# SPDX-License-Identifier: Apache-2.0
"""The units under a real systemd: start, sandbox, reload, restart, a kill, a daemon that hangs, timers."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from tests import systemd_machine

pytestmark = [pytest.mark.peer, pytest.mark.drill, pytest.mark.timeout(540)]

DRILL = r"""
set -u
armgs=/opt/armgs/.venv/bin/armgs
step() { echo "at $(cut -d. -f1 /proc/uptime)" >> /drill/times; echo "== $*"; echo "$*" >> /drill/times; }
as_armgs() { setpriv --reuid=armgs --regid=armgs --init-groups --no-new-privs "$@"; }
state() { systemctl show --value --property="$1" "${2:-armgs.service}"; }
serves() {
    for _ in $(seq 600); do
        now=$(state MainPID)
        [ "$(state SubState)" = running ] && [ "$now" != 0 ] && [ "$now" != "$1" ] && return 0
        sleep 0.1
    done
    echo "not served: $(state ActiveState)"
}
exec 2>&1
until systemctl is-active --quiet dbus.socket; do sleep 0.1; done

step install
useradd --system --home-dir /var/lib/armgs --shell /usr/sbin/nologin armgs
install -m 644 /opt/armgs/src/systemd/armgs* /etc/systemd/system/
install -d -m 750 -o armgs -g armgs /etc/armgs
install -d -m 700 -o armgs -g armgs /var/lib/armgs /var/lib/armgs-backup
mkdir -p /etc/systemd/system/armgs.service.d
printf '[Service]\nWatchdogSec=10s\n' > /etc/systemd/system/armgs.service.d/drill.conf
systemctl daemon-reload
cd /
as_armgs $armgs quickstart /etc/armgs --domain digital.example --hostname localhost --yes > /tmp/first 2>&1 \
    && echo made || cat /tmp/first

step start
systemctl start armgs.socket armgs.service && echo "active after READY: $(state ActiveState)"
echo "sockets: $(ss -Hltn 'sport = :443 or sport = :25 or sport = :5222' | wc -l)"
pid=$(state MainPID)
echo "user: $(ps -o user= -p "$pid")"
of_process() { sed -n "s/^$1:\s*//p" "/proc/$pid/status"; }
echo "capabilities: $(of_process CapEff) $(of_process Seccomp)"

step doctor
as_armgs $armgs doctor --config /etc/armgs/armgs.toml > /tmp/doctor && echo well || cat /tmp/doctor

step reload
systemctl reload armgs.service && [ "$(state MainPID)" = "$pid" ] && echo "reloaded, same process: yes"

step restart
( for _ in $(seq 100); do
    bash -c 'exec 3<>/dev/tcp/127.0.0.1/143' 2> /dev/null || echo refused
    sleep 0.05
  done ) > /tmp/refused & asking=$!
systemctl restart armgs.service && echo "another process: $([ "$(state MainPID)" != "$pid" ] && echo yes)"
wait $asking
echo "refused meanwhile: $(wc -l < /tmp/refused)"

step killed
pid=$(state MainPID)
kill -KILL "$pid"
serves "$pid"
echo "restarts: $(state NRestarts), another process: $([ "$(state MainPID)" != "$pid" ] && echo yes)"

step "stands still"
pid=$(state MainPID)
kill -STOP "$pid"
serves "$pid"
echo "restarts: $(state NRestarts), another process: $([ "$(state MainPID)" != "$pid" ] && echo yes)"

step timers
for unit in armgs-doctor armgs-backup armgs-backup-trial; do
    systemctl start $unit.service
    echo "$unit: $(state Result $unit.service) $(state ExecMainStatus $unit.service)"
    systemctl start $unit.timer && echo "$unit.timer: $(state ActiveState $unit.timer)"
done

step security
systemd-analyze security --no-pager armgs.service | tail -1

step stop
systemctl stop armgs.service 2> /dev/null
echo "result: $(state Result) $(state ActiveState)"
journalctl --no-pager -u armgs.service -p warning -o cat | tail -20 | sed 's/^/journal: /'
step end
"""


@pytest.fixture
def said(debian: Callable[..., None], tmp_path: Path) -> dict[str, str]:
    """What each step of the drill has said."""
    debian("systemd", "systemd-container", "dbus", "iproute2", "procps", "passwd", "util-linux")
    (tmp_path / "probe").mkdir()
    reason = systemd_machine.reason_against(tmp_path / "probe")
    if reason:
        (pytest.fail if os.environ.get("CI") == "true" else pytest.skip)(reason)
    text = systemd_machine.run(tmp_path, DRILL)
    found = {}
    for part in text.split("== ")[1:]:
        name, _, rest = part.partition("\n")
        found[name] = rest.strip()
    assert "end" in found, text
    print(text)
    return found


def test_the_units_live_under_systemd(said: dict[str, str]) -> None:
    assert said["install"] == "made"
    assert said["start"].splitlines() == [
        "active after READY: active",
        "sockets: 3",
        "user: armgs",
        "capabilities: 0000000000000000 2",
    ]
    assert said["doctor"] == "well"
    assert said["reload"] == "reloaded, same process: yes"
    assert said["restart"].splitlines() == ["another process: yes", "refused meanwhile: 0"]
    # On a busy machine the watchdog, here a third of what the unit has, may have been impatient once more.
    assert re.fullmatch(r"restarts: [1-9], another process: yes", said["killed"])
    assert re.fullmatch(r"restarts: [2-9], another process: yes", said["stands still"])
    for unit in ("armgs-doctor", "armgs-backup", "armgs-backup-trial"):
        assert f"{unit}: success 0\n{unit}.timer: active" in said["timers"]
    assert "Overall exposure level for armgs.service: 1.1" in said["security"]
    assert said["stop"].startswith("result: success inactive")

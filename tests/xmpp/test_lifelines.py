# SPDX-License-Identifier: Apache-2.0
"""xmpp/lifelines.py: who of this host is dead, who only stands still."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

from armgs_server.xmpp.lifelines import FOLDER, Lifelines

HOLD = """
import sys, time
from pathlib import Path
from armgs_server.xmpp.lifelines import Lifelines
lifelines = Lifelines(Path(sys.argv[1]), "other")
lifelines.hold()
print("held", flush=True)
time.sleep(60)
"""


def test_a_process_is_dead_when_the_kernel_says_so(tmp_path: Path) -> None:
    mine = Lifelines(tmp_path, "mine")
    mine.hold()
    with subprocess.Popen([sys.executable, "-c", HOLD, str(tmp_path)], stdout=subprocess.PIPE) as other:
        assert other.stdout is not None and other.stdout.readline() == b"held\n"
        assert mine.dead() == []
        other.send_signal(signal.SIGSTOP)
        assert mine.dead() == []
        other.kill()
        other.wait(30)
    assert mine.dead() == ["other"]
    mine.bury(["other"])
    assert mine.dead() == []
    mine.bury(["other"])  # another was faster
    mine.release()


def test_who_leaves_in_order_leaves_nothing(tmp_path: Path) -> None:
    mine, other = Lifelines(tmp_path, "mine"), Lifelines(tmp_path, "other")
    assert mine.dead() == []
    mine.hold()
    other.hold()
    other.release()
    other.release()
    assert mine.dead() == []
    assert [file.name for file in (tmp_path / FOLDER).iterdir()] == ["mine"]
    mine.release()

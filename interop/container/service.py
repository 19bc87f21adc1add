"""The unit of packaging/ in a systemd that runs: in a root directory with an image's amqpy, which systemd-nspawn boots.

A service of ours asks there what is to be known, writes it down, and switches the machine off.
"""

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

from interop.container.chroot import Root, copy
from interop.container.context import ROOT
from interop.container.image import Unavailable

BOOT_S = 180
PACKAGES = ("dbus", "systemd", "systemd-sysv")
ANSWERS = "answers"

QUESTIONS = f"""#!/bin/sh
export AMQPY_DATA_DIR=/var/lib/amqpy PATH=/opt/amqpy/bin:$PATH
ask() {{ name=$1; shift; echo "$name=$("$@" 2>&1 | tail -n 1)" >>/{ANSWERS}; }}
of_unit() {{ systemctl show amqpy --property "$1" --value; }}
process() {{ of_unit MainPID; }}
of_process() {{ sed -n "s/^$1:[[:space:]]*//p" "/proc/$(process)/status"; }}

ask active systemctl is-active amqpy
ask status of_unit StatusText
ask user of_process Uid
ask capabilities of_process CapEff
ask seccomp of_process Seccomp
ask broker amqpy ctl -q list_vhosts
ask store amqpy store check
ask mode stat --format=%a /var/lib/amqpy
first=$(process)
systemctl reload amqpy
ask reload echo $?
ask reloaded systemctl is-active amqpy
[ "$first" = "$(process)" ]
ask same_process echo $?
kill -STOP "$first"
while [ "$(of_unit NRestarts)" = 0 ] || [ "$(systemctl is-active amqpy)" != active ]; do sleep 0.2; done
[ "$first" = "$(process)" ]
ask same_after_standstill echo $?
echo 'nonsense = 1' >/etc/amqpy/conf.d/wrong.conf
systemctl restart amqpy
ask wrong_settings of_unit ExecMainStatus
ask after_wrong_settings systemctl is-active amqpy
rm /etc/amqpy/conf.d/wrong.conf
systemctl restart amqpy
systemctl stop amqpy
ask stopped of_unit Result
systemctl poweroff
"""

EXPECTED = {
    "active": "active",
    "status": "Server startup complete; 0 plugins started.",
    "capabilities": "0000000000000000",
    "seccomp": "2",
    "broker": "/",
    "store": "0 durable queues, 0 problems",
    "mode": "700",
    "reload": "0",
    "reloaded": "active",
    "same_process": "0",
    "same_after_standstill": "1",
    "wrong_settings": "2",
    "after_wrong_settings": "failed",
    "stopped": "success",
}

ASKING = """[Unit]
After=amqpy.service
[Service]
Type=oneshot
ExecStart=/questions
"""
IMPATIENT = "[Service]\nWatchdogSec=3\n"
"""A minute would be long to wait for."""


def prepare(image: Path, root: Path) -> None:
    """Makes a root directory of an image's, with systemd and the unit. It needs a network. Raises Unavailable,
    RuntimeError."""
    if shutil.which("systemd-nspawn") is None:
        raise Unavailable("there is no systemd-nspawn (Debian: apt-get install systemd-container)")
    root.mkdir()
    copy(image, root)
    inside = Root(root, root.parent)
    user = "useradd --system --home-dir /var/lib/amqpy --shell /usr/sbin/nologin amqpy"
    packages = f"apt-get install --yes --no-install-recommends {' '.join(PACKAGES)}"
    done = inside.run("/bin/sh", "-c", f"apt-get update && {packages} && {user}")
    if done.returncode:
        raise RuntimeError(f"systemd cannot be installed:\n{done.stderr}")
    units = root / "etc/systemd/system"
    shutil.copy(ROOT / "packaging/amqpy.service", units)
    (units / "asking.service").write_text(ASKING)
    (units / "amqpy.service.d").mkdir()
    (units / "amqpy.service.d/impatient.conf").write_text(IMPATIENT)
    wanted = units / "multi-user.target.wants"
    wanted.mkdir(exist_ok=True)
    for name in ("amqpy.service", "asking.service"):
        (wanted / name).symlink_to(f"../{name}")
    (root / "questions").write_text(QUESTIONS)
    (root / "questions").chmod(0o755)


def play(root: Path) -> Iterator[str]:
    """Boots it, and yields what has been found to be so. Raises AssertionError."""
    command = ["systemd-nspawn", "--register=no", "--keep-unit", "--private-network", "--quiet", "--boot"]
    done = subprocess.run(
        [*command, f"--directory={root}"],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=BOOT_S,
    )
    if not (root / ANSWERS).exists():
        raise AssertionError(f"systemd has not started:\n{done.stdout}{done.stderr}")
    found = dict(line.split("=", 1) for line in (root / ANSWERS).read_text().splitlines())
    user = found.pop("user").split()[0]
    assert user != "0", "it runs as root"
    assert found == EXPECTED, found
    yield "systemd starts the unit, is told that it is ready, reloads it, and stops it"
    yield "a broker that stands still is started again, one whose settings are wrong is not"

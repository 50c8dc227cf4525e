"""Two processes on two hosts, each a network namespace; then the cable between them is cut."""

import os
import shlex
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests import code_generation

ROOT = Path(__file__).parents[2]
NAMESPACE = ["unshare", "--map-root-user", "--net", "--mount", "bash", "-c"]
HOSTS = """
mount -t tmpfs tmpfs /run && mkdir -p /run/netns || exit 99
ip netns add a && ip netns add b || exit 99
ip link add va netns a type veth peer name vb netns b || exit 99
ip -n a addr add 10.77.0.1/24 dev va && ip -n b addr add 10.77.0.2/24 dev vb || exit 99
for host in a b; do ip -n $host link set lo up; ip -n $host link set v$host up; done
"""
RUN = """
export JAX_COORDINATOR_ADDRESS=10.77.0.1:5555 JAX_NUM_PROCESSES=2 PYTHONUNBUFFERED=1
JAX_PROCESS_ID=0 ip netns exec a {host} 10.77.0.1 {command} \\
    > {place}/0.out 2> {place}/0.err & first=$!
JAX_PROCESS_ID=1 ip netns exec b {host} 10.77.0.2 {command} \\
    > {place}/1.out 2> {place}/1.err & second=$!
for _ in $(seq 6000); do
    grep -q ' step 5/' {place}/0.out && {kept} | grep -q . && break
    sleep 0.1
done
ip -n a link set va down; SECONDS=0
wait $first; echo $? > {place}/0.status; wait $second; echo $? > {place}/1.status
echo $SECONDS > {place}/seconds
"""

# gloo offers the address that the host's own name stands for, here 127.0.0.1 for all of them.
NAMED = """
address=$1; shift; hostname host-$address
printf '%s host-%s\\n127.0.0.1 localhost\\n' $address $address > {place}/hosts-$address
mount --bind {place}/hosts-$address /etc/hosts && exec "$@"
"""


@pytest.mark.slow
def test_hosts_that_lose_each_other_both_end_with_one_line(
    tmp_path: Path, flags: Callable[..., list[str]]
) -> None:
    try:
        tried = subprocess.run([*NAMESPACE, HOSTS], capture_output=True, text=True, check=False)
    except FileNotFoundError:
        pytest.skip("no unshare on this machine")
    if tried.returncode:
        pytest.skip(f"no network namespaces on this machine: {tried.stderr.strip()}")
    changes = {"parallel.devices": 0, "total_steps": 5000, "eval.every_steps": 5000}
    arguments = flags(tmp_path / "run", **changes, **{"processes.lost_seconds": 6})
    command = shlex.join([sys.executable, "-m", "distil_jax.main", *arguments])
    named = shlex.quote(NAMED.format(place=tmp_path))
    host = f"unshare --uts --mount bash -c {named} host"
    kept = f"find {tmp_path}/run/checkpoints -maxdepth 1 -regex '.*/[0-9]+'"
    script = HOSTS + RUN.format(command=command, place=tmp_path, host=host, kept=kept)
    environment = os.environ | {"XLA_FLAGS": code_generation.FLAGS}
    subprocess.run([*NAMESPACE, script], check=True, env=environment, cwd=ROOT, timeout=900)
    assert "step 5/5000" in (tmp_path / "0.out").read_text(), (tmp_path / "0.err").read_text()
    assert int((tmp_path / "seconds").read_text()) < 60
    for index in range(2):
        assert (tmp_path / f"{index}.status").read_text() == "1\n"
        (line,) = (tmp_path / f"{index}.err").read_text().splitlines()
        assert f" process {index}/2 step " in line
        assert "start all processes again" in line
    names = [path.name for path in (tmp_path / "run" / "checkpoints").iterdir()]
    assert any(name.isdecimal() for name in names), names

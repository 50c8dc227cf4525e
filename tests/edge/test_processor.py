"""processor: what /proc/cpuinfo says."""

import os
import platform

import pytest

from distil_jax.edge import processor


@pytest.mark.parametrize(
    ("machine", "flags", "expected"),
    [
        ("x86_64", "fpu avx2", True),
        ("x86_64", "fpu avx2 avx512f", True),
        ("x86_64", "avx2 avx512_vnni", False),
        ("x86_64", "avx2 avx_vnni", False),
        ("aarch64", "asimd", False),
    ],
)
def test_only_old_x86_saturates(monkeypatch, machine, flags, expected):
    monkeypatch.setattr(platform, "machine", lambda: machine)
    monkeypatch.setattr(processor, "_cpuinfo", lambda: [f"flags\t\t: {flags}"])
    assert processor.saturates() is expected


def test_the_name_has_the_cores(monkeypatch):
    monkeypatch.setattr(processor, "_cpuinfo", lambda: ["model name\t: Some CPU @ 2 GHz"])
    assert processor.name() == f"Some CPU @ 2 GHz, {os.cpu_count()} cores"

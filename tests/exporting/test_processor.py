"""processor: what /proc/cpuinfo says."""

import os

from distil_jax.exporting import processor


def test_the_name_has_the_cores(monkeypatch):
    monkeypatch.setattr(processor, "_cpuinfo", lambda: ["model name\t: Some CPU @ 2 GHz"])
    assert processor.name() == f"Some CPU @ 2 GHz, {os.cpu_count()} cores"

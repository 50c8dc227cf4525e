"""What this machine's processor is called, and whether it multiplies int8 without saturating."""

import os
import platform
from pathlib import Path

EIGHT_BIT = ("avx512_vnni", "avx_vnni", "avx_vnni_int8", "amx_int8")


def name() -> str:
    """Model name and number of cores, for figures that are worth nothing without them."""
    lines = [line for line in _cpuinfo() if line.startswith("model name")]
    model = lines[0].partition(":")[2].strip() if lines else platform.processor()
    return f"{model or platform.machine()}, {os.cpu_count()} cores"


def saturates() -> bool:
    """Whether products of int8 overflow 16 bits on the way: x86 without VNNI instructions."""
    if platform.machine().lower() not in ("x86_64", "amd64", "i386", "i686"):
        return False
    flags = next((line.split() for line in _cpuinfo() if line.startswith("flags")), [])
    return not set(EIGHT_BIT) & set(flags)


def _cpuinfo() -> list[str]:
    file = Path("/proc/cpuinfo")
    return file.read_text().splitlines() if file.is_file() else []

"""What this machine's processor is called."""

import os
import platform
from pathlib import Path


def name() -> str:
    """Model name and number of cores, for figures that are worth nothing without them."""
    lines = [line for line in _cpuinfo() if line.startswith("model name")]
    model = lines[0].partition(":")[2].strip() if lines else platform.processor()
    return f"{model or platform.machine()}, {os.cpu_count()} cores"


def multiplies_bytes() -> bool:
    """Whether products of 8-bit weights come out right here: x86 with VNNI, or ARM."""
    flags = next((line for line in _cpuinfo() if line.startswith("flags")), "")
    return "vnni" in flags or platform.machine().lower() in ("aarch64", "arm64")


def _cpuinfo() -> list[str]:
    file = Path("/proc/cpuinfo")
    return file.read_text().splitlines() if file.is_file() else []

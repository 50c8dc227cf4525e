"""What this machine's processor is called."""

import os
import platform
from pathlib import Path


def name() -> str:
    """Model name and number of cores, for figures that are worth nothing without them."""
    lines = [line for line in _cpuinfo() if line.startswith("model name")]
    model = lines[0].partition(":")[2].strip() if lines else platform.processor()
    return f"{model or platform.machine()}, {os.cpu_count()} cores"


def _cpuinfo() -> list[str]:
    file = Path("/proc/cpuinfo")
    return file.read_text().splitlines() if file.is_file() else []

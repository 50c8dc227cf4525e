"""How many programs a start compiles, and how many come from the cache, counted by JAX's events.

    python benchmarks/compilation.py [--config.KEY=VALUE ...]

Starts the quickstart twice, a process and a workdir each, five steps, with one new cache folder.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

COUNTING = """
import atexit, collections, json, sys
import jax
events = collections.Counter()
jax.monitoring.register_event_listener(lambda event, **_: events.update([event]))
seconds = collections.Counter()
jax.monitoring.register_event_duration_secs_listener(
    lambda event, duration, **_: seconds.update({event: duration})
)
atexit.register(lambda: print(json.dumps([events, seconds])))
from distil_jax import commandline, main
commandline.run(main.main, sys.argv[1:])
"""
REQUESTS = "/jax/compilation_cache/compile_requests_use_cache"
HITS = "/jax/compilation_cache/cache_hits"
SECONDS = "/jax/core/compile/backend_compile_duration"


def main() -> None:
    with tempfile.TemporaryDirectory() as workdirs:
        cache = Path(workdirs) / "cache"
        environment = os.environ | {"DISTIL_JAX_CACHE": str(cache), "JAX_PLATFORMS": "cpu"}
        for name in ("first", "second"):
            keys = ["--config=quickstart", f"--workdir={workdirs}/{name}", "--config.total_steps=5"]
            began = time.perf_counter()
            done = subprocess.run(
                [sys.executable, "-c", COUNTING, *keys, *sys.argv[1:]],
                env=environment,
                check=True,
                stdout=subprocess.PIPE,
            )
            whole = time.perf_counter() - began
            events, seconds = json.loads(done.stdout.splitlines()[-1])
            asked, hits = events[REQUESTS], events.get(HITS, 0)
            files = [path.stat().st_size for path in cache.rglob("*") if path.is_file()]
            print(
                f"{name} start: {asked} programs, {asked - hits} compiled and {hits} from the "
                f"cache in {seconds[SECONDS]:.1f} s of {whole:.0f}; "
                f"the cache: {len(files)} files, {sum(files) / 1e6:.1f} MB",
                flush=True,
            )


if __name__ == "__main__":
    main()

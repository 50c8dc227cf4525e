"""One model in a process of its own, called as standard input asks; `exports.py speed` starts it.

    python benchmarks/export_worker.py onnx FILE
    python benchmarks/export_worker.py pytorch FOLDER

A line COUNT LENGTH CALLS is answered with the milliseconds, by the clock and of the processor, of
each of as many calls on COUNT sequences of LENGTH random tokens, after one that does not count; a
line `memory` with megabytes: of the process before it opened the model, and the most until now. It
loads nothing that the model does not need, and uses the cores that it is given (taskset).
"""

import inspect
import json
import os
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

FIRST_ORDINARY_TOKEN = 5
Call = Callable[[Mapping[str, np.ndarray]], Any]


def main() -> None:
    kind, path = sys.argv[1:]
    vocabulary = json.loads((config_of(Path(path))).read_text("utf-8"))["vocab_size"]
    load = KINDS[kind]()
    before = megabytes("VmRSS")
    call = load(path)
    print("ready", flush=True)
    for line in sys.stdin:
        if line.strip() == "memory":
            print(json.dumps([before, megabytes("VmHWM")]), flush=True)
            continue
        count, length, calls = map(int, line.split())
        inputs = batch(count, length, vocabulary)
        call(inputs)
        print(json.dumps([milliseconds(call, inputs) for _ in range(calls)]), flush=True)


def config_of(path: Path) -> Path:
    folder = path if path.is_dir() else path.parent
    return (
        folder / "config.json"
        if (folder / "config.json").is_file()
        else folder.parent / ("config.json")
    )


def batch(count: int, length: int, vocabulary: int) -> dict[str, np.ndarray]:
    tokens = np.random.default_rng(0).integers(FIRST_ORDINARY_TOKEN, vocabulary, (count, length))
    mask = np.ones_like(tokens)
    return {"input_ids": tokens, "attention_mask": mask, "token_type_ids": np.zeros_like(tokens)}


def milliseconds(call: Call, inputs: Mapping[str, np.ndarray]) -> tuple[float, float]:
    start, used = time.perf_counter(), time.process_time()
    call(inputs)
    return 1000 * (time.perf_counter() - start), 1000 * (time.process_time() - used)


def onnx() -> Callable[[str], Call]:
    import onnxruntime

    def load(path: str) -> Call:
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 4
        options.intra_op_num_threads = len(os.sched_getaffinity(0))
        session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
        known = {put.name for put in session.get_inputs()}
        return lambda inputs: session.run(None, {name: inputs[name] for name in known})

    return load


def pytorch() -> Callable[[str], Call]:
    import torch
    import transformers

    torch.set_num_threads(len(os.sched_getaffinity(0)))

    def load(path: str) -> Call:
        content = json.loads((Path(path) / "config.json").read_text("utf-8"))
        name = (content.get("architectures") or ["AutoModel"])[0]
        model = getattr(transformers, name).from_pretrained(path).eval()
        accepted = set(inspect.signature(model.forward).parameters)

        def call(inputs: Mapping[str, np.ndarray]) -> Any:
            tensors = {
                name: torch.from_numpy(value) for name, value in inputs.items() if name in accepted
            }
            with torch.inference_mode():
                return model(**tensors)

        return call

    return load


def megabytes(field: str) -> float:
    """Of this process, from Linux's account of it."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith(field)).split()[1]) / 1000


KINDS = {"onnx": onnx, "pytorch": pytorch}

if __name__ == "__main__":
    main()

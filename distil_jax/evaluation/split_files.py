"""A split's predictions as files: a record a line, and what the benchmark takes."""

import json

from distil_jax.tasks.kind import EvalSplit, Prediction


def main_files(split: EvalSplit, records: list[Prediction]) -> dict[str, str]:
    """Texts by the files' names, of the split that is scored first."""
    return _files(split, records, "predictions.jsonl")


def further_files(split: EvalSplit, records: list[Prediction]) -> dict[str, str]:
    """The same of another split."""
    return _files(split, records, f"predictions-{split.name}.jsonl")


def _files(split: EvalSplit, records: list[Prediction], name: str) -> dict[str, str]:
    lines = [json.dumps(record, ensure_ascii=False) + "\n" for record in records]
    asked = () if split.submission is None else (split.submission(records),)
    return {name: "".join(lines), **dict(asked)}

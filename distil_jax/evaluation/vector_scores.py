"""`evaluate --task=sts` and `--task=retrieval`: a sentence model scored as it is."""

import functools
import json
import os
import platform
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import jax

import distil_jax
from distil_jax.embedding import retrieval
from distil_jax.embedding.embedder import Embedder, Vectors
from distil_jax.embedding.opening import open_embedder
from distil_jax.embedding.progress import shown
from distil_jax.embedding.truncation import truncated, unit
from distil_jax.errors import UserError
from distil_jax.evaluation.output_folder import check_identity
from distil_jax.storage.atomic import write_text, writing
from distil_jax.storage.lock import lock
from distil_jax.tasks import examples
from distil_jax.tasks.beir import read_collection
from distil_jax.tasks.sources import Source
from distil_jax.tasks.task_scores import Metrics, pearson_spearman
from distil_jax.training.progress import Display

STS_SPLITS = ("test", "validation", "train")
QUERY_PROMPTS = ("query",)
DOCUMENT_PROMPTS = ("document", "passage", "corpus")
DEFINITIONS = {
    "sts": "Spearman's correlation of cosine and label, times 100",
    "retrieval": "nDCG@10, mean over the queries, times 100",
}


@dataclass(frozen=True)
class VectorSettings:
    """What is scored.

    Attributes:
      teacher: a second model to set beside it; empty: none.
      document_model: embeds the documents of a retrieval in place of both; empty: each its own.
      given: files by split, in place of the folder's.
      dimensions: of each vector that count, its first ones; 0: all.
      dtype: of an encoder's matmuls.
    """

    model: str
    task: str
    data: str
    output: Path
    teacher: str = ""
    document_model: str = ""
    given: Mapping[str, Path] | None = None
    columns: tuple[str, ...] = ()
    label: str = ""
    dimensions: int = 0
    dtype: str = "float32"


@dataclass(frozen=True)
class _Scored:
    """What a task's data asks of a model.

    Attributes:
      score: all metrics of a model, with the records or lines that predictions are.
      counts: of what was scored.
    """

    score: Callable[[Embedder], tuple[Metrics, Mapping[str, str]]]
    main: str
    counts: Mapping[str, int]


def evaluate(
    settings: VectorSettings, opened: Callable[[str, str], Embedder] = open_embedder
) -> dict[str, Any]:
    """Score a model's vectors and write results.json and predictions; raises `UserError`.

    `opened` makes an embedder of a model's name and a type of matmuls.
    """
    display = Display()
    check_identity(settings.output, None)

    def opened_by(name: str) -> Embedder:
        return truncated(opened(name, settings.dtype), settings.dimensions, name)

    task = TASKS[settings.task](settings, opened_by)
    identity = {
        **asdict(settings),
        "given": {split: str(path) for split, path in (settings.given or {}).items()},
        "columns": list(settings.columns),
        "output": "",
    }
    # As it was before there was a choice.
    if settings.dtype == "float32":
        del identity["dtype"]
    if not settings.document_model:
        del identity["document_model"]
    with lock(settings.output) as folder:
        check_identity(folder, identity)
        model = opened_by(settings.model)
        metrics, files = task.score(model)
        if settings.teacher:
            of_teacher, _ = task.score(opened_by(settings.teacher))
            metrics |= {f"teacher_{name}": value for name, value in of_teacher.items()}
        results = _results(settings, model, task, metrics, identity)
        with writing(folder):
            for name, text in files.items():
                write_text(folder / name, text)
            write_text(folder / "settings.json", json.dumps(identity, indent=2) + "\n")
            write_text(folder / "results.json", json.dumps(results, indent=2) + "\n")
    figures = ", ".join(f"{name} {value:.2f}" for name, value in metrics.items())
    display.say(f"{results['task']}: {figures}")
    if settings.teacher and metrics[f"teacher_{task.main}"] > 0:
        share = metrics[task.main] / metrics[f"teacher_{task.main}"]
        display.say(f"{settings.model} keeps {share:.1%} of the teacher's {task.main}")
    return results


def _sts(settings: VectorSettings, _opened: Callable[[str], Embedder]) -> _Scored:
    """Pairs with values: the split that is scored is test, else validation, else train."""
    source = Source(settings.data, None, dict(settings.given or {}))
    wanted = tuple(settings.given or ()) or STS_SPLITS
    split = next((name for name in STS_SPLITS if name in wanted and _has(source, name)), None)
    if split is None:
        raise UserError(
            f"--data={settings.data} has no test, validation or train file; give a folder that has "
            "one, or --test=FILE"
        )
    origin = source.describe(split)
    pairs = examples.read(
        source.records(split) or (),
        origin,
        columns=settings.columns,
        label=settings.label or examples.LABEL,
        labelled=True,
    )
    if pairs.second is None:
        raise UserError(f"{origin} has one text a row; sts compares two: --columns=a,b")
    labels = examples.values(pairs)

    def score(model: Embedder) -> tuple[Metrics, Mapping[str, str]]:
        assert pairs.second is not None
        texts = list(dict.fromkeys([*pairs.first, *pairs.second]))
        place = {text: number for number, text in enumerate(texts)}
        vectors = unit(shown(model, texts))
        first, second = (vectors[[place[t] for t in side]] for side in (pairs.first, pairs.second))
        cosines = (first * second).sum(-1)
        found = pearson_spearman(cosines, labels)
        records = [
            json.dumps({"id": name, "cosine": float(cosine), "label": float(label)})
            for name, cosine, label in zip(pairs.ids, cosines, labels, strict=True)
        ]
        metrics = {name: found[name] for name in ("spearman", "pearson")}
        return metrics, {"predictions.jsonl": "\n".join(records) + "\n"}

    return _Scored(score, "spearman", {split: len(pairs)})


def _has(source: Source, split: str) -> bool:
    return source.find(split) is not None or source.records(split, scored=False) is not None


def _retrieval(settings: VectorSettings, opened: Callable[[str], Embedder]) -> _Scored:
    if settings.given or settings.columns or settings.label:
        raise UserError(
            "--task=retrieval reads a folder in BEIR's layout: give --data=FOLDER alone"
        )
    collection = read_collection(settings.data)

    texts = list(collection.documents.values())
    indexer = opened(settings.document_model) if settings.document_model else None

    def embedded(model: Embedder) -> Vectors:
        return unit(shown(model, texts, prompts=DOCUMENT_PROMPTS))

    @functools.cache
    def index() -> Vectors:
        assert indexer is not None
        return embedded(indexer)

    def score(model: Embedder) -> tuple[Metrics, Mapping[str, str]]:
        if indexer and indexer.width != model.width:
            raise UserError(
                f"--document-model={settings.document_model} has vectors of {indexer.width} "
                f"numbers and the questions' model of {model.width}; give two whose vectors are as "
                "long, such as a student and its teacher"
            )
        queries = unit(shown(model, list(collection.queries.values()), prompts=QUERY_PROMPTS))
        documents = index() if indexer else embedded(model)
        ranking = retrieval.rank(collection, queries, documents)
        lines = [
            f"{query} Q0 {document} {place} {similarity:.7f} distil_jax"
            for query, ranked in ranking.items()
            for place, (document, similarity) in enumerate(ranked, 1)
        ]
        metrics = retrieval.scores(ranking, collection.judgements)
        return metrics, {"run.trec": "\n".join(lines) + "\n"}

    counts = {
        "queries": len(collection.judgements),
        "documents": len(collection.documents),
        "judgements": sum(map(len, collection.judgements.values())),
        **({"queries_among_documents": len(collection.own)} if collection.own else {}),
    }
    return _Scored(score, "ndcg@10", counts)


TASKS: Mapping[str, Callable[[VectorSettings, Callable[[str], Embedder]], _Scored]] = {
    "sts": _sts,
    "retrieval": _retrieval,
}


def _results(
    settings: VectorSettings,
    model: Embedder,
    task: _Scored,
    metrics: Metrics,
    identity: Mapping[str, Any],
) -> dict[str, Any]:
    score = metrics[task.main]
    return {
        "task": _title(settings),
        "model": settings.model,
        "teacher": settings.teacher or None,
        "metric": task.main,
        "metric_definition": DEFINITIONS[settings.task],
        "score": score,
        "spread": {"min": score, "max": score, "std": 0.0},
        "metrics": metrics,
        "seeds": [{"seed": 0, "score": score, "metrics": metrics}],
        "parameters": model.parameters,
        "bytes": 4 * model.parameters,
        "width": model.width,
        "counts": dict(task.counts),
        "settings": dict(identity),
        "environment": {
            "distil_jax": distil_jax.__version__,
            "jax": jax.__version__,
            "python": platform.python_version(),
            "device": jax.devices()[0].device_kind,
            "processors": os.cpu_count(),
        },
    }


def _title(settings: VectorSettings) -> str:
    """The task with the name of its data, and of who indexed it: a page can show several."""
    named: Sequence[Path | str] = [*(settings.given or {}).values(), settings.data]
    place = Path(settings.data) if settings.data else Path(named[0])
    name = place.resolve().name if place.is_dir() else place.name
    indexer = settings.document_model
    index = f", documents of {Path(indexer).name}" if indexer else ""
    return f"{settings.task}, {name.partition('.')[0]}{index}"

"""The texts of the study of sentence embeddings: what is learnt from, and a search of long texts.

No sentence of a test set is learnt from: equal ones, case and punctuation aside, are left out.
"""

import json
import lzma
import random
import re
from pathlib import Path

from distil_jax.data.compression import SUFFIXES
from distil_jax.errors import UserError
from distil_jax.storage import atomic
from distil_jax.tokenizer import special_ids

TASKS = {
    "stsb": ("glue/stsb", ("sentence1", "sentence2")),
    "sick": ("sts/sick", ("sentence1", "sentence2")),
    "mrpc": ("glue/mrpc", ("sentence1", "sentence2")),
    "rte": ("glue/rte", ("sentence1", "sentence2")),
    "cola": ("glue/cola", ("sentence",)),
    "sst2": ("glue/sst2", ("sentence",)),
}
JOINED = ("rte", "mrpc")
"""Their two sentences are one text where every token's state is learnt."""
SHORT_ONES = 10_000
"""Most sentences beside passages and pairs there."""
CORPORA = ("corpus/wiki-01.txt.xz", "corpus/books-01.txt.xz")
HELD_OUT = "corpus/wiki-heldout.txt.xz"
"""Plain text, articles apart by a blank line."""
SENTENCES, PAIRS = "sentences/sentences.jsonl.xz", "sentences/pairs.jsonl.xz"
"""Records with `text`; and with `sentence1` and `sentence2`, which mean the same."""
SEARCH = [f"retrieval/cranfield/{name}" for name in ("queries.jsonl", "qrels/test.tsv")]
CORPUS = "retrieval/cranfield/corpus.jsonl"
"""BEIR's layout; its corpus may be compressed."""
SCORED = [(name, split) for name in ("stsb", "sick") for split in ("validation", "test")]
"""Tasks' splits with `sentence1`, `sentence2` and `label`, of SICK `entailment`, too."""
SICK_TEST = "sts/sick/test.jsonl"
PASSAGE_WORDS = 75, 190
"""About 100 to 256 tokens."""
ANSWERS = 3
"""Most passages of an article in the search."""


def check(data: Path) -> None:
    """Refuse a folder that lacks a file of the study; raises `UserError` with all that it lacks."""
    needed = [*CORPORA, HELD_OUT, SENTENCES, PAIRS, *SEARCH]
    needed += [f"{TASKS[name][0]}/{split}.jsonl" for name, split in SCORED]
    lacking = [name for name in needed if not (data / name).is_file()]
    if not any((data / f"{CORPUS}{end}").is_file() for end in ("", *SUFFIXES)):
        lacking.append(CORPUS)
    if lacking:
        raise UserError(
            f"--data={data} lacks {', '.join(lacking)}; benchmarks/embedding_texts.py says what "
            "each holds"
        )
    if not any("entailment" in row for row in read_rows(data / SICK_TEST)[:1]):
        raise UserError(f"{data / SICK_TEST} lacks the column entailment in its first row; add it")


def learning_texts(data: Path, sentences: int, passages: int, seed: int) -> list[str]:
    """Plain sentences, training texts of the tasks and passages of the corpora, shuffled."""
    scored = tested(data)
    draw = random.Random(seed)
    plain = [row["text"] for row in read_rows(data / SENTENCES)]
    of_tasks = [text for name in TASKS for text in _texts_of(data, name, "train")]
    # Negations and contrasts are few, and what a small student loses first: each is kept.
    kept = [text for name in ("stsb", "sick") for text in _texts_of(data, name, "train")]
    rest = sorted(set(of_tasks) - set(kept))
    chosen = [*kept, *draw.sample(rest, min(sentences // 4, len(rest)))]
    chosen += _drawn(draw, plain, max(0, sentences - len(chosen)), f"{data / SENTENCES}: sentences")
    long = [text for name in CORPORA for text in _passages(data / name)]
    files = " and ".join(str(data / name) for name in CORPORA)
    chosen += _drawn(draw, long, passages, f"{files}: passages of {PASSAGE_WORDS[0]} words or more")
    unique = {key_of(text): text for text in chosen if key_of(text) not in scored}
    texts = list(unique.values())
    draw.shuffle(texts)
    return texts


def texts_and_pairs(data: Path, texts: list[str], between: str, seed: int) -> list[str]:
    """The passages and some sentences of `texts`, and the tasks' pairs, each as one text."""
    scored = tested(data)
    draw = random.Random(seed)
    passages = [text for text in texts if len(text.split()) >= PASSAGE_WORDS[0]]
    short = [text for text in texts if len(text.split()) < PASSAGE_WORDS[0]]
    columns = [_texts_of(data, name, "train") for name in JOINED]
    pairs = [pair for texts in columns for pair in zip(texts[::2], texts[1::2], strict=True)]
    joined = [between.join(pair) for pair in pairs if scored.isdisjoint(map(key_of, pair))]
    every = [*passages, *joined, *draw.sample(short, min(SHORT_ONES, len(short)))]
    draw.shuffle(every)
    return every


def separator(tokenizer):
    """What stands between the two texts of a pair, as text: the tokenizer reads it as it is."""
    backend = tokenizer.backend_tokenizer
    pair, single = (backend.num_special_tokens_to_add(is_pair) for is_pair in (True, False))
    return backend.id_to_token(special_ids(tokenizer).sep) * (pair - single)


def _drawn(draw: random.Random, texts: list[str], count: int, what: str) -> list[str]:
    if len(texts) < count:
        raise UserError(
            f"{what} are {len(texts)}, and --size wants {count}: add text, or take a smaller --size"
        )
    return draw.sample(texts, count)


def write_texts(path: Path, texts: list[str]) -> None:
    """A line of JSON for each."""
    lines = [json.dumps({"text": text}, ensure_ascii=False) for text in texts]
    path.parent.mkdir(parents=True, exist_ok=True)
    atomic.write_text(path, "\n".join(lines) + "\n")


def write_search(folder: Path, data: Path, articles: int) -> None:
    """BEIR's layout: an article's first passage asks for its others, among those of all."""
    documents, queries, judged = [], [], ["query-id\tcorpus-id\tscore"]
    for number, article in enumerate(_articles(data / HELD_OUT)):
        long = [text for text in article if len(text.split()) >= PASSAGE_WORDS[0] // 2]
        if len(long) < 2 or len(queries) == articles:
            continue
        queries.append({"_id": f"q{number}", "text": long[0]})
        for place, text in enumerate(long[1 : 1 + ANSWERS]):
            documents.append({"_id": f"d{number}-{place}", "title": "", "text": text})
            judged.append(f"q{number}\td{number}-{place}\t1")
    (folder / "qrels").mkdir(parents=True, exist_ok=True)
    for name, rows in (("corpus", documents), ("queries", queries)):
        atomic.write_text(folder / f"{name}.jsonl", "".join(json.dumps(row) + "\n" for row in rows))
    atomic.write_text(folder / "qrels/test.tsv", "\n".join(judged) + "\n")


def contradictions(data: Path) -> list[int]:
    """Places of the contradictions among SICK's test pairs."""
    labels = [str(row.get("entailment", "")).lower() for row in read_rows(data / SICK_TEST)]
    return [place for place, label in enumerate(labels) if label == "contradiction"]


def tested(data: Path, *names: str) -> set[str]:
    """Keys of all sentences that a split of these tasks scores, of all tasks without names."""
    return {
        key_of(text)
        for name in names or TASKS
        for split in ("validation", "test")
        for text in _texts_of(data, name, split)
    }


def _texts_of(data: Path, name: str, split: str) -> list[str]:
    columns = TASKS[name][1]
    return [row[column] for row in rows_of(data, name, split) for column in columns]


def rows_of(data: Path, name: str, split: str) -> list[dict]:
    """The records of a task's split, compressed or not; none if it is not there."""
    folder = data / TASKS[name][0]
    files = [folder / f"{split}.jsonl", folder / f"{split}.jsonl.xz"]
    path = next(filter(Path.is_file, files), None)
    return [] if path is None else read_rows(path)


def read_rows(path: Path) -> list[dict]:
    """The records of JSON lines, compressed with xz or not."""
    opener = lzma.open if path.suffix == ".xz" else open
    with opener(path, "rt", encoding="utf-8") as file:
        return [json.loads(line) for line in file]


def _articles(path: Path) -> list[list[str]]:
    with lzma.open(path, "rt", encoding="utf-8") as file:
        return [block.split("\n") for block in file.read().split("\n\n")]


def _passages(path: Path) -> list[str]:
    """Neighbouring paragraphs of a document, as many as make a passage, cut to its length."""
    least, most = PASSAGE_WORDS
    made = []
    for article in _articles(path):
        words = " ".join(article).split()
        if len(words) >= least:
            made.append(" ".join(words[: least + len(made) % (most - least)]))
    return made


def key_of(text: str) -> str:
    """The same for texts that are equal, case and punctuation aside."""
    return " ".join(re.findall(r"\w+", text.lower()))

"""Sentences with their entities: of tokens and tags, or of text and character spans."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain, pairwise
from types import MappingProxyType
from typing import Any

import numpy as np
from jaxtyping import Int
from tokenizers import Regex, pre_tokenizers

from distil_jax.errors import UserError
from distil_jax.tasks import examples, list_text, tag_schemes
from distil_jax.tasks.files import Record
from distil_jax.tasks.missing_labels import is_missing, leave_out
from distil_jax.tasks.tag_schemes import Entity

TOKENS = ("tokens", "words", "token", "tokenized_text")
TAGS = ("tags", "ner_tags", "ner", "labels", "label", "tag")
SPANS = ("entities", "spans", "labels", "label", "annotations", "ents")
START = ("start", "begin", "start_offset", "start_char")
END = ("end", "stop", "end_offset", "end_char")
TYPE = ("label", "type", "entity", "entity_group", "tag", "labels", "class")
IDEOGRAPHS = "[\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff]"
SPLITTER = pre_tokenizers.Sequence(
    [
        pre_tokenizers.WhitespaceSplit(),
        pre_tokenizers.Punctuation("isolated"),
        pre_tokenizers.Split(Regex(IDEOGRAPHS), "isolated"),
    ]
)


@dataclass(frozen=True)
class Sentence:
    """A text, its words and its entities.

    Attributes:
      words: first and last character (exclusive) of each.
      entities: of words; None where nothing is known of them.
    """

    text: str
    words: Int[np.ndarray, "words 2"]
    entities: tuple[Entity, ...] | None = None


@dataclass(frozen=True)
class Sentences:
    """The sentences of a table, without those of unknown entities where these must be known."""

    ids: tuple[str, ...]
    rows: tuple[Sentence, ...]
    origin: str
    left_out: int = 0

    @property
    def labelled(self) -> bool:
        """Whether all entities are known."""
        return all(sentence.entities is not None for sentence in self.rows)


@dataclass(frozen=True)
class Layout:
    """The columns of a table: words or text, and tags or spans (empty: none)."""

    words: bool
    column: str
    label: str


def split_words(text: str) -> Int[np.ndarray, "words 2"]:
    """Words of a text: what white space, punctuation and ideographs separate."""
    offsets = [place for _, place in SPLITTER.pre_tokenize_str(text)]
    return np.asarray(offsets, np.int32).reshape(-1, 2)


def layout(
    row: Record, origin: str, columns: Sequence[str], label: str, *, labelled: bool
) -> Layout:
    """What a table's columns hold, from its first record; raises `UserError`."""
    if columns:
        column = examples.check_columns(row, origin, columns[:1])[0]
        words = isinstance(row[column], list) or column in TOKENS
    else:
        column = next((name for name in TOKENS if name in row and not _of_records(row[name])), "")
        words = bool(column)
        column = column or examples.check_columns(row, origin, ())[0]
    usual = TAGS if words else SPANS
    label = label or next((name for name in usual if name in row and name != column), "")
    if labelled and (not label or label not in row):
        raise UserError(
            f"{origin} has no column of {'tags' if words else 'entities'} "
            f"({', '.join(usual)}); it has {', '.join(row)} (--label)"
        )
    if labelled and isinstance(row[label], int | float) and not is_missing(row[label]):
        raise UserError(
            f"{origin}: {label} is one value a row ({row[label]!r}), and entities need a list: "
            "give a table of tokens and tags or of text and entities, or CoNLL's columns; one "
            "label a text is --task=classification"
        )
    return Layout(words, column, label if label in row else "")


def _of_records(value: Any) -> bool:
    """Whether a list says of each word where it stands, beside a text and its spans."""
    return isinstance(value, list) and bool(value) and isinstance(value[0], dict)


def read(
    rows: Iterable[Record],
    origin: str,
    *,
    columns: Sequence[str],
    label: str,
    labelled: bool,
    names: Mapping[str, Sequence[str]] = MappingProxyType({}),
) -> Sentences:
    """The sentences of a table; raises `UserError` naming the row and what is wrong with it.

    With `labelled`, rows without their entities are left out, which is reported. `names` are, by
    column, the tags that numbers stand for.
    """
    ids: list[str] = []
    found: list[Sentence] = []
    tags: list[list[str]] = []
    places: list[str] = []
    shape: Layout | None = None
    left_out: dict[int, Any] = {}
    count = 0
    for number, row in enumerate(rows):
        count += 1
        shape = shape or layout(row, origin, columns, label, labelled=labelled)
        where = _where(row, origin, number)
        sentence, own_tags = _sentence(row, shape, where, names)
        if labelled and sentence.entities is None and not own_tags:
            left_out[number] = row.get(shape.label)
            continue
        ids.append(str(row.get("id", row.get("idx", number))))
        found.append(sentence)
        tags.append(own_tags)
        places.append(where)
    if not count:
        raise UserError(f"{origin} has no rows; give a table with some")
    if shape is not None and left_out:
        leave_out(left_out, count, origin, shape.label, left_out[min(left_out)])
    full = _with_prefixes(tags, places)
    entities = [tuple(tag_schemes.entities(own)) if own else None for own in full]
    every = zip(found, entities, strict=True)
    whole = [
        sentence if own is None else replace(sentence, entities=own) for sentence, own in every
    ]
    return Sentences(tuple(ids), tuple(whole), origin, len(left_out))


def plain_sentence(row: Record, shape: Layout, where: str) -> Sentence:
    """A row without its entities; raises `UserError` for what is no text and no list of words."""
    if shape.words:
        return _joined(_strings(row.get(shape.column), shape.column, where))
    text = examples.row_texts(row, (shape.column,), where.rpartition(" row ")[0], _number(where))[0]
    return Sentence(text, split_words(text))


def _where(row: Record, origin: str, number: int) -> str:
    line = f" (line {row['line']})" if isinstance(row.get("line"), int) else ""
    return f"{origin}{line} row {number}"


def _number(where: str) -> int:
    return int(where.rpartition(" ")[2])


def _sentence(
    row: Record, shape: Layout, where: str, names: Mapping[str, Sequence[str]]
) -> tuple[Sentence, list[str]]:
    """With its entities, or without them and its tags."""
    plain = plain_sentence(row, shape, where)
    given = row.get(shape.label) if shape.label else None
    if is_missing(given) or (shape.words and given == []):
        return plain, []
    if not shape.words:
        return _with_spans(plain.text, _list(given, shape.label, where), where), []
    tags = [_named(tag, names.get(shape.label, ())) for tag in _strings(given, shape.label, where)]
    if len(tags) != len(plain.words):
        raise UserError(
            f"{where} has {len(plain.words)} {shape.column} and {len(tags)} {shape.label}; "
            "each token has one tag"
        )
    return plain, tags


def _joined(words: Sequence[str]) -> Sentence:
    """Words with a space between any two."""
    words = [examples.clean(word) for word in words]
    lengths = np.asarray([len(word) for word in words], np.int32)
    starts = np.cumsum(lengths + 1) - lengths - 1
    return Sentence(" ".join(words), np.stack([starts, starts + lengths], axis=1).astype(np.int32))


def _list(value: Any, column: str, where: str) -> list[Any]:
    """A list, or one that a table without lists wrote as text."""
    value = list_text.from_text(value)
    if isinstance(value, str):
        value = value.split()
    if isinstance(value, np.ndarray | tuple):
        value = list(value)
    if not isinstance(value, list):
        raise UserError(f"{where}: {column} holds {type(value).__name__}, not a list")
    return value


def _strings(value: Any, column: str, where: str) -> list[str]:
    items = [] if is_missing(value) else _list(value, column, where)
    if not items:
        raise UserError(f"{where} has no {column}; fill it in or leave the row out")
    wrong = next((item for item in items if not isinstance(item, str | int | float)), None)
    if wrong is not None or any(item is None for item in items):
        raise UserError(f"{where}: {column} holds {wrong!r}, which is no text")
    return [str(item) for item in items]


def _named(tag: str, names: Sequence[str]) -> str:
    """The tag that a number stands for, where there are names."""
    return names[int(tag)] if tag.isdecimal() and int(tag) < len(names) else tag


def _with_prefixes(tags: Sequence[Sequence[str]], places: Sequence[str]) -> list[list[str]]:
    """The tags of a table's sentences, checked, each with its prefix."""
    full = tag_schemes.with_prefixes({*chain.from_iterable(tags)})
    for own, where in zip(tags, places, strict=True):
        for place, tag in enumerate(own):
            _check_tag(full[tag], place, where)
    found = [[full[tag] for tag in own] for own in tags]
    _check_ends(found, places)
    return found


def _check_tag(tag: str, place: int, where: str) -> None:
    try:
        tag_schemes.parse(tag)
    except ValueError:
        number = "; the names of numbered tags must stand in the file" if tag.isdecimal() else ""
        raise UserError(
            f"{where}: tag {tag!r} of token {place} is outside BIO, IOB1, IOE and BIOES: write O, "
            f"or B-, I-, E- or S- before a type{number}"
        ) from None


def _check_ends(tags: Sequence[Sequence[str]], places: Sequence[str]) -> None:
    """In a table of BIOES tags each entity must end as it says."""
    if not tag_schemes.are_bioes(chain.from_iterable(tags)):
        return
    for own, where in zip(tags, places, strict=True):
        place = tag_schemes.first_broken(own) if own else None
        if place is not None:
            raise UserError(
                f"{where}: tag {own[place]!r} of token {place} breaks an entity of the BIOES tags "
                "around it; fix it"
            )


def _with_spans(text: str, spans: Sequence[Any], where: str) -> Sentence:
    """Words of a text, cut at the ends of its entities, and these."""
    found = sorted(_span(span, text, where) for span in spans)
    for (_, last, kind), (first, _, other) in pairwise(found):
        if first < last:
            raise UserError(
                f"{where}: the entities {kind} and {other} overlap at character {first}; "
                "a word belongs to one entity: keep one of them"
            )
    ends = {place for first, last, _ in found for place in (first, last)}
    words = _cut(split_words(text), ends)
    starts, lasts = words[:, 0].tolist(), words[:, 1].tolist()
    entities = tuple(
        Entity(starts.index(first), lasts.index(last) + 1, kind) for first, last, kind in found
    )
    return Sentence(text, words, entities)


def _cut(words: Int[np.ndarray, "words 2"], ends: set[int]) -> Int[np.ndarray, "pieces 2"]:
    pieces = []
    for first, last in words.tolist():
        inside = [first, *sorted(end for end in ends if first < end < last), last]
        pieces += list(pairwise(inside))
    return np.asarray(pieces, np.int32).reshape(-1, 2)


def _span(span: Any, text: str, where: str) -> tuple[int, int, str]:
    """First character, last (exclusive) and type; white space around it does not count."""
    if isinstance(span, dict):
        first, last, kind = (_first_of(span, names) for names in (START, END, TYPE))
    else:
        first, last, kind = (
            (*span, None, None, None)[:3] if isinstance(span, list | tuple) else [None] * 3
        )
    if isinstance(kind, list) and len(kind) == 1:
        kind = kind[0]
    numbers = all(isinstance(end, int) and not isinstance(end, bool) for end in (first, last))
    if not numbers or not isinstance(kind, str) or not kind.strip():
        raise UserError(
            f"{where}: {json.dumps(span, default=str)[:80]} is no entity; "
            "give it start, end and label"
        )
    if not 0 <= first < last <= len(text) or not text[first:last].strip():
        raise UserError(
            f"{where}: the entity {kind} from {first} to {last} holds nothing of its text of "
            f"{len(text)} characters; start counts from 0, end stands behind the last one"
        )
    quoted = span.get("text") if isinstance(span, dict) else None
    if isinstance(quoted, str) and examples.clean(quoted).strip() != text[first:last].strip():
        raise UserError(
            f"{where}: the entity {kind} from {first} to {last} is {text[first:last]!r}, "
            f"not {quoted!r}; correct its start and end"
        )
    inner = text[first:last]
    return first + len(inner) - len(inner.lstrip()), first + len(inner.rstrip()), kind.strip()


def _first_of(span: dict[str, Any], names: Sequence[str]) -> Any:
    return next((span[name] for name in names if name in span), None)

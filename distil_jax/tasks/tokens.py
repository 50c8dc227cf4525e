"""Token classification: the entities of a text, a tag for each word at its first sub-word."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import DTypeLike

from distil_jax.errors import UserError
from distil_jax.losses import IGNORE
from distil_jax.models import EncoderConfig, TokenClassification
from distil_jax.models.heads import TokenClassificationHead
from distil_jax.models.types import Params
from distil_jax.pretrained import Head, Pretrained
from distil_jax.tasks import (
    conll,
    entity_scores,
    graph_parts,
    tag_schemes,
    tagged,
    words,
)
from distil_jax.tasks.classification import label_order
from distil_jax.tasks.encoding import Encoded
from distil_jax.tasks.entity_predictions import predictions
from distil_jax.tasks.files import Record
from distil_jax.tasks.kind import (
    DataRequest,
    EvalSplit,
    ExampleKind,
    Labels,
    Outputs,
    Prediction,
    Relabel,
    TaskData,
    TrainingSet,
    UserText,
)
from distil_jax.tasks.missing_labels import is_missing
from distil_jax.tasks.named import NamedTask
from distil_jax.tasks.retagging import to_bio
from distil_jax.tasks.tagged import Sentence, Sentences
from distil_jax.tasks.task_scores import Metrics
from distil_jax.tasks.token_losses import counted, objective
from distil_jax.tasks.words import WordTokens

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

HEAD: Head = "token_classification"


def data(task: NamedTask, request: DataRequest, tokenizer: "PreTrainedTokenizerFast") -> TaskData:
    """The task's sentences, encoded; raises `UserError` for tags that are none."""
    train = _split(request, "train", labelled=True) if request.training else None
    validation = _split(request, "validation", labelled=True)
    if validation is None or (request.training and train is None):
        missing = "validation" if validation is None else "training"
        flag = "--validation" if validation is None else "--train"
        raise UserError(
            f"{request.source.location or '--data'} has no {missing} split (.jsonl, .json, .csv, "
            f".tsv, .parquet or CoNLL columns in .conll, .bio or .txt); name one with {flag}"
        )
    labels = request.known if train is None else _labels(train)
    test = _split(request, "test", labelled=False)
    encode = partial(words.encode, tokenizer=tokenizer, length=request.length)
    _check_types(validation, labels)
    splits = {"train": train, "validation": validation, "test": test}
    there = {name: split for name, split in splits.items() if split is not None}
    tokens = {name: encode(split.rows) for name, split in there.items()}
    training = None if train is None else _training(train, tokens["train"], labels, request.length)
    parts = [
        _eval_split(name, there[name], tokens[name], labels) for name in there if name != "train"
    ]
    left_out = sum(split.left_out for split in there.values())
    counts = {
        "train": 0,
        **{name: len(split.rows) for name, split in there.items()},
        **{f"{name}_entities": _entity_count(split) for name, split in there.items()},
        "words_without_token": sum(part.lost for part in tokens.values()),
        "strided": sum(part.strided for part in tokens.values()),
        "truncated": 0,
        **({"without_label": left_out} if left_out else {}),
    }
    return TaskData(
        labels,
        len(labels),
        (0.0, 1.0),
        request.length,
        training,
        tuple(parts[:1]),
        tuple(parts[1:]),
        counts,
    )


def _split(request: DataRequest, name: str, *, labelled: bool) -> Sentences | None:
    """The sentences of a split, of a table or of columns; None without one."""
    source = request.source
    file = source.find(name, further=(*conll.SUFFIXES, ".txt"))
    columns, label = request.columns, request.label
    names: Mapping[str, Sequence[str]] = {}
    if file is not None and conll.is_columns(file):
        rows = conll.records(file, column=columns[0] if columns else "", tag=label)
        columns, label = ("tokens",), "tags"
    else:
        found = source.records(name, scored=labelled)
        if found is None:
            return None
        rows, names = found, source.names_in_lists(name)
    origin = str(file or source.describe(name))
    return tagged.read(rows, origin, columns=columns, label=label, labelled=labelled, names=names)


def _labels(train: Sentences) -> Labels:
    types = {entity.type for row in train.rows for entity in row.entities or ()}
    if not types:
        raise UserError(f"{train.origin} has no entity; there is nothing to learn")
    return tag_schemes.labels(types)


def _check_types(split: Sentences, labels: Labels) -> None:
    """Refuse a split whose entities are all of types that the labels do not have."""
    known = {kind for kind, _ in map(_tag, tag_schemes.with_prefixes(labels).values())}
    types = {entity.type for row in split.rows for entity in row.entities or ()}
    if types and not types & known:
        raise UserError(
            f"{split.origin} has entities of {', '.join(sorted(types))}, the labels are of "
            f"{', '.join(sorted(known - {''}))}; give data of the same types"
        )


def _entity_count(split: Sentences) -> int:
    return sum(len(row.entities or ()) for row in split.rows)


def _training(train: Sentences, tokens: WordTokens, labels: Labels, length: int) -> TrainingSet:
    numbers = {label: number for number, label in enumerate(labels)}
    targets = np.full((len(tokens.encoded), length), IGNORE, np.int16)
    for row, places in zip(train.rows, tokens.places, strict=True):
        tags = tag_schemes.bio(row.entities or (), len(row.words))
        there = places[:, 0] != words.NOWHERE
        known = np.asarray([numbers[tag] for tag in tags], np.int16)
        targets[places[there, 0], places[there, 1]] = known[there]
    return TrainingSet(
        tokens.encoded,
        {"labels": targets},
        None,
        aligned_for=partial(_aligned_for, train.rows, tokens, len(labels)),
    )


def _aligned_for(
    rows: Sequence[Sentence],
    student: WordTokens,
    labels: int,
    tokenizer: "PreTrainedTokenizerFast",
    length: int,
    relabel: Relabel | None,
) -> tuple[Encoded, Callable[[Outputs], Outputs]]:
    """The same words in a teacher's tokens, and its outputs at the student's, for its labels."""
    teacher = words.encode(rows, tokenizer, length)

    def align(outputs: Outputs) -> Outputs:
        """NaN wherever a token begins no word, or the teacher has no token of it."""
        moved = [np.full((n, labels), np.nan, np.float32) for n in student.encoded.lengths.tolist()]
        for number, places in enumerate(student.places):
            own = teacher.of_words(outputs, number)
            own = own if relabel is None else relabel(own)
            for (window, token), logits in zip(places.tolist(), own, strict=True):
                if window != words.NOWHERE:
                    moved[window][token] = logits
        return moved

    return teacher.encoded, align


def _eval_split(name: str, split: Sentences, tokens: WordTokens, labels: Labels) -> EvalSplit:
    answers = [
        [[entity.first, entity.last, entity.type] for entity in row.entities or ()]
        for row in split.rows
    ]
    gold = [tag_schemes.bio(row.entities or (), len(row.words)) for row in split.rows]
    return EvalSplit(
        name=name,
        encoded=tokens.encoded,
        count=len(split.rows),
        predictions=partial(predictions, labels, split.ids, split.rows, tokens),
        answers=answers if split.labelled else None,
        metrics=partial(_metrics, gold) if split.labelled else None,
    )


def _metrics(gold: Sequence[Sequence[str]], records: Sequence[Prediction]) -> Metrics:
    return entity_scores.scores(gold, [record["label"] for record in records])


def _tag(label: str, model: str = "the model") -> tuple[str, str]:
    """Type and prefix of a model's label; raises `UserError` for what is no tag."""
    try:
        prefix, kind = tag_schemes.parse(label)
    except ValueError:
        raise UserError(
            f"{model} has the label {label}, which is no tag of BIO, IOB1, IOE or BIOES "
            "(id2label of its config.json); name its labels, or fine-tune it"
        ) from None
    return kind, prefix


def check_tags(model: Pretrained, folder: str) -> None:
    """Refuse a folder whose labels are no tags."""
    labels = model.labels if model.head == HEAD else ()
    for label in tag_schemes.with_prefixes(labels).values():
        _tag(label, folder)


def _own_head(model: Pretrained, labels: Labels, as_it_is: bool) -> Params | None:
    order = label_order(model.labels, labels) if model.head == HEAD else None
    if order is None:
        return None
    head = model.params["head"]
    classifier = {name: leaf[..., list(order)] for name, leaf in head["classifier"].items()}
    return {**head, "classifier": classifier}


def _columns(record: Record, name: str, columns: Sequence[str]) -> Sequence[str]:
    return (tagged.layout(record, name, columns, "", labelled=False).column,)


def _label(rows: Sequence[Record], text: UserText, first: int) -> list[Record]:
    """A record for each text: its entities, with the characters that they stand at."""
    shape = tagged.layout(rows[0], text.name, text.columns, "", labelled=False)
    sentences = [
        _user_sentence(row, shape, f"{text.name} row {first + number}")
        for number, row in enumerate(rows)
    ]
    tokenizer = text.model.tokenizer
    assert tokenizer is not None
    tokens = words.encode(sentences, tokenizer, text.length)
    names = [str(number) for number in range(len(rows))]
    every = predictions(text.model.labels, names, sentences, tokens, text.predict(tokens.encoded))
    records: list[Record] = []
    for row, sentence, found in zip(rows, sentences, every, strict=True):
        given = {"tokens": row[shape.column], "tags": found["label"]} if shape.words else {}
        records.append({"text": sentence.text, "entities": found["entities"], **given})
    return records


def _user_sentence(row: Record, shape: tagged.Layout, where: str) -> Sentence:
    """An empty text has no entities."""
    value = row.get(shape.column)
    if is_missing(value) or value == [] or (isinstance(value, str) and not value.strip()):
        return Sentence("", np.empty((0, 2), np.int32))
    return tagged.plain_sentence(row, shape, where)


def _graph_head(
    graph: Any, config: EncoderConfig, head: Params, hidden: str, _: Callable[[str, str], str]
) -> None:
    hidden = graph_parts.transformed(graph, config, head, hidden)
    graph.dense(hidden, head["classifier"], "logits")


def _head(config: EncoderConfig, outputs: int, dtype: DTypeLike) -> TokenClassificationHead:
    return TokenClassificationHead(config, outputs, dtype)


TOKENS = ExampleKind(
    name="tokens",
    head=HEAD,
    model=TokenClassification,
    per_token=True,
    export_outputs=("logits",),
    export_axes=lambda config, labels: ["batch", "length", labels],
    graph_head=_graph_head,
    head_module=_head,
    from_pooler=False,
    discrete=True,
    outputs=len,
    data=data,
    objective=objective,
    serves=lambda head, labels, problem_type: head == HEAD,
    check_model=check_tags,
    own_head=_own_head,
    class_order=label_order,
    columns=_columns,
    label=_label,
    counted=counted,
    relabel=to_bio,
)

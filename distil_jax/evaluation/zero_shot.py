"""A model of natural-language inference as the teacher of a classifier that it never saw.

Each label becomes a sentence, a hypothesis, and how much a text entails it is the label's score
(Yin et al. 2019). Scores are kept by text: what was computed before an interruption stays.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from distil_jax.errors import UserError
from distil_jax.evaluation.batched_forward import BatchedForward
from distil_jax.evaluation.settings import Settings
from distil_jax.pretrained import Pretrained, load, locate
from distil_jax.pretrained.model import check_vocabulary
from distil_jax.target_store import Column, Text, open_texts, write_texts
from distil_jax.tasks.classification import CLASSIFICATION
from distil_jax.tasks.encoding import encode
from distil_jax.tasks.kind import ExampleKind, Labels, Outputs, Predictor, TaskData
from distil_jax.tasks.network import Network
from distil_jax.training.parallel import Devices

FOLDER, SCORES = "zero_shot", "scores"
ENTAILS, PLACE = "entail", "{}"
TEXTS_AT_ONCE = 512
"""Texts of a stored shard: so many are computed again after an interruption."""
KINDS = ("classification", "multilabel")


@dataclass(frozen=True)
class ZeroShotTeacher:
    """A model of inference with the texts and hypotheses that it is to judge.

    Attributes:
      texts: those of the training set, in its order.
      hypotheses: a sentence for each label.
      entails: the number of the class that says that the hypothesis follows.
      against: of the class that it is held against where a text may have several labels.
    """

    name: str
    model: Pretrained
    texts: Sequence[Text]
    hypotheses: tuple[str, ...]
    entails: int
    against: int | None
    devices: Devices
    length: int

    def outputs(self, folder: Path) -> Outputs:
        """Logits [labels] for each training text; kept in `folder`."""
        return self.of_texts(folder / FOLDER, self.texts)

    def of_texts(self, folder: Path, texts: Sequence[Text]) -> Outputs:
        """Logits [labels] of each text, stored in `folder` of these texts.

        Of one class: the logits of entailment, whose softmax is the distribution. Of several
        labels: entailment's less the other's, whose sigmoid is each label's probability.
        """
        width = len(self.hypotheses)
        write_texts(
            folder,
            texts,
            [Column(SCORES, "float32", (width,))],
            self._compute,
            settings={
                "teacher": self.name,
                "weights": _digest(locate(self.name)),
                "hypotheses": list(self.hypotheses),
                "several": self.against is not None,
                "length": self.length,
            },
            shard_rows=TEXTS_AT_ONCE,
        )
        return list(open_texts(folder).gather(texts)[SCORES])

    def _compute(self, texts: Sequence[Text]) -> Mapping[str, np.ndarray]:
        assert self.model.tokenizer is not None
        width = len(self.hypotheses)
        first = [str(text) for text in texts for _ in range(width)]
        encoded = encode(
            first, list(self.hypotheses) * len(texts), self.model.tokenizer, length=self.length
        )
        logits = np.stack(self._predictor(encoded))
        scores = logits[:, self.entails]
        if self.against is not None:
            scores = scores - logits[:, self.against]
        return {SCORES: scores.reshape(len(texts), width).astype(np.float32)}

    @cached_property
    def _predictor(self) -> Predictor:
        network = Network(CLASSIFICATION, self.model.config, len(self.model.labels), self.length)
        return BatchedForward(network, self.devices, self.model.config.pad_token)(self.model.params)


def check_zero_shot(settings: Settings, kind: str, epochs: int) -> None:
    """Refuse flags of a zero-shot teacher that nothing could come of; raises `UserError`."""
    flags = "--candidate-labels and --hypothesis-template"
    if kind not in KINDS:
        raise UserError(f"{flags} are for {' and '.join(KINDS)}, not for {kind}; leave them out")
    if settings.targets:
        raise UserError(
            f"--targets={settings.targets} keeps a fine-tuned teacher's outputs; a zero-shot "
            f"teacher's stay in --output: leave it out with {flags}"
        )
    if not settings.teacher or not epochs:
        raise UserError(
            f"{flags} train with a zero-shot teacher: name a model of natural-language inference "
            "with --teacher, and --epochs=1 or more"
        )


def open_zero_shot(
    name: str,
    kind: ExampleKind,
    data: TaskData,
    hypotheses: Mapping[str, str],
    devices: Devices,
) -> ZeroShotTeacher:
    """Load a model of inference; `hypotheses` by label. Raises `UserError` for another model."""
    model = load(name, require_head=CLASSIFICATION.head)
    assert model.tokenizer is not None
    check_vocabulary(model.tokenizer, model.config, name)
    CLASSIFICATION.check_model(model, name)
    entails, against = _classes(name, model.labels)
    if data.training is None:
        raise UserError("a zero-shot teacher needs texts: give --unlabelled, or a training split")
    texts = data.training.texts
    assert texts is not None, "only texts and pairs have these kinds of labels"
    if any(isinstance(text, tuple) for text in texts):
        raise UserError(
            "a zero-shot teacher judges single texts, and the data has pairs; name one column "
            "with --columns"
        )
    return ZeroShotTeacher(
        name,
        model,
        texts,
        tuple(hypotheses[label] for label in data.labels),
        entails,
        against if kind.name == "multilabel" else None,
        devices,
        min(data.length + _longest(model, hypotheses), model.config.positions),
    )


def hypotheses_of(phrases: Mapping[str, str], labels: Labels, template: str) -> dict[str, str]:
    """The sentence of each label: the template with its phrase, the label itself if none is given.

    Raises `UserError` for phrases of other labels.
    """
    if phrases and set(phrases) != set(labels):
        raise UserError(
            f"--candidate-labels={','.join(phrases)} are not the labels of the data, "
            f"{', '.join(labels)}; name each of them, as {labels[0]}=WORDS, or leave the flag out"
        )
    return {label: template.replace(PLACE, phrases.get(label) or label) for label in labels}


def own_metrics(
    teacher: ZeroShotTeacher, data: TaskData, folder: Path
) -> tuple[Mapping[str, float], int]:
    """The teacher's own scores on the main validation split, and how many texts it has."""
    outputs = teacher.of_texts(folder / f"{FOLDER}_validation", data.validation[0].texts)
    scored = data if data.calibrated is None else data.calibrated(outputs)
    main = scored.validation[0]
    assert main.metrics is not None
    return main.metrics(main.predictions(outputs)), main.count


def _classes(name: str, labels: Labels) -> tuple[int, int]:
    """The numbers of entailment and of what it is held against: contradiction, if there is one."""
    small = [label.casefold() for label in labels]
    entails = [n for n, label in enumerate(small) if label.startswith(ENTAILS)]
    if len(entails) != 1:
        raise UserError(
            f"{name} has the classes {', '.join(labels)}, none of them entailment: a zero-shot "
            "teacher is fine-tuned on natural-language inference (MNLI, RTE, SICK); name its "
            "classes in id2label of its config.json"
        )
    others = [n for n in range(len(small)) if n != entails[0]]
    against = [n for n in others if small[n].startswith(("contradict", "not_"))]
    return entails[0], (against or others)[0]


def _longest(model: Pretrained, hypotheses: Mapping[str, str]) -> int:
    assert model.tokenizer is not None
    encoded = encode(list(hypotheses.values()), None, model.tokenizer, length=512)
    return int(encoded.lengths.max())


def _digest(folder: Path) -> str:
    digest = hashlib.sha256()
    for file in sorted(folder.glob("*.safetensors")):
        with file.open("rb") as content:
            digest.update(hashlib.file_digest(content, "sha256").digest())
    return digest.hexdigest()[:16]

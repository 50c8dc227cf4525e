"""What `objectives.py` compares: recipes, shapes of students, and how much is done at a size."""

from dataclasses import dataclass, field

TEACHER_LAYERS = 6
"""Of the embedded teacher; maps of layers below are of three student layers."""
HEADS = 8
"""The embedded teacher's: attention scores are compared head with head."""


@dataclass(frozen=True)
class Recipe:
    """Weights of `config.loss` (all others 0) and options, as `config.loss.options` has them.

    Attributes:
      narrow: weights in their place where the student is narrower than the teacher.
      task: objectives of a stage of its own before a task is learnt (TinyBERT's first one).
    """

    title: str
    weights: dict[str, float]
    options: dict[str, object] = field(default_factory=dict)
    narrow: dict[str, float] = field(default_factory=dict)
    task: dict[str, float] = field(default_factory=dict)


HIDDEN = {"hidden_mse.layers": "0:0,1:2,2:4,3:6"}
ATTENTION = {"attention_mse": 1.0, "hidden_mse": 1.0}

RECIPES = {
    "distilbert": Recipe(
        "DistilBERT's three losses",
        {"soft_target": 5.0, "masked_lm": 2.0, "cosine": 1.0},
        narrow={"soft_target": 5.0, "masked_lm": 2.0, "hidden_cosine": 1.0},
    ),
    "masked_lm": Recipe("masked LM alone", {"masked_lm": 1.0}),
    "minilmv2": Recipe("MiniLMv2", {"relations": 1.0}),
    "tinybert": Recipe("TinyBERT, general and task stage", ATTENTION, HIDDEN, task=ATTENTION),
    "patient": Recipe(
        "PKD",
        {"soft_target": 5.0, "masked_lm": 2.0, "patient": 10.0},
        {"patient.layers": "skip"},
    ),
    "hidden_mse": Recipe("hidden MSE", {"hidden_mse": 1.0}, HIDDEN),
}
OBJECTIVES = sorted({name for one in RECIPES.values() for name in (*one.weights, *one.narrow)})

SHAPES: dict[str, dict[str, object]] = {
    "same": {"student.layers": "every_other"},
    # Not pruned: that would leave fewer heads.
    "narrow": {
        "student.layers": "every_other",
        "student.hidden_size": 128,
        "student.heads": HEADS,
        "student.initialize": "svd",
    },
}
TITLES = {"same": "3 layers, 256 wide", "narrow": "3 layers, 128 wide"}


@dataclass(frozen=True)
class Task:
    """How a task is learnt; `rows` of its training split, 0: all."""

    name: str
    epochs: int
    rows: int
    learning_rate: str


@dataclass(frozen=True)
class Size:
    """How much is done.

    Attributes:
      budgets: what all recipes have the same of: tokens, flops.
      seeds: of fine-tuning.
    """

    length: int
    batch: int
    steps: int
    learning_rate: float
    budgets: tuple[str, ...]
    seeds: int
    tasks: tuple[Task, ...]
    compute: str = "auto"


SIZES = {
    # So early a student learns nothing from 600 rows of STS-B.
    "short": Size(
        length=64,
        batch=16,
        steps=100,
        learning_rate=1e-3,
        budgets=("tokens", "flops"),
        seeds=3,
        tasks=(Task("stsb", 3, 2000, "3e-4"), Task("sst2", 2, 2000, "1e-4")),
    ),
    # About two hours of two cores.
    "cpu": Size(
        length=128,
        batch=16,
        steps=200,
        learning_rate=1e-3,
        budgets=("tokens", "flops"),
        seeds=3,
        tasks=(
            Task("stsb", 3, 0, "3e-4"),
            Task("mrpc", 3, 1500, "1e-4"),
            Task("sst2", 2, 2000, "1e-4"),
            Task("cola", 3, 2000, "3e-4"),
        ),
    ),
    "accelerator": Size(
        length=128,
        batch=512,
        steps=2000,
        learning_rate=7e-4,
        budgets=("tokens", "flops"),
        seeds=3,
        tasks=(
            Task("stsb", 5, 0, "1e-4"),
            Task("mrpc", 5, 0, "1e-4"),
            Task("sst2", 3, 0, "1e-4"),
            Task("cola", 5, 0, "1e-4"),
        ),
    ),
}

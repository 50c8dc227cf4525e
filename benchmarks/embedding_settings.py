"""What a study of sentence embeddings compares, and how much of it is done."""

from dataclasses import dataclass

LIVE = {"targets": ""}
"""Hidden states are not among the stored targets."""
SETTINGS = {
    "both losses": {},
    "hidden states too": {**LIVE, "loss.hidden_cosine": 1.0},
    "every other layer": {},
    "twice the rate": {"optimizer.learning_rate": 4e-4},
    "second layers": {},
    "vectors alone": {"loss.similarity_mse": 0.0},
    "similarities alone": {"loss.vector_cosine": 0.0},
    "half the rate": {"optimizer.learning_rate": 1e-4},
    "tables learnt": {"student.freeze": "none"},
    "relations too": {**LIVE, "loss.relations": 1.0},
    "relations alone": {
        **LIVE,
        "loss.relations": 1.0,
        "loss.vector_cosine": 0.0,
        "loss.similarity_mse": 0.0,
    },
}
"""What is compared on a part of the texts; the first is what the others change one thing of."""
STATES = SETTINGS["hidden states too"] | SETTINGS["relations too"]
"""What a student learns that is then fine-tuned: whatever the teacher's last layer says."""


@dataclass(frozen=True)
class Size:
    """How much is done.

    Attributes:
      sentences, passages: that are learnt from.
      rows, length: of a step.
      states_steps: of the student that learns every token's state.
      share: of the texts and steps that settings are compared on.
      articles: of the search of long texts.
      settings: how many are compared, the first of `SETTINGS`.
    """

    sentences: int
    passages: int
    steps: int
    rows: int = 4
    length: int = 256
    states_steps: int = 1_200
    share: float = 0.1
    articles: int = 150
    settings: int = len(SETTINGS)


SIZES = {
    "rehearsal": Size(600, 20, 20, rows=2, length=64, states_steps=20, share=0.5, articles=20),
    "short": Size(16_000, 2_500, 500, share=0.14, settings=1, states_steps=600),
    "medium": Size(24_000, 7_000, 1_000, settings=3),
    "cpu": Size(60_000, 10_000, 3_000, states_steps=2_400),
}

"""Memory traffic by what it is for: attention, feed-forward, vocabulary losses and so on."""

from collections.abc import Callable, Mapping, Sequence

from distil_jax.planning import source_frames
from distil_jax.planning.hlo import Instruction, Program
from distil_jax.planning.source_frames import Frame
from distil_jax.planning.traffic import moved_by_computation

ATTENTION = "attention"
FEED_FORWARD = "feed-forward"
RESIDUALS = "norms and residuals"
LAYER_STACK = "layers' stack, in and out"
EMBEDDINGS = "embeddings"
VOCABULARY = "vocabulary losses"
OPTIMIZER = "optimizer"
REST = "rest"
KINDS = (
    ATTENTION,
    FEED_FORWARD,
    RESIDUALS,
    LAYER_STACK,
    EMBEDDINGS,
    VOCABULARY,
    OPTIMIZER,
    REST,
)

FILES = {
    "models/attention.py": ATTENTION,
    "models/local_attention.py": ATTENTION,
    "models/disentangled.py": ATTENTION,
    "models/relative_bias.py": ATTENTION,
    "models/rotary.py": ATTENTION,
    "models/layer_loop.py": LAYER_STACK,
    "models/transform.py": VOCABULARY,
    "training/optimizer.py": OPTIMIZER,
}
FOLDERS: tuple[tuple[str, Callable[[str], bool], str], ...] = (
    ("/kernels/", lambda name: "attention" in name, ATTENTION),
    ("/pallas/ops/", lambda name: "attention" in name, ATTENTION),
    ("/losses/", lambda name: "vocabulary" in name, VOCABULARY),
    ("/kernels/", lambda name: "vocabulary" in name, VOCABULARY),
    ("/optax/", lambda name: True, OPTIMIZER),
)
FUNCTIONS = (
    ("models/layer.py", "feed_forward", FEED_FORWARD),
    ("models/layer.py", "Layer", RESIDUALS),
    ("models/encoder.py", "Embeddings", EMBEDDINGS),
)


def traffic_by_kind(program: Program, text: str) -> dict[str, float]:
    """Bytes as `traffic.memory_bytes` counts them, by kind; `text` is what was parsed."""
    stacks = source_frames.parse(text)
    sums = dict.fromkeys(KINDS, 0.0)
    for computation, moved in moved_by_computation(program):
        kinds = kinds_of(program, computation, stacks)
        for name, size in moved.items():
            sums[kinds[name]] += size
    return sums


def kinds_of(
    program: Program,
    computation: Sequence[Instruction],
    stacks: Mapping[int, Sequence[Frame]],
) -> dict[str, str]:
    """The kind of each instruction by name.

    One that the compiler added itself, such as a copy, is of the kind of what it copies, else of
    what first uses it.
    """
    kinds: dict[str, str] = {}
    for instruction in computation:
        stack = stacks.get(_number(program, instruction))
        if stack is not None:
            kinds[instruction.name] = kind_of(stack)
        elif made := [kinds[name] for name in instruction.operands if name in kinds]:
            kinds[instruction.name] = next((kind for kind in made if kind != REST), REST)
    for instruction in reversed(computation):
        for name in instruction.operands:
            kinds.setdefault(name, kinds.get(instruction.name, REST))
    return {each.name: kinds.get(each.name, REST) for each in computation}


def kind_of(stack: Sequence[Frame]) -> str:
    """Of an operation with this call stack: what the innermost telling frame says."""
    return next(filter(None, map(_kind, stack)), REST)


def _kind(frame: Frame) -> str | None:
    name = frame.file.rpartition("/")[2]
    for end, part, kind in FUNCTIONS:
        if frame.file.endswith(end) and part in frame.function:
            return kind
    for end, kind in FILES.items():
        if frame.file.endswith(end):
            return kind
    return next((k for folder, fits, k in FOLDERS if folder in frame.file and fits(name)), None)


def _number(program: Program, instruction: Instruction) -> int:
    """The instruction's own stack, else that of what it fuses, its result first."""
    own = source_frames.number_of(instruction.attributes)
    if own or instruction.operation != "fusion":
        return own
    fused = program.computations.get(instruction.called[0], ())
    numbers = (source_frames.number_of(inner.attributes) for inner in reversed(fused))
    return next(filter(None, numbers), 0)

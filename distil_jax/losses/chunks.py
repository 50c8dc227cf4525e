"""How many tokens' logits exist at one time."""

ON_A_TPU, ON_A_GPU = 2**28, 2**27
"""Logits of a chunk: the vocabulary's tables are read once for each."""
ON_A_CPU, MULTIPLE = 512, 128
"""Tokens."""


def most_tokens(asked: int, vocabulary: int, platform: str) -> int:
    """What `config.loss.chunk` asks for; 0: what suits a platform of JAX and a vocabulary.

    On a CPU chunks of 128 to 1,024 tokens are equally fast; docs/performance.md has the compilers'
    counts for accelerators.
    """
    if asked:
        return asked
    if platform == "cpu":
        return ON_A_CPU
    logits = ON_A_TPU if platform == "tpu" else ON_A_GPU
    return max(MULTIPLE, 1 << (logits // vocabulary).bit_length() - 1)


def even_chunk(tokens: int, most: int) -> int:
    """The tokens of each chunk: as few chunks as with `most`, filled alike."""
    chunks = max(1, -(-tokens // most))
    each = -(-tokens // chunks)
    return max(1, min(most, tokens, -(-each // MULTIPLE) * MULTIPLE))

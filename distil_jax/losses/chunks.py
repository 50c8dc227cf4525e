"""How many tokens' logits exist at one time."""

LOGITS = {"gpu": 2**27, "tpu": 2**28}
"""Numbers of a chunk by platform: the vocabulary's tables are read once for each chunk."""
ON_A_CPU, MULTIPLE = 512, 128


def most_tokens(asked: int, vocabulary: int, platform: str) -> int:
    """What `config.loss.chunk` asks for; 0: what suits a platform of JAX and a vocabulary.

    On a CPU chunks of 128 to 1,024 tokens are equally fast; docs/performance.md has the compilers'
    counts for accelerators.
    """
    if asked:
        return asked
    if platform not in LOGITS:
        return ON_A_CPU
    return max(MULTIPLE, 1 << (LOGITS[platform] // vocabulary).bit_length() - 1)


def even_chunk(tokens: int, most: int) -> int:
    """The tokens of each chunk: as few chunks as with `most`, filled alike."""
    chunks = -(-tokens // most)
    each = -(-tokens // chunks)
    return min(most, tokens, -(-each // MULTIPLE) * MULTIPLE)

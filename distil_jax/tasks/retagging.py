"""A tagger's outputs as BIO tags, whatever scheme its own tags are of.

Entities are those that `tag_schemes.entities` reads: a tag of I or E goes on with one that is open
at the word before, and else begins one. How likely that is, the outputs for that word say.
"""

from collections.abc import Callable, Sequence
from functools import partial

import numpy as np
import scipy.special
from jaxtyping import Float

from distil_jax.tasks import tag_schemes

SMALLEST = 1e-30


def to_bio(
    model_labels: Sequence[str], labels: Sequence[str]
) -> Callable[[np.ndarray], np.ndarray] | None:
    """What makes logits of BIO `labels` of a model's for the words of a sentence.

    None where they are of other types.
    """
    own, wanted = (
        [_folded(label) for label in tag_schemes.with_prefixes(names).values()]
        for names in (model_labels, labels)
    )
    if {kind for _, kind in own} != {kind for _, kind in wanted}:
        return None
    return partial(_logits, own, wanted)


def _folded(label: str) -> tuple[str, str]:
    prefix, kind = tag_schemes.parse(label)
    return prefix, kind.casefold()


def _logits(
    own: Sequence[tuple[str, str]],
    wanted: Sequence[tuple[str, str]],
    logits: Float[np.ndarray, "words own"],
) -> Float[np.ndarray, "words wanted"]:
    """Logarithms of the shares of each tag; NaN where a word has no outputs."""
    shares = scipy.special.softmax(logits.astype(np.float64), axis=-1)

    def share(kind: str, prefixes: str) -> Float[np.ndarray, " words"]:
        chosen = [number for number, tag in enumerate(own) if tag[1] == kind and tag[0] in prefixes]
        return shares[:, chosen].sum(axis=-1)

    found = []
    for prefix, kind in wanted:
        if prefix == tag_schemes.OUTSIDE:
            found.append(share(kind, prefix))
            continue
        opened = np.nan_to_num(share(kind, "BI"))
        goes_on = share(kind, "IE") * np.concatenate([[0.0], opened])[:-1]
        found.append(goes_on if prefix == "I" else share(kind, "BIES") - goes_on)
    return np.log(np.maximum(np.stack(found, axis=-1), SMALLEST)).astype(np.float32)

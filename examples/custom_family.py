"""A family of your own: the commands, with one more `model_type` of Hugging Face's.

    python examples/custom_family.py evaluate --model=FOLDER --task=sst2 --data=GLUE --output=scores

data2vec's text encoder is a RoBERTa whose folders have other names. A family whose layers differ is
told by its `Block`; for `train` alone the same lines may stand in the config file.
"""

from dataclasses import replace

from distil_jax import cli
from distil_jax.pretrained.families import FAMILIES, roberta
from distil_jax.pretrained.families.family import classes

FAMILIES["data2vec-text"] = replace(
    roberta.FAMILY,
    model_type="data2vec-text",
    prefix="data2vec_text",
    classes=classes("Data2VecText"),
)

if __name__ == "__main__":
    cli.program()

"""Loading a Hugging Face model folder."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from distil_jax.errors import UserError
from distil_jax.models import EncoderConfig
from distil_jax.models.head_kinds import HEADS
from distil_jax.notes import note
from distil_jax.pretrained.config_file import read_config, read_labels, read_threshold
from distil_jax.pretrained.families import family_of
from distil_jax.pretrained.location import locate
from distil_jax.pretrained.model import Head, Pretrained
from distil_jax.pretrained.tensor_names import found_name, open_model
from distil_jax.pretrained.tensors import Tensors
from distil_jax.pretrained.weights import Weight, sizes
from distil_jax.tokenizer import load as load_tokenizer
from distil_jax.tokenizer import load_plain

if TYPE_CHECKING:
    from distil_jax.models.types import Params

    Weights = tuple[EncoderConfig, Params, Head | None, tuple[str, ...]]


def load(folder_or_id: str | Path, *, require_head: Head | None = None) -> Pretrained:
    """Open the folder of a supported family, a hub id, or `builtin:teacher`.

    Parameters come as float32 whatever the folder stores. Raises `UserError` naming the file and
    the tensor or key when something is missing, damaged or unsupported, or when the folder lacks
    the head that `require_head` names.
    """
    folder = locate(folder_or_id)
    return _with_tokenizer(
        folder, load_weights(folder, require_head=require_head), load_tokenizer(folder)
    )


def load_quickly(folder_or_id: str | Path, *, require_head: Head | None = None) -> Pretrained:
    """`load` for single texts, without importing JAX, and mostly without transformers.

    Parameters are NumPy's arrays, and the tokenizer is what `tokenizer.load_plain` opens.
    """
    folder = locate(folder_or_id)
    return _with_tokenizer(
        folder, read_weights(folder, require_head=require_head), load_plain(folder)
    )


def _with_tokenizer(folder: Path, weights: "Weights", tokenizer: Any) -> Pretrained:
    _, content = read_config(folder)
    problem_type = str(content.get("problem_type") or "")
    return Pretrained(*weights, tokenizer, problem_type, read_threshold(content, folder))


def load_language_model(folder_or_id: str | Path) -> Pretrained:
    """`load`, with the head that predicts tokens: masked ones, or of a causal model the next."""
    config, _ = read_config(locate(folder_or_id))
    return load(folder_or_id, require_head=config.language_head)


def load_weights(folder: Path, *, require_head: Head | None = None) -> "Weights":
    """What `load` does, without the tokenizer: configuration, parameters, head and labels."""
    import jax

    config, params, head, labels = read_weights(folder, require_head=require_head)
    return config, jax.device_put(params), head, labels


def read_weights(folder: Path, *, require_head: Head | None = None) -> "Weights":
    """`load_weights` with parameters in NumPy's arrays, for which JAX is not imported."""
    config, content = read_config(folder)
    tensors = open_model(folder, config)
    if config.layers > len(tensors.files):
        raise UserError(
            f"{folder} holds {len(tensors.files)} tensors, too few for the {config.layers} layers "
            "of its config.json; the two belong to different models"
        )
    head = _head(config, content, tensors, require_head)
    labels: tuple[str, ...] = ()
    count = 0
    if head is not None and HEADS[head].labelled:
        count = tensors.shape(_find(_weights(config, head)[-1], config, tensors))[0]
        labels = read_labels(content, count)
    config = replace(config, tied=_is_tied(config, head, tensors))
    dimensions = sizes(config, count)
    params: dict[str, Any] = {
        "encoder": _read(
            family_of(config.model_type).encoder_weights(config), config, tensors, dimensions
        )
    }
    if head is not None and _weights(config, head):
        params["head"] = _read(_weights(config, head), config, tensors, dimensions)
    _mention_unread(config, tensors)
    config = _without_zero_token_types(config, params)
    return config, params, head, labels


def _mention_unread(config: EncoderConfig, tensors: Tensors) -> None:
    """Point out layers and tables of the family that are stored and that config.json leaves out."""
    family = family_of(config.model_type)
    read = {weight.path for weight in family.encoder_weights(config)}
    unread = [
        name
        for weight in family.encoder
        if weight.layered or weight.path not in read
        if (name := _find(weight, config, tensors, config.layers)) in tensors
    ]
    if unread:
        note(
            f"{tensors.folder} holds {unread[0]}, for which its config.json has no place "
            f"(layers: {config.layers}, token types: {config.token_types}): it is not read"
        )


def _weights(config: EncoderConfig, head: Head) -> tuple[Weight, ...]:
    return family_of(config.model_type).head_weights(config, head)


def _head(
    config: EncoderConfig, content: Mapping[str, Any], tensors: Tensors, required: Head | None
) -> Head | None:
    """The required head, or the first that the folder holds; a head is known by its kernels."""
    present = _heads(config, content, tensors)
    if required is not None and required not in present:
        kind = " or ".join(HEADS[head].title for head in present) or "no head"
        raise UserError(
            f"{tensors.folder} has no {HEADS[required].title} (it has {kind}); "
            f"{_head_evidence(config, required, tensors)}use a folder saved with one"
        )
    return required or (present[0] if present else None)


def _head_evidence(config: EncoderConfig, head: Head, tensors: Tensors) -> str:
    """One tensor that a head would have, and one that is there."""
    family = family_of(config.model_type)
    weights = _weights(config, head) if family.has_head(head) else ()
    missing = next((n for w in weights if (n := _find(w, config, tensors)) not in tensors), None)
    if missing is None:
        return ""
    found = found_name(tensors, missing, without=f"{family.prefix}.")
    return f"{missing} would be one of its tensors, {found} is here; "


def _heads(config: EncoderConfig, content: Mapping[str, Any], tensors: Tensors) -> list[Head]:
    """The heads whose kernels are all there, unless these are another's, too.

    The class that config.json names decides between heads whose kernels have the same names; where
    it names none, a head is none whose kernels are some of another's.
    """
    named = str(content.get("architectures"))
    family = family_of(config.model_type)
    declared = [head for head in HEADS if family.classes.get(head, named + " ") in named]
    found: dict[Head, set[str]] = {}
    for head, kind in HEADS.items():
        weights = _weights(config, head) if family.has_head(head) else ()
        kernels = {
            _find(weight, config, tensors)
            for weight in weights
            if weight.transposed or family.tied_head == head
        }
        present = kernels and all(kernel in tensors for kernel in kernels)
        if family.tied_head == head and not weights:
            # It has no tensors of its own: a folder lacks it if its class says another.
            present = head in declared or not declared
        if family.shared_kernels and declared and head not in declared:
            continue
        alike = any(other in named for other in kind.alike)
        if present and not alike and not any(kernels < other for other in found.values()):
            found[head] = kernels
    return list(found)


def _is_tied(config: EncoderConfig, head: Head | None, tensors: Tensors) -> bool:
    """Whether the decoder is the token table: the same by declaration, and no other one stored."""
    family = family_of(config.model_type)
    tables = [w for w in family.heads.get(head or "", ()) if w.path == "table"]
    if not tables:
        return config.tied
    table = tables[0]
    if not config.tied or table.name not in tensors:
        return config.tied
    tokens = _find(family.encoder[0], config, tensors)
    shape = (config.vocabulary, config.table_size)
    return tokens in tensors and np.array_equal(
        tensors.read(tokens, shape), tensors.read(table.name, shape)
    )


def _find(weight: Weight, config: EncoderConfig, tensors: Tensors, layer: int = 0) -> str:
    """The first of a weight's possible names that the folder has, or the one it should have."""
    prefix = f"{family_of(config.model_type).prefix}."
    names = [name.format(layer=layer) for name in (*weight.aliases, weight.name)]
    every = [prefix + name for name in names] + names if weight.prefixed else names
    usual = prefix if any(name.startswith(prefix) for name in tensors.files) else ""
    missing = (usual if weight.prefixed else "") + names[-1]
    return next((name for name in every if name in tensors), missing)


def _read(
    weights: Iterable[Weight], config: EncoderConfig, tensors: Tensors, dimensions: dict[str, int]
) -> "Params":
    """Nested parameters, layers stacked; raises `UserError` naming a tensor that is missing."""
    weights = list(weights)
    names = {weight: _names(weight, config, tensors) for weight in weights}
    missing = [name for listed in names.values() for name in listed if name not in tensors]
    if missing:
        more = f" and {len(missing) - 1} more" if len(missing) > 1 else ""
        raise UserError(
            f"{tensors.folder} lacks tensor {missing[0]}{more}; it has "
            f"{found_name(tensors, missing[0])}: the weights do not belong to its config.json, or "
            f"are incomplete{_untied(weights, missing[0])}"
        )
    params: dict[str, Any] = {}
    for weight in weights:
        shape = tuple(dimensions[dimension] for dimension in weight.shape)
        _put(params, weight.path.split("/"), _stacked(weight, names[weight], shape, tensors))
    return params


def _untied(weights: Iterable[Weight], missing: str) -> str:
    """What else may be the matter where the decoder's own table is missing."""
    if all(weight.path != "table" or weight.name != missing for weight in weights):
        return ""
    return "; where the decoder shares the token table, tie_word_embeddings is true"


def _names(weight: Weight, config: EncoderConfig, tensors: Tensors) -> list[str]:
    count = config.layers if weight.layered else 1
    return [_find(weight, config, tensors, layer) for layer in range(weight.first, count)]


def _stacked(
    weight: Weight, names: list[str], shape: tuple[int, ...], tensors: Tensors
) -> np.ndarray:
    whole = (*shape[:-1], shape[-1] * weight.parts)
    stored = whole[::-1] if weight.transposed else whole
    read = [tensors.read(name, stored) for name in names]
    turned = [tensor.T for tensor in read] if weight.transposed else read
    own = [np.split(tensor, weight.parts, axis=-1)[weight.part] for tensor in turned]
    blank = [np.ones(shape, np.float32) for _ in range(weight.first)]
    return np.stack(blank + own) if weight.layered else own[0]


def _put(params: dict[str, Any], path: list[str], value: np.ndarray) -> None:
    for part in path[:-1]:
        params = params.setdefault(part, {})
    params[path[-1]] = value


def _without_zero_token_types(config: EncoderConfig, params: "Params") -> EncoderConfig:
    """Drop a table that saving added for a class that insists on one, so that round trips close."""
    embeddings = params["encoder"]["embeddings"]
    table = embeddings.get("token_types")
    written = family_of(config.model_type).zero_token_types
    if table is None or len(table) != written or table.any():
        return config
    del embeddings["token_types"]
    return replace(config, token_types=0)

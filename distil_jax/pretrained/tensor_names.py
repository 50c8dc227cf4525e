"""Tensors' names as other programs write them: behind a prefix, or one half of a tied pair."""

import difflib
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path

from distil_jax.errors import UserError
from distil_jax.models import EncoderConfig
from distil_jax.notes import note
from distil_jax.pretrained.families import family_of
from distil_jax.pretrained.tensors import Tensors, open_tensors


def open_model(folder: Path, config: EncoderConfig) -> Tensors:
    """A folder's tensors under the names that its family has for them.

    A prefix before all of the encoder's names (`module.`, `model.`, `_orig_mod.`, ...) is left out,
    and a tied token table that is stored as the decoder's alone is found there.
    """
    return _with_tied_half(_without_wrapper(open_tensors(folder), config), config)


def found_name(tensors: Tensors, missing: str, *, without: str = "") -> str:
    """The stored name that is most like a missing one; `without` a prefix if there is one."""
    names = sorted({tensors.stored.get(name, name) for name in tensors.files})
    others = [name for name in names if without and not name.startswith(without)]
    like = difflib.get_close_matches(missing, others or names, n=1, cutoff=0.0)
    return like[0] if like else "no tensor"


def _without_wrapper(tensors: Tensors, config: EncoderConfig) -> Tensors:
    family = family_of(config.model_type)
    bare = [
        name
        for weight in family.encoder
        if not weight.layered
        for name in (weight.name, *weight.aliases)
    ]
    names = [name for each in bare for name in (f"{family.prefix}.{each}", each)]
    if any(name in tensors for name in names):
        return tensors
    wrappers = {
        stored.removesuffix(name): None
        for name in names
        for stored in tensors.files
        if stored.endswith(f".{name}")
    }
    shortest = min(wrappers, key=len, default="")
    if len(wrappers) > 1 and not all(wrapper.startswith(shortest) for wrapper in wrappers):
        raise UserError(
            f"{tensors.folder} holds several models, under {' and '.join(_outer(wrappers))}; save "
            "one of them alone"
        )
    if not shortest:
        return tensors
    note(f"{tensors.folder}: the tensors' names are read without {shortest!r} before them")
    return _renamed(tensors, {n: n.removeprefix(shortest) for n in tensors.files})


def _outer(wrappers: Iterable[str]) -> list[str]:
    """Those that none of the others begins."""
    every = sorted(wrappers)
    return [one for one in every if not any(one != o and one.startswith(o) for o in every)]


def _with_tied_half(tensors: Tensors, config: EncoderConfig) -> Tensors:
    """The decoder's table under the token table's name, too, where only the former is stored."""
    family = family_of(config.model_type)
    tokens = family.encoder[0].name
    heads = [family.heads.get(head, ()) for head in ("masked_lm", "causal_lm")]
    table = next((each for head in heads for each in head if each.path == "table"), None)
    if not config.tied or table is None or table.name not in tensors:
        return tensors
    if tokens in tensors or f"{family.prefix}.{tokens}" in tensors:
        return tensors
    names = {name: name for name in tensors.files}
    both = _renamed(tensors, names)
    name = f"{family.prefix}.{tokens}"
    return replace(
        both,
        files={**both.files, name: both.files[table.name]},
        stored={**both.stored, name: both.stored.get(table.name, table.name)},
    )


def _renamed(tensors: Tensors, names: Mapping[str, str]) -> Tensors:
    """The same tensors, each of the names replaced by another."""
    return replace(
        tensors,
        files={names[name]: path for name, path in tensors.files.items()},
        stored={new: tensors.stored.get(old, old) for old, new in names.items()},
    )

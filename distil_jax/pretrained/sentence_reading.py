"""Loading a folder of sentence-transformers: modules.json, and a folder for each module it names.

Both layouts are read: the classic one, and that of sentence-transformers 6.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from distil_jax.errors import UserError
from distil_jax.models import EncoderConfig
from distil_jax.models.sentence_vectors import DENSE_ACTIVATIONS, POOLINGS
from distil_jax.models.types import Params
from distil_jax.models.vector_config import NORMALIZE, DenseStage, Prompts, Stage, VectorConfig
from distil_jax.notes import note
from distil_jax.pretrained.location import locate
from distil_jax.pretrained.reading import load
from distil_jax.pretrained.sentence import SentenceModel
from distil_jax.pretrained.tensors import open_tensors

MODULES = "modules.json"
GENERAL = "config_sentence_transformers.json"
TRANSFORMER = (
    "sentence_bert_config.json",
    "sentence_roberta_config.json",
    "sentence_distilbert_config.json",
    "sentence_camembert_config.json",
    "sentence_albert_config.json",
    "sentence_xlm-roberta_config.json",
)
POOLING_KEYS = {
    "pooling_mode_cls_token": "cls",
    "pooling_mode_max_tokens": "max",
    "pooling_mode_mean_tokens": "mean",
    "pooling_mode_mean_sqrt_len_tokens": "mean_sqrt_len_tokens",
    "pooling_mode_weightedmean_tokens": "weightedmean",
    "pooling_mode_lasttoken": "lasttoken",
}
"""The classic keys, in the order in which several vectors stand behind each other."""
SUPPORTED = "Transformer, Pooling, Dense, Normalize and Dropout"


def load_sentence_model(folder_or_id: str | Path) -> SentenceModel:
    """Open a folder of sentence-transformers, a hub id, or any encoder that `load` opens.

    Without modules.json the mean of the tokens is the vector, as sentence-transformers has it.
    Raises `UserError` naming the file and the module, key or tensor that is unsupported or missing.
    """
    folder = locate(folder_or_id, inner=True)
    modules = _modules(folder) if (folder / MODULES).is_file() else None
    model = load(folder / modules[0][1] if modules else folder)
    encoder = replace(model, head=None, params={"encoder": model.params["encoder"]}, labels=())
    max_length, lower_case = text_limits(
        folder / modules[0][1] if modules else folder, model.config, model.tokenizer
    )
    pooling: tuple[str, ...] = ("mean",)
    include_prompt = True
    stages: list[Stage] = []
    dense: dict[str, Params] = {}
    for kind, path in modules[1:] if modules else ():
        if kind == "Pooling":
            pooling, include_prompt = _pooling(folder / path, model.config)
        elif kind == "Normalize":
            stages.append(NORMALIZE)
        elif kind == "Dense":
            stage, params = _dense(folder / path)
            dense[str(len(stages))] = params
            stages.append(stage)
    _check_widths(folder, stages, len(pooling) * model.config.hidden_size)
    vectors = VectorConfig(
        pooling=pooling,
        stages=tuple(stages),
        max_length=max_length,
        lower_case=lower_case,
        prompts=read_prompts(folder, include_prompt),
    )
    _mention_cut(folder, vectors.width(model.config.hidden_size))
    _mention_similarity(folder, vectors)
    params = {**encoder.params, **({"dense": dense} if dense else {})}
    return SentenceModel(replace(encoder, params=params), vectors)


def is_sentence_folder(folder: Path) -> bool:
    """Whether a folder says that it makes vectors, as those of sentence-transformers do.

    Its version 6 writes a cross-encoder's modules, too, which score pairs.
    """
    return (folder / MODULES).is_file() and _general(folder).get("model_type") != "CrossEncoder"


def module_kinds(folder: Path) -> list[tuple[str, str]]:
    """Class name and path of each module that modules.json names, in order of use."""
    content = read_object(folder / MODULES, list)
    named = all(isinstance(each, dict) and isinstance(each.get("type"), str) for each in content)
    if not content or not named:
        raise UserError(f"{folder / MODULES} names no modules; copy the folder again")
    if wrong := [each["idx"] for each in content if not isinstance(each.get("idx", 0), int)]:
        raise UserError(f"{folder / MODULES}: idx is {wrong[0]!r}, no whole number; fix it")
    ordered = sorted(content, key=lambda each: each.get("idx", 0))
    kinds = [(each["type"].rpartition(".")[2], str(each.get("path", ""))) for each in ordered]
    for _, path in kinds:
        if Path(path).is_absolute() or ".." in Path(path).parts:
            raise UserError(f"{folder / MODULES}: the path {path!r} is outside the folder; fix it")
    return kinds


def _modules(folder: Path) -> list[tuple[str, str]]:
    kinds = module_kinds(folder)
    order = [kind for kind, _ in kinds]
    for number, (kind, path) in enumerate(kinds):
        wanted = "Transformer" if number == 0 else "Pooling" if number == 1 else ""
        later = ("Dense", "Normalize", "Dropout")
        if (wanted and kind != wanted) or (not wanted and kind not in later):
            raise UserError(
                f"{folder / MODULES}: module {number} is {kind} ({path or 'the folder itself'}), "
                f"which is not supported there; the modules read are {SUPPORTED}, in this order"
            )
    if len(order) < 2:
        raise UserError(f"{folder / MODULES} names no Pooling; use a folder that has one")
    return kinds


def _pooling(folder: Path, config: EncoderConfig) -> tuple[tuple[str, ...], bool]:
    file = folder / "config.json"
    content = read_object(file, dict)
    given = content.get("pooling_mode")
    if given is None:
        modes = tuple(mode for key, mode in POOLING_KEYS.items() if content.get(key)) or ("mean",)
    else:
        modes = tuple(map(str, given)) if isinstance(given, list) else (str(given),)
    unknown = [mode for mode in modes if mode not in POOLINGS]
    if unknown:
        raise UserError(
            f"{file}: pooling mode {unknown[0]!r} is not supported; "
            f"use a model with one of {', '.join(POOLINGS)}"
        )
    width = content.get("embedding_dimension", content.get("word_embedding_dimension"))
    if width not in (None, config.hidden_size):
        raise UserError(
            f"{file}: the pooling is for hidden states {width} wide, the encoder's are "
            f"{config.hidden_size}; the two belong to different models"
        )
    return modes, content.get("include_prompt", True) is not False


def _dense(folder: Path) -> tuple[DenseStage, Params]:
    file = folder / "config.json"
    content = read_object(file, dict)
    name = str(content.get("activation_function", "torch.nn.modules.activation.Tanh"))
    activation = name.rpartition(".")[2]
    if activation not in DENSE_ACTIVATIONS:
        raise UserError(
            f"{file}: activation_function {name!r} is not supported; "
            f"use a model with one of {', '.join(DENSE_ACTIVATIONS)}"
        )
    source = content.get("module_input_name", "sentence_embedding")
    if content.get("use_residual") or source != "sentence_embedding":
        key = "use_residual" if content.get("use_residual") else "module_input_name"
        raise UserError(f"{file}: {key} is {content[key]!r}, which is not supported")
    sizes = [content.get(key) for key in ("in_features", "out_features")]
    if not all(type(size) is int and size > 0 for size in sizes):
        raise UserError(f"{file}: in_features and out_features are {sizes}; fix them")
    stage = DenseStage(sizes[0], sizes[1], activation, content.get("bias", True) is not False)
    tensors = open_tensors(folder)
    lacking = [n for n in ("linear.weight", *["linear.bias"] * stage.bias) if n not in tensors]
    if lacking:
        raise UserError(f"{folder} lacks tensor {lacking[0]}; copy the folder again")
    params = {"kernel": tensors.read("linear.weight", (stage.outputs, stage.inputs)).T}
    if stage.bias:
        params["bias"] = tensors.read("linear.bias", (stage.outputs,))
    return stage, params


def _check_widths(folder: Path, stages: Sequence[Stage], width: int) -> None:
    for stage in stages:
        if stage == NORMALIZE:
            continue
        if stage.inputs != width:
            raise UserError(
                f"{folder / MODULES}: a Dense module reads vectors {stage.inputs} wide, but those "
                f"before it are {width} wide; its modules belong to different models"
            )
        width = stage.outputs


def text_limits(folder: Path, config: EncoderConfig, tokenizer: Any) -> tuple[int, bool]:
    """Most tokens of a text, and whether texts are made lower case; raises `UserError`."""
    files = [folder / name for name in TRANSFORMER if (folder / name).is_file()]
    settings = read_object(files[0], dict) if files else {}
    return _max_length(settings, config, tokenizer), bool(settings.get("do_lower_case"))


def _max_length(settings: Mapping[str, Any], config: EncoderConfig, tokenizer: Any) -> int:
    """What sentence_bert_config.json says wins; else the tokenizer's limit, or the positions."""
    given = settings.get("max_seq_length")
    if type(given) is int and given > 0:
        return min(given, config.positions)
    limit = getattr(tokenizer, "model_max_length", config.positions)
    return int(min(limit, config.positions))


def read_prompts(folder: Path, pooled: bool) -> Prompts:
    """What config_sentence_transformers.json says of them; raises `UserError`."""
    file = folder / GENERAL
    content = _general(folder)
    texts = content.get("prompts") or {}
    default = content.get("default_prompt_name") or ""
    if not isinstance(texts, dict) or not all(isinstance(text, str) for text in texts.values()):
        raise UserError(f"{file}: prompts is {texts!r}, not texts by name; fix it")
    if default and (not isinstance(default, str) or default not in texts):
        raise UserError(
            f"{file}: default_prompt_name {default!r} is none of the prompts "
            f"({', '.join(texts) or 'there are none'}); fix it"
        )
    return Prompts(dict(texts), default, pooled)


def _mention_cut(folder: Path, width: int) -> None:
    """Say so where sentence-transformers leaves away the last numbers of a folder's vectors."""
    cut = _general(folder).get("truncate_dim")
    if type(cut) is int and 0 < cut < width:
        note(
            f"{folder / GENERAL}: truncate_dim has sentence-transformers cut vectors to {cut} "
            f"numbers; here all {width} are made and learnt, and embed and evaluate take "
            f"--dimensions={cut}"
        )


def _mention_similarity(folder: Path, vectors: VectorConfig) -> None:
    """Say so where the lengths of a folder's vectors count, too, which nothing here learns."""
    name = _general(folder).get("similarity_fn_name")
    if name not in (None, "cosine") and vectors.stages[-1:] != (NORMALIZE,):
        note(
            f"{folder / GENERAL}: similarity_fn_name is {name}; here vectors are learnt and "
            "compared by their cosine, whatever their length"
        )


def _general(folder: Path) -> dict[str, Any]:
    file = folder / GENERAL
    return dict(read_object(file, dict)) if file.is_file() else {}


def read_object(file: Path, kind: type) -> Any:
    """The JSON value of a file, of this type; raises `UserError` naming the file."""
    try:
        content = json.loads(file.read_text("utf-8"))
    except FileNotFoundError:
        raise UserError(f"{file} does not exist; copy the model folder again") from None
    except (OSError, ValueError, RecursionError) as error:
        raise UserError(f"{file} cannot be read as JSON ({error}); restore the file") from error
    if not isinstance(content, kind):
        raise UserError(f"{file} is not a JSON {'list' if kind is list else 'object'}; restore it")
    return content

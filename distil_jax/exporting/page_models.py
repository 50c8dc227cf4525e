"""What the demo's page reads of each model: which of its sections, and how it is called."""

from collections.abc import Callable, Sequence
from typing import Any

from distil_jax.errors import UserError
from distil_jax.exporting.onnx_folder import OnnxModel
from distil_jax.exporting.vector_outputs import EMBEDDING, VECTOR
from distil_jax.pretrained.sentence_reading import read_prompts, text_limits

QUERY_PROMPTS, TEXT_PROMPTS = ("query", "search_query"), ("document", "passage", "search_document")
CLASSES, VALUE, LABELS = "classes", "value", "labels"


def about(models: Sequence[OnnxModel], teacher: str) -> dict[str, Any]:
    """What the page says of its models; raises `UserError` for one that it has no section for.

    `teacher` stands beside a masked LM, and nowhere else.
    """
    described = [_described(model) for model in models]
    tasks = [one["task"] for one in described]
    for task in tasks:
        if tasks.count(task) > 1:
            pairs = zip(models, tasks, strict=True)
            names = " and ".join(str(model.folder) for model, other in pairs if other == task)
            raise UserError(f"{names} do the same ({task}); serve one of them")
    if teacher and "fill" not in tasks:
        raise UserError("--teacher stands beside a masked LM; give one as --model, or leave it out")
    return {"models": described, "teacher": teacher}


def _described(model: OnnxModel) -> dict[str, Any]:
    if model.head not in OF_HEAD:
        raise UserError(
            f"{model.folder} has a {model.head} head; the page needs a masked LM, a classifier of "
            "texts or tokens, or vectors of texts"
        )
    external = [part.name for part in model.file.parent.glob(f"{model.file.name}.*")]
    if external:
        raise UserError(
            f"{model.folder} keeps its weights in {external[0]}, too large for a browser; "
            "export a smaller model, or --quantize=int8"
        )
    return {
        "name": model.folder.resolve().name,
        "bytes": model.bytes,
        "quantisation": "float32" if model.quantisation == "none" else model.quantisation,
        "positions": model.config.positions,
        **OF_HEAD[model.head](model),
    }


def _fill(model: OnnxModel) -> dict[str, Any]:
    mask = str(model.tokenizer.mask_token)
    return {
        "task": "fill",
        "mask": mask,
        "mask_id": int(model.tokenizer.mask_token_id),  # type: ignore[arg-type]
        "tokens": len(model.tokenizer),
        "example": f"The {mask} of the file is read first.",
    }


def _classify(model: OnnxModel) -> dict[str, Any]:
    kind = LABELS if model.problem_type == "multi_label_classification" else CLASSES
    return {
        "task": "classify",
        "kind": VALUE if model.session.get_outputs()[0].shape[-1] == 1 else kind,
        "labels": list(model.labels),
        "threshold": 0.5 if model.threshold is None else model.threshold,
        "example": "A warm, funny and moving film.",
    }


def _entities(model: OnnxModel) -> dict[str, Any]:
    return {
        "task": "entities",
        "labels": list(model.labels),
        "example": "Ada Lovelace met Charles Babbage in London.",
    }


def _search(model: OnnxModel) -> dict[str, Any]:
    if VECTOR not in model.outputs:
        raise UserError(
            f"{model.folder} has no {VECTOR}; export it with --pooling=graph for the page"
        )
    length, lower_case = text_limits(model.folder, model.config, model.tokenizer)
    prompts = read_prompts(model.folder, True)
    usual = prompts.texts.get(prompts.default, "")

    def prompt(names: Sequence[str]) -> str:
        return next((prompts.texts[name] for name in names if name in prompts.texts), usual)

    return {
        "task": "search",
        "length": length,
        "lower_case": lower_case,
        "query_prompt": prompt(QUERY_PROMPTS),
        "text_prompt": prompt(TEXT_PROMPTS),
        "example": "How do I get my money back?",
        "texts": "\n".join(
            (
                "Parcels are delivered within three working days.",
                "Refunds are paid to the card that you used.",
                "Our shop is open from nine to six, on Saturdays until four.",
                "A forgotten password is reset by a link that we send you.",
            )
        ),
    }


OF_HEAD: dict[str, Callable[[OnnxModel], dict[str, Any]]] = {
    "masked_lm": _fill,
    "classification": _classify,
    "token_classification": _entities,
    EMBEDDING: _search,
}

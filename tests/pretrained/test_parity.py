"""The models compute what transformers' models of the same folder compute."""

from functools import partial
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from distil_jax import models, pretrained

TYPES = (
    "bert",
    "distilbert",
    "roberta",
    "xlm-roberta",
    "xlm-roberta-xl",
    "camembert",
    "electra",
    "modernbert",
    "mpnet",
    "deberta-v2",
)
TOLERANCE = 1e-4


@pytest.fixture(scope="module")
def rows():
    """Token ids and their mask: three lengths, padded with each type's own padding token."""
    tokens = np.random.default_rng(0).integers(5, 60, (3, 14)).astype(np.int32)
    mask = np.arange(14)[None] < np.asarray([[14], [9], [3]])
    return tokens, mask


def both(model, rows, apply, folder: Path):
    """What transformers computes, and what `apply(loaded, batch)` does from the saved folder."""
    import torch

    tokens, mask = rows
    tokens = np.where(mask, tokens, model.config.pad_token_id)
    model.save_pretrained(folder)
    with torch.no_grad():
        theirs = model(
            input_ids=torch.tensor(tokens.astype(np.int64)),
            attention_mask=torch.tensor(mask.astype(np.int64)),
            output_hidden_states=True,
        )
    loaded = pretrained.load_weights(folder)
    batch = {"tokens": jnp.asarray(tokens), "segments": jnp.asarray(mask.astype(np.int32))}
    return theirs, apply(loaded, batch)


def close(ours, theirs, mask):
    np.testing.assert_allclose(np.asarray(ours)[mask], theirs.numpy()[mask], atol=TOLERANCE, rtol=0)


@pytest.mark.optimised
@pytest.mark.parametrize("model_type", [*TYPES, "gpt2"])
def test_language_model_logits_and_every_hidden_state(hugging_face, rows, tmp_path, model_type):
    auto = "AutoModelForCausalLM" if model_type == "gpt2" else "AutoModelForMaskedLM"

    def apply(loaded, batch):
        config, params, head, _ = loaded
        assert (
            head == config.language_head == ("causal_lm" if model_type == "gpt2" else "masked_lm")
        )
        encoder = models.Encoder(config, scan=True)
        states = jax.jit(partial(encoder.apply, method="hidden_states"))
        return (
            states({"params": params["encoder"]}, batch),
            jax.jit(models.MaskedLM(config, scan=True).apply)({"params": params}, batch),
        )

    theirs, (states, logits) = both(hugging_face(model_type, auto), rows, apply, tmp_path)
    close(logits, theirs.logits, rows[1])
    assert len(states) == len(theirs.hidden_states)
    for ours, other in zip(states, theirs.hidden_states, strict=True):
        close(ours, other, rows[1])


@pytest.mark.parametrize("model_type", [*TYPES, "gpt2"])
def test_classification(hugging_face, rows, tmp_path, model_type):
    model = hugging_face(model_type, "AutoModelForSequenceClassification", num_labels=3)

    def apply(loaded, batch):
        config, params, head, labels = loaded
        assert (head, labels) == ("classification", ("LABEL_0", "LABEL_1", "LABEL_2"))
        module = models.SequenceClassification(config, 3, scan=True)
        return jax.jit(module.apply)({"params": params}, batch)

    theirs, ours = both(model, rows, apply, tmp_path)
    close(ours, theirs.logits, slice(None))


@pytest.mark.parametrize("model_type", TYPES)
def test_token_classification(hugging_face, rows, tmp_path, model_type):
    model = hugging_face(model_type, "AutoModelForTokenClassification", num_labels=3)

    def apply(loaded, batch):
        config, params, head, labels = loaded
        assert (head, labels) == ("token_classification", ("LABEL_0", "LABEL_1", "LABEL_2"))
        module = models.TokenClassification(config, 3, scan=True)
        return jax.jit(module.apply)({"params": params}, batch)

    theirs, ours = both(model, rows, apply, tmp_path)
    close(ours, theirs.logits, rows[1])


@pytest.mark.parametrize("head", ["classification", "token_classification", "question_answering"])
@pytest.mark.parametrize("model_type", TYPES)
def test_heads_drop_out_at_the_classifiers_rate_where_transformers_do(
    hugging_face, rows, tmp_path, model_type, head
):
    """The encoder does not, so that what changes in training is the head's."""
    import torch

    names = ("hidden_dropout_prob", "attention_probs_dropout_prob")
    names += ("dropout", "attention_dropout", "qa_dropout")
    rates = dict.fromkeys(names, 0.0) | dict.fromkeys(
        ("classifier_dropout", "seq_classif_dropout", "cls_dropout"), 0.5
    )
    module, auto = {
        "classification": (
            partial(models.SequenceClassification, labels=3),
            "AutoModelForSequenceClassification",
        ),
        "token_classification": (
            partial(models.TokenClassification, labels=3),
            "AutoModelForTokenClassification",
        ),
        "question_answering": (models.QuestionAnswering, "AutoModelForQuestionAnswering"),
    }[head]
    model = hugging_face(
        model_type, auto, num_labels=2 if head == "question_answering" else 3, **rates
    )

    def apply(loaded, batch):
        config, params, *_ = loaded
        ours = partial(module(config, scan=True).apply, {"params": params}, batch)
        return bool((ours() != ours(train=True, rngs={"dropout": jax.random.key(1)})).any())

    theirs, drops = both(model, rows, apply, tmp_path)
    tokens, mask = (torch.tensor(np.asarray(array, np.int64)) for array in rows)
    tokens = torch.where(mask > 0, tokens, model.config.pad_token_id)
    trained = model.train()(input_ids=tokens, attention_mask=mask)
    assert drops == bool((trained[0] != theirs[0]).any())


def test_the_head_of_debertas_original_code_multiplies_the_token_table(
    hugging_face, rows, tmp_path
):
    settings = {"legacy": False, "tie_word_embeddings": False}

    def apply(loaded, batch):
        config, params, *_ = loaded
        return jax.jit(models.MaskedLM(config, scan=True).apply)({"params": params}, batch)

    theirs, ours = both(hugging_face("deberta-v2", **settings), rows, apply, tmp_path)
    close(ours, theirs.logits, rows[1])


@pytest.mark.parametrize("model_type", TYPES)
def test_span(hugging_face, rows, tmp_path, model_type):
    model = hugging_face(model_type, "AutoModelForQuestionAnswering")

    def apply(loaded, batch):
        config, params, head, _ = loaded
        assert head == "question_answering"
        module = models.QuestionAnswering(config, scan=True)
        return jax.jit(module.apply)({"params": params}, batch)

    theirs, ours = both(model, rows, apply, tmp_path)
    close(ours[..., 0], theirs.start_logits, rows[1])
    close(ours[..., 1], theirs.end_logits, rows[1])


def test_roberta_transform_is_gelu_whatever_the_layers_use(hugging_face, rows, tmp_path):
    def apply(loaded, batch):
        config, params, *_ = loaded
        return jax.jit(models.MaskedLM(config, scan=True).apply)({"params": params}, batch)

    theirs, ours = both(hugging_face("roberta", hidden_act="relu"), rows, apply, tmp_path)
    close(ours, theirs.logits, rows[1])


def test_token_types(hugging_face, rows, tmp_path):
    import torch

    model = hugging_face("bert")
    model.save_pretrained(tmp_path)
    tokens, _ = rows
    types = (np.arange(14)[None] > 6).astype(np.int32) * np.ones_like(tokens)
    with torch.no_grad():
        theirs = model(
            input_ids=torch.tensor(tokens.astype(np.int64)),
            token_type_ids=torch.tensor(types.astype(np.int64)),
        )
    config, params, *_ = pretrained.load_weights(tmp_path)
    batch = {"tokens": tokens, "segments": np.ones_like(tokens), "token_types": types}
    batch = {name: jnp.asarray(array) for name, array in batch.items()}
    ours = jax.jit(models.MaskedLM(config, scan=True).apply)({"params": params}, batch)
    close(ours, theirs.logits, slice(None))

"""Random transformers models, small, with no parameter left at its neutral first value."""

from collections.abc import Callable
from pathlib import Path

import pytest

SMALL = {"vocab_size": 60, "max_position_embeddings": 20, "initializer_range": 0.3}
BERT = SMALL | {
    "hidden_size": 16,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 24,
}
DISTILBERT = SMALL | {"dim": 16, "n_layers": 2, "n_heads": 2, "hidden_dim": 24}
SETTINGS = {
    "bert": BERT,
    "distilbert": DISTILBERT,
    "roberta": BERT | {"type_vocab_size": 1, "layer_norm_eps": 1e-5},
    "xlm-roberta": BERT | {"type_vocab_size": 1, "layer_norm_eps": 1e-5},
    "camembert": BERT | {"type_vocab_size": 1, "layer_norm_eps": 1e-5},
    "mpnet": BERT | {"layer_norm_eps": 1e-5},
    "deberta-v2": BERT
    | {
        "relative_attention": True,
        "share_att_key": True,
        "norm_rel_ebd": "layer_norm",
        "pos_att_type": ["p2c", "c2p"],
        "position_buckets": 6,
        "position_biased_input": False,
        "type_vocab_size": 0,
    },
    "xlm-roberta-xl": BERT,
    "electra": BERT | {"embedding_size": 8},
    "modernbert": BERT
    | {"num_hidden_layers": 5, "local_attention": 4, "pad_token_id": 0}
    | dict.fromkeys(("bos_token_id", "eos_token_id", "cls_token_id", "sep_token_id"), 1),
    "gpt2": {
        "vocab_size": 60,
        "n_positions": 20,
        "n_embd": 16,
        "n_layer": 3,
        "n_head": 2,
        "initializer_range": 0.3,
        "pad_token_id": 0,
        "bos_token_id": 1,
        "eos_token_id": 1,
    },
}


@pytest.fixture(scope="session")
def hugging_face() -> Callable:
    """A function from a model type, an auto class and settings to a model in evaluation mode."""
    import torch
    import transformers

    def make(model_type: str, auto: str = "AutoModelForMaskedLM", **settings):
        torch.manual_seed(0)
        config = transformers.AutoConfig.for_model(model_type, **(SETTINGS[model_type] | settings))
        model = getattr(transformers, auto).from_config(config)
        for parameter in model.parameters():
            parameter.data += 0.1 * torch.randn_like(parameter)
        return model.eval()

    return make


@pytest.fixture
def folder(hugging_face: Callable, tmp_path: Path) -> Path:
    """A folder that transformers saved: a BERT with its masked-language-model head."""
    hugging_face("bert").save_pretrained(tmp_path / "bert")
    return tmp_path / "bert"

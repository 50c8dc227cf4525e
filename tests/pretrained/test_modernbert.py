"""ModernBERT's folders: what config.json says of the layers, and students of them."""

import json

import pytest

from distil_jax.configuration import source
from distil_jax.errors import UserError
from distil_jax.models import choose_layers
from distil_jax.pretrained.config_file import read_config, write_config
from distil_jax.pretrained.families import make_config
from distil_jax.training.student import student_of

GLOBAL, LOCAL = "full_attention", "sliding_attention"


def read(folder, **content):
    (folder / "config.json").write_text(json.dumps({"model_type": "modernbert"} | content))
    return read_config(folder)[0]


def test_absent_keys_mean_the_base_model(tmp_path):
    block = read(tmp_path).block
    assert block.windows == (0, 64, 64) * 7 + (0,)
    assert block.thetas == (160000.0, 10000.0, 10000.0) * 7 + (160000.0,)
    assert (block.norm, block.first_norm, block.gated, block.biases) == ("pre", False, True, False)


def test_older_and_newer_files_say_the_same(tmp_path):
    older = {"global_attn_every_n_layers": 2, "global_rope_theta": 80.0, "local_rope_theta": 7.0}
    newer = {
        "layer_types": [GLOBAL, LOCAL, GLOBAL, LOCAL],
        "rope_parameters": {
            GLOBAL: {"rope_type": "default", "rope_theta": 80.0},
            LOCAL: {"rope_type": "default", "rope_theta": 7.0},
        },
    }
    one = read(tmp_path, num_hidden_layers=4, local_attention=6, **older)
    assert one == read(tmp_path, num_hidden_layers=4, local_attention=6, **newer)
    assert one.block.kinds(4)[:2] == ((0, 80.0), (3, 7.0))


def test_the_default_student_keeps_the_pattern_and_any_list_its_kinds(tmp_path):
    teacher = read(tmp_path)
    student = teacher.student(choose_layers(22, "every_other"), keep_token_types=True)
    assert student.block.windows == ((0, 64, 64) * 4)[:11]
    student = teacher.student((0, 1, 3, 5), keep_token_types=True)
    content = json.loads(write_config(student, "masked_lm", (), "float32"))
    assert content["layer_types"] == [GLOBAL, LOCAL, GLOBAL, LOCAL]
    assert content["global_attn_every_n_layers"] == 2
    assert read(tmp_path, **content) == student


def test_a_student_that_leaves_out_the_first_layer_is_refused(tmp_path):
    with pytest.raises(UserError, match=r"layers \[20, 21\] begin with 20; .* put 0 first"):
        read(tmp_path).student((20, 21), keep_token_types=True)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"layer_types": ["linear_attention"] * 22}, "layer_types has 'linear_attention'; use"),
        ({"layer_types": [GLOBAL] * 3}, "3 attention windows do not fit 22 layers"),
        ({"attention_bias": True}, "attention_bias True, mlp_bias False: only all of them or none"),
        ({"decoder_bias": False}, "decoder_bias is False; only a decoder with a bias"),
        ({"rope_scaling": {"rope_type": "yarn"}}, "rope_type is 'yarn'; only the default"),
        ({"classifier_pooling": "max"}, "classifier_pooling is 'max'; use one of cls, mean"),
        ({"local_attention": 1}, "local_attention is 1; use 2 or more"),
    ],
)
def test_a_variant_that_is_not_computed_is_named(tmp_path, content, message):
    with pytest.raises(UserError, match=message) as caught:
        read(tmp_path, **content)
    assert "config.json: " in str(caught.value)


def test_a_head_of_odd_size_has_no_pairs_to_turn():
    sizes = {"vocabulary": 9, "layers": 2, "mlp_size": 6, "positions": 5}
    with pytest.raises(UserError, match="a head size of 3 has none, use an even one"):
        make_config("modernbert", hidden_size=6, heads=2, **sizes)


def test_layers_that_break_the_format_are_refused_by_key(tmp_path):
    teacher = read(tmp_path)
    config = source.read("base", ["--config.student.layers=1,2,3", "--config.teacher=t"])
    with pytest.raises(UserError, match=r"config\.student\.layers='1,2,3': layers \[1, 2, 3\] beg"):
        student_of(config, teacher, (1, 2, 3))

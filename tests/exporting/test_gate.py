"""gate: a product that int8 spoils goes back to float, and no other."""

import re

import numpy as np
import onnx
import pytest

from distil_jax.errors import UserError
from distil_jax.exporting import gate, onnx_graphs, processor, quantise
from distil_jax.exporting.calibration import calibration_batches
from distil_jax.exporting.decisions import agreement, decisions
from distil_jax.exporting.onnx_export import OnnxSettings, export_onnx
from distil_jax.exporting.onnx_model import onnx_model
from distil_jax.exporting.subject import of_head

TEXTS = (("the river in the old city",), ("of and in to is",), ("the city was old",)) * 8
SPOILT = "layer_1/mlp_out/kernel"


@pytest.fixture(scope="module")
def outlier(make):
    """One inner value is thousands of times the others, and its row of the next map smaller."""
    model = make("bert", "token_classification")
    layers = model.params["encoder"]["layers"]
    layers["mlp_in"]["bias"][1, 0] = 3000
    layers["mlp_out"]["kernel"][1, 0] /= 3000
    return of_head(model)


def settings(least, **fields):
    return OnnxSettings("int8", True, TEXTS, least, "here", {}, "command", **fields)


def test_the_spoilt_product_is_the_costliest_and_alone_kept(outlier, tmp_path):
    whole = onnx_model(outlier)
    batches = list(calibration_batches(outlier.model, TEXTS))
    costs = gate.product_costs(outlier, whole, batches, largest=quantise.largest(True))
    assert max(costs, key=costs.get) == SPOILT
    assert costs[SPOILT].outputs > 10 * sorted(costs.values())[-2].outputs
    assert costs[SPOILT].product > 10 * sorted(cost.product for cost in costs.values())[-2]
    assert set(costs) == {
        *(f"layer_{n}/attention/{part}/kernel" for n in (0, 1) for part in ("projected", "output")),
        *(f"layer_{n}/{part}/kernel" for n in (0, 1) for part in ("mlp_in", "mlp_out")),
        "logits/kernel",
    }
    opened = export_onnx(outlier, tmp_path / "out", settings(0.95))
    assert stored_apart(opened) == {SPOILT: onnx.TensorProto.INT8}
    plain = export_onnx(outlier, tmp_path / "plain", settings(0.0))
    assert opened.bytes < 1.05 * plain.bytes
    card = (tmp_path / "out" / "README.md").read_text()
    assert "| gate | agreement with float32 of at least 0.95 on 24 texts" in card
    assert re.search(r"layer_1/mlp_out \([\d.]+%, int8\) \|", card)
    assert "hidden states' cosine with float32, by layer | 1 0." in card


def test_weights_that_int8_spoils_are_stored_in_16_bits(make, tmp_path):
    """One row of a map is thousands of times the others, and what it multiplies is smaller."""
    model = make("bert", "token_classification")
    layers = model.params["encoder"]["layers"]
    layers["mlp_in"]["bias"][1, 0] = layers["mlp_in"]["kernel"][1, :, 0] = 0
    layers["mlp_out"]["kernel"][1, 0] = 3000
    opened = export_onnx(of_head(model), tmp_path / "out", settings(0.97))
    apart = stored_apart(opened)
    assert apart.pop(SPOILT) == onnx.TensorProto.FLOAT16
    assert set(apart.values()) <= {onnx.TensorProto.INT8}
    card = (tmp_path / "out" / "README.md").read_text()
    assert re.search(r"layer_1/mlp_out \([\d.]+%, float16\)", card)


def stored_apart(opened):
    """The kernels that are widened to float where they are used, and how each is stored."""
    graph = onnx.load(opened.file).graph
    widened = {node.input[0] for node in graph.node if node.op_type == "Cast"}
    return {
        each.name: each.data_type
        for each in graph.initializer
        if each.name in widened and each.name.endswith("/kernel")
    }


def test_what_holds_without_stays_whole(outlier, tmp_path):
    opened = export_onnx(outlier, tmp_path / "out", settings(0.0))
    assert stored_apart(opened) == {}
    assert "how its weights are stored) | none |" in (tmp_path / "out" / "README.md").read_text()


def test_a_decoder_can_be_left_in_float(make):
    subject = of_head(make("distilbert"))
    graph = onnx_model(subject, table_largest=127, kept={"head/product": "int8"})
    by_name = {node.name: node.op_type for node in graph.graph.node}
    assert by_name["head/product/float"] == "MatMul"
    assert "MatMulInteger" not in by_name.values()


def test_a_gate_that_nothing_holds_is_said(outlier, tmp_path, monkeypatch):
    monkeypatch.setattr(gate, "agreement", lambda *_: 0.5)
    with pytest.raises(UserError, match=r"the gate 0.9 does not hold.*0.5000; lower --gate"):
        export_onnx(outlier, tmp_path / "out", settings(0.9))
    assert not list(tmp_path.iterdir())


def test_a_gate_for_another_processor_is_refused(outlier, tmp_path, monkeypatch):
    monkeypatch.setattr(processor, "multiplies_bytes", lambda: False)
    other = OnnxSettings("int8", False, TEXTS, 0.9)
    with pytest.raises(UserError, match="multiplies 8-bit weights wrongly; use --target=any"):
        export_onnx(outlier, tmp_path / "out", other)
    with pytest.raises(UserError, match="--gate needs --calibration"):
        onnx_graphs.check(OnnxSettings("int8", True, (), 0.9))


@pytest.mark.parametrize("needed", range(6))
def test_the_fewest_are_found(needed):
    asked = []

    def holds(count):
        asked.append(count)
        return count >= needed

    assert gate._fewest(holds, 5) == needed
    assert len(asked) <= 5
    assert gate._fewest(lambda count: False, 5) is None


def test_agreement_of_classes_values_and_vectors():
    assert agreement([np.asarray([1, 2])], [np.asarray([1, 3])]) == 0.5
    values = np.asarray([0.0, 1.0, 2.0], np.float32)
    assert agreement([values], [2 * values + 1]) == pytest.approx(1)
    assert agreement([values], [0 * values]) == 0
    vectors = np.eye(2, dtype=np.float32)
    assert agreement([vectors], [vectors[::-1]]) == 0


def test_padding_decides_nothing(make):
    subject = of_head(make("bert", "question_answering"))
    inputs = {"attention_mask": np.asarray([[1, 1, 0]])}
    logits = np.asarray([[0.0, 1.0, 9.0]])
    outputs = {"start_logits": logits, "end_logits": -logits}
    np.testing.assert_array_equal(decisions(subject, inputs, outputs), [0, 1])

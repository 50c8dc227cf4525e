"""layout: transformers.js opens an export unchanged, and answers as onnxruntime in Python does."""

import hashlib
import json
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from distil_jax import commandline, export, predict, pretrained
from distil_jax.errors import UserError
from distil_jax.exporting import onnx_graphs, vendor
from distil_jax.exporting.layout import is_onnx
from distil_jax.exporting.onnx_embedder import open_any_embedder
from distil_jax.exporting.onnx_export import OnnxSettings, export_onnx
from distil_jax.exporting.onnx_folder import inputs_of, open_onnx
from distil_jax.exporting.subject import of_head, of_sentences, of_static
from distil_jax.models.vector_config import NORMALIZE, VectorConfig
from distil_jax.pretrained import SentenceModel
from distil_jax.pretrained.static_model import StaticModel
from distil_jax.storage.bucket import Bucket
from distil_jax.storage.cache import cache_folder

PROGRAM = Path(__file__).parent / "transformers_js"
TEXT, MASKED = "the river was old", "the [MASK] was old"
QUESTION, CONTEXT = "is the city old", "the city of the old river is in the city"
SETTINGS = OnnxSettings("none", True, (), command="command", layout="transformers.js")
HEADS = {
    "fill-mask": "masked_lm",
    "text-classification": "classification",
    "token-classification": "token_classification",
    "question-answering": "question_answering",
}
ASKED = {
    "fill-mask": ([MASKED], {"top_k": 3}),
    "text-classification": ([TEXT], {"top_k": None}),
    "token-classification": ([TEXT], {}),
    "question-answering": ([QUESTION, CONTEXT], {}),
    "feature-extraction": ([TEXT], {"pooling": "mean", "normalize": True}),
}


@pytest.fixture(scope="module")
def folders(make, tmp_path_factory):
    """A folder with an export for each pipeline."""
    subjects = {task: of_head(make("bert", head)) for task, head in HEADS.items()}
    bare = make("bert", None)
    encoder = replace(bare, params={"encoder": bare.params["encoder"]})
    vectors = VectorConfig(("mean",), (NORMALIZE,), 20)
    subjects["feature-extraction"] = of_sentences(SentenceModel(encoder, vectors))
    table = np.random.default_rng(0).normal(size=(bare.config.vocabulary, 8)).astype(np.float32)
    subjects["static"] = of_static(StaticModel(table, bare.tokenizer.backend_tokenizer))
    folder = tmp_path_factory.mktemp("transformers_js")
    for task, subject in subjects.items():
        export_onnx(subject, folder / task, SETTINGS)
    return folder


def test_the_folder_holds_three_graphs_and_opens_with_the_chosen_one(make, folders, tmp_path):
    folder = folders / "fill-mask"
    names = {str(file.relative_to(folder)) for file in folder.rglob("*") if file.is_file()}
    graphs = {f"onnx/model{kind}.onnx" for kind in ("", "_fp16", "_quantized")}
    top = {"README.md", "config.json", "tokenizer.json", "tokenizer_config.json", "vocab.txt"}
    assert names == graphs | top
    assert is_onnx(folder)
    opened = open_onnx(folder)
    assert (opened.quantisation, opened.file.name) == ("none", "model.onnx")
    small = open_onnx(folder / "onnx" / "model_quantized.onnx")
    assert (small.quantisation, small.folder) == ("int8", folder)
    assert small.bytes < opened.bytes
    settings = replace(SETTINGS, quantisation="int8")
    other = export_onnx(of_head(make("bert")), tmp_path / "q8", settings)
    content = json.loads((tmp_path / "q8" / "config.json").read_text())
    assert content["transformers.js_config"] == {"dtype": "q8"}
    assert other.quantisation == "int8"


def test_a_graph_is_opened_from_within_its_folder(folders, monkeypatch):
    monkeypatch.chdir(folders / "fill-mask" / "onnx")
    assert is_onnx("model.onnx")
    assert open_onnx("model.onnx").folder == folders / "fill-mask"


def test_an_export_in_a_bucket_comes_with_its_graphs(folders, tmp_path, monkeypatch):
    monkeypatch.setenv("DISTIL_JAX_CACHE", str(tmp_path))
    folder, url = folders / "fill-mask", f"memory://bucket/{tmp_path.name}/edge"
    for file in filter(Path.is_file, folder.rglob("*")):
        Bucket(url).upload(file, file.relative_to(folder).as_posix())
    assert is_onnx(url)
    assert open_onnx(url).head == "masked_lm"


def test_what_a_browser_cannot_load_is_refused(make, tmp_path, monkeypatch):
    monkeypatch.setattr(onnx_graphs, "LARGEST_FILE_BYTES", 1000)
    with pytest.raises(UserError, match="--layout=flat"):
        export_onnx(of_head(make("bert")), tmp_path / "out", replace(SETTINGS, source="big"))
    assert not list(tmp_path.iterdir())


def test_another_default_is_named(folders, tmp_path):
    shutil.copytree(folders / "fill-mask", tmp_path / "copy")
    file = tmp_path / "copy" / "config.json"
    file.write_text(file.read_text().replace('"fp32"', '"q3"'))
    with pytest.raises(UserError, match=r"config.json: the dtype 'q3' .* q8, fp16, fp32; fix it"):
        open_onnx(tmp_path / "copy")


def test_an_export_of_vectors_embeds_texts_in_their_order(folders):
    embed = open_any_embedder(str(folders / "feature-extraction"))
    found = embed([CONTEXT, TEXT, ""])
    assert (found.shape, embed.width) == ((3, 16), 16)
    expected = run(folders / "feature-extraction", TEXT)[0]["sentence_embedding"]
    np.testing.assert_allclose(found[1], expected, atol=1e-5)
    np.testing.assert_allclose(np.linalg.norm(found, axis=-1), 1, atol=1e-5)
    with pytest.raises(UserError, match=r"makes no vectors \(its outputs are logits\)"):
        open_any_embedder(str(folders / "fill-mask"))


@pytest.fixture(scope="module")
def node():
    """The folder of the library, installed once into the cache; Node.js alone may be missing."""
    if not shutil.which("npm") or not shutil.which("node"):
        pytest.skip("transformers.js needs Node.js")
    digest = hashlib.sha256((PROGRAM / "package-lock.json").read_bytes()).hexdigest()[:12]
    folder = cache_folder(f"transformers-js-{digest}")
    if not folder.is_dir():
        vendor.install(folder, PROGRAM)
    return folder


@pytest.mark.slow
def test_transformers_js_gives_our_results(folders, node, tmp_path):
    asked = [
        {"task": task, "model": task, "inputs": inputs, "options": options}
        for task, (inputs, options) in ASKED.items()
    ]
    asked += [{**asked[1], "dtype": dtype} for dtype in ("fp16", "q8")]
    asked += [{**asked[4], "model": "static"}]
    shutil.copy(PROGRAM / "pipelines.mjs", node)
    command = ["node", "pipelines.mjs", str(folders), json.dumps(asked)]
    done = subprocess.run(command, cwd=node, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout.splitlines()[-1])
    assert said["fetched"] == []
    static = said["answers"].pop()
    found = dict(zip(ASKED, said["answers"], strict=False))

    logits, ids = run(folders / "fill-mask", MASKED)
    tokenizer = open_onnx(folders / "fill-mask").tokenizer
    shares = softmax(logits["logits"][ids.index(tokenizer.mask_token_id)])
    best = np.argsort(-shares)[:3]
    assert [each["token"] for each in found["fill-mask"]] == best.tolist()
    assert scores(found["fill-mask"]) == pytest.approx(shares[best].tolist(), abs=1e-4)

    for name, answer in {
        "": found["text-classification"],
        "_fp16": said["answers"][-2],
        "_quantized": said["answers"][-1],
    }.items():
        graph = folders / "text-classification" / "onnx" / f"model{name}.onnx"
        shares = softmax(run(graph, TEXT)[0]["logits"])
        ours = {label: float(share) for label, share in zip("abc", shares, strict=True)}
        assert {each["label"]: each["score"] for each in answer} == pytest.approx(ours, abs=1e-4)

    logits, ids = run(folders / "token-classification", TEXT)
    shares = softmax(logits["logits"])[1:-1]
    answer = found["token-classification"]
    assert [each["entity"] for each in answer] == ["abc"[n] for n in shares.argmax(-1)]
    assert scores(answer) == pytest.approx(shares.max(-1).tolist(), abs=1e-4)

    text, score = span(folders / "question-answering")
    assert found["question-answering"]["answer"] == text
    assert found["question-answering"]["score"] == pytest.approx(score, abs=1e-4)

    outputs, _ = run(folders / "feature-extraction", TEXT)
    vector = found["feature-extraction"]["data"]
    assert vector == pytest.approx(outputs["sentence_embedding"].tolist(), abs=1e-4)
    (vector,) = open_any_embedder(str(folders / "static"))([TEXT])
    assert static["data"] == pytest.approx(vector.tolist(), abs=1e-4)


@pytest.mark.slow
def test_by_commands_alone_a_folder_answers_in_node_as_predict_does(make, node, tmp_path, capfd):
    """A classifier and a tagger: the model's folder, `export`, and `predict` on the same texts."""
    texts = [TEXT, CONTEXT, "the river"]
    tagger = replace(make("bert", "token_classification"), labels=("O", "B-PLACE", "B-NAME"))
    models = {"text-classification": make("bert", "classification"), "token-classification": tagger}
    rows = tmp_path / "rows.jsonl"
    rows.write_text("".join(json.dumps({"tokens": text.split()}) + "\n" for text in texts))
    lines = tmp_path / "lines.txt"
    lines.write_text("\n".join(texts) + "\n")
    asked, expected = [], {}
    for task, given in zip(models, (lines, rows), strict=True):
        source, answers = tmp_path / f"{task}.folder", tmp_path / f"{task}.jsonl"
        pretrained.save(source, models[task])
        layout = ("--format=onnx", "--layout=transformers.js", "--quantize=none")
        command(export.main, f"--model={source}", *layout, f"--output={tmp_path / task}")
        command(predict.main, f"--model={source}", f"--input={given}", f"--output={answers}")
        expected[task] = [json.loads(line) for line in answers.read_text().splitlines()]
        options = {"top_k": None} if task == "text-classification" else {"ignore_labels": []}
        asked += [
            {"task": task, "model": task, "inputs": [text], "options": options} for text in texts
        ]
    capfd.readouterr()
    shutil.copy(PROGRAM / "pipelines.mjs", node)
    program = ["node", "pipelines.mjs", str(tmp_path), json.dumps(asked)]
    done = subprocess.run(program, cwd=node, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout.splitlines()[-1])["answers"]
    for ours, answer in zip(expected["text-classification"], said[:3], strict=True):
        found = {each["label"]: each["score"] for each in answer}
        assert found == pytest.approx(ours["scores"], abs=1e-4)
    for ours, answer in zip(expected["token-classification"], said[3:], strict=True):
        assert [each["entity"] for each in answer] == ours["tags"]


def command(main, *arguments):
    with pytest.raises(SystemExit) as stop:
        commandline.run(main, list(arguments))
    assert stop.value.code == 0


def run(name, *texts):
    """The outputs of one text or pair, and its tokens."""
    model = open_onnx(name, threads=1)
    encoded = model.tokenizer(*texts, return_token_type_ids=True)
    inputs = inputs_of([encoded["input_ids"]], pad=0, token_types=[encoded["token_type_ids"]])
    outputs = dict(zip(model.outputs, (each[0] for each in model.run(inputs)), strict=True))
    return outputs, encoded["input_ids"]


def span(folder):
    """The likeliest answer in the context: start's share times end's, of its tokens and [CLS]."""
    outputs, ids = run(folder, QUESTION, CONTEXT)
    tokenizer = open_onnx(folder).tokenizer
    first = ids.index(tokenizer.sep_token_id) + 1
    kept = np.zeros(len(ids), bool)
    kept[first : len(ids) - 1] = kept[0] = True
    start, end = (
        softmax(np.where(kept, outputs[name], -np.inf)) for name in ("start_logits", "end_logits")
    )
    start[0] = end[0] = 0
    product = np.triu(np.outer(start, end))
    a, b = np.unravel_index(product.argmax(), product.shape)
    return tokenizer.decode(ids[a : b + 1]), float(product[a, b])


def softmax(logits):
    shares = np.exp(logits - logits.max(-1, keepdims=True))
    return shares / shares.sum(-1, keepdims=True)


def scores(answer):
    return [each["score"] for each in answer]

"""server and the page: what is served, what is refused, and what a browser shows."""

import json
import re
import shutil
import socket
import subprocess
import threading
import urllib.error
import urllib.request
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from distil_jax import commandline, demo, pretrained
from distil_jax.errors import UserError
from distil_jax.exporting import page_models, server, vendor
from distil_jax.exporting.onnx_embedder import OnnxEmbedder
from distil_jax.exporting.onnx_export import OnnxSettings, export_onnx
from distil_jax.exporting.onnx_fill import mask_filler
from distil_jax.exporting.onnx_folder import inputs_of
from distil_jax.exporting.subject import of_head, of_sentences
from distil_jax.models.vector_config import NORMALIZE, VectorConfig
from distil_jax.pretrained import SentenceModel

TEXT = "the [MASK] of the file is [MASK]."
BROWSER = Path(__file__).parent / "browser"
SETTINGS = OnnxSettings("none", False, (), source="here", command="command")
TYPED = {
    "text": "the [MASK] was old",
    "classified": "the river was old",
    "tagged": "the city of the river",
    "searched": "the river was old\nin the city\nof and to",
    "question": "the old city",
}


@pytest.fixture(scope="module")
def exported(teacher_folder, tmp_path_factory):
    folder = tmp_path_factory.mktemp("served") / "student"
    settings = OnnxSettings("int8", True, (), source="here", command="command")
    return export_onnx(of_head(pretrained.load(teacher_folder)), folder, settings)


@pytest.fixture
def serve():
    """A function that serves models and returns the address; it ends with the test."""
    made = []

    def serve(*models, teacher=None):
        about = page_models.about(models, "teacher" if teacher else "")
        files = server.page_files(models)
        one = server.PageServer(files, about, teacher, host="127.0.0.1", port=0)
        made.append(one)
        threading.Thread(target=one.serve_forever, daemon=True).start()
        return f"http://127.0.0.1:{one.server_address[1]}"

    yield serve
    for one in made:
        one.shutdown()
        one.server_close()


def answer(address, path, body=None):
    request = urllib.request.Request(address + path, data=body)
    try:
        with urllib.request.urlopen(request) as got:
            return got.status, got.read()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read()


def test_the_page_and_the_model_and_nothing_else(serve, exported, monkeypatch):
    monkeypatch.setattr(vendor, "libraries", dict)
    address = serve(exported)
    assert b"<title>" in answer(address, "/")[1]
    status, body = answer(address, "/model/0/model.onnx")
    assert (status, len(body)) == (200, exported.bytes)
    about = json.loads(answer(address, "/about.json")[1])["models"]
    assert [(one["task"], one["bytes"]) for one in about] == [("fill", exported.bytes)]
    script = answer(address, "/offline.mjs")
    assert (script[0], b"caches" in script[1]) == (200, True)
    for path in ("/model/0/README.md", "/../server.py", "/%2e%2e/server.py", "/package.json"):
        assert answer(address, path)[0] == 404, path
    assert answer(address, "/teacher", b"{}")[0] == 404


def test_the_teacher_answers_as_fill_mask_does(serve, exported, teacher_folder, monkeypatch):
    monkeypatch.setattr(vendor, "libraries", dict)
    fill = mask_filler(teacher_folder, count=5)
    address = serve(exported, teacher=fill)
    status, body = answer(address, "/teacher", json.dumps({"text": TEXT}).encode())
    expected = [[one.token for one in mask] for mask in fill(TEXT).masks]
    assert status == 200
    assert [[one["token"] for one in mask] for mask in json.loads(body)["masks"]] == expected
    status, body = answer(address, "/teacher", json.dumps({"text": "no mask"}).encode())
    assert (status, "has no [MASK]" in json.loads(body)["error"]) == (422, True)
    assert answer(address, "/teacher", b"not json")[0] == 400
    assert answer(address, "/teacher", b"[" * 90_000)[0] == 400


def test_a_file_that_went_a_visitor_who_leaves_and_a_size_that_is_none(tmp_path, capfd):
    big = tmp_path / "big.onnx"
    big.write_bytes(bytes(30_000_000))
    files = {"/big.onnx": big, "/gone.onnx": tmp_path / "gone.onnx"}
    one = server.PageServer(files, {}, mask_filler, host="127.0.0.1", port=0)
    one.daemon_threads, one.block_on_close = False, True  # closing waits for every answer
    thread = threading.Thread(target=one.serve_forever)
    thread.start()
    try:
        address = f"http://127.0.0.1:{one.server_address[1]}"
        status, body = answer(address, "/gone.onnx")
        assert (status, b"No such file" in body) == (404, True)
        with socket.create_connection(one.server_address) as leaving:
            leaving.sendall(b"GET /big.onnx HTTP/1.1\r\nHost: here\r\n\r\n")
            assert leaving.recv(8) == b"HTTP/1.1"
        with socket.create_connection(one.server_address) as asking:
            asking.sendall(b"POST /teacher HTTP/1.1\r\nContent-Length: -5\r\n\r\n{}")
            assert asking.recv(12) == b"HTTP/1.1 404"
    finally:
        one.shutdown()
        thread.join()
        one.server_close()
    assert capfd.readouterr().err == ""


def test_another_head_and_a_taken_port_are_said(make, exported, tmp_path, capfd, monkeypatch):
    monkeypatch.setattr(vendor, "libraries", dict)
    asking = export_onnx(of_head(make("bert", "question_answering")), tmp_path / "span", SETTINGS)
    with pytest.raises(UserError, match="has a question_answering head"):
        page_models.about([asking], "")
    with pytest.raises(UserError, match=r"student and .*student do the same \(fill\)"):
        page_models.about([exported, exported], "")
    classifier = export_onnx(of_head(make("bert", "classification")), tmp_path / "one", SETTINGS)
    with pytest.raises(UserError, match="--teacher stands beside a masked LM"):
        page_models.about([classifier], "teacher")
    with server.PageServer(
        server.page_files([exported]), {}, None, host="127.0.0.1", port=0
    ) as taken:
        port = taken.server_address[1]
        with pytest.raises(SystemExit) as stop:
            commandline.run(demo.main, [f"--model={exported.folder}", f"--port={port}"])
    out, err = capfd.readouterr()
    assert (stop.value.code, out) == (1, "")
    assert "choose another --port" in err


def test_what_is_no_matter_of_the_address_is_not_blamed_on_it(
    exported, tmp_path, capfd, monkeypatch
):
    (tmp_path / "cache").touch()
    monkeypatch.delenv("DISTIL_JAX_CACHE", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    with pytest.raises(SystemExit) as stop:
        commandline.run(demo.main, [f"--model={exported.folder}", "--port=0"])
    err = capfd.readouterr().err
    assert (stop.value.code, err.count("\n")) == (1, 1)
    assert "cache" in err
    assert "--port" not in err


def test_without_npm_the_error_names_it(monkeypatch, tmp_path):
    monkeypatch.delenv("DISTIL_JAX_CACHE", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setenv("PATH", "")
    with pytest.raises(UserError, match="npm is missing"):
        vendor.libraries()


@pytest.fixture(scope="session")
def puppeteer(tmp_path_factory):
    """A folder in which node finds a driver and, unless CHROME names one, a headless Chromium.

    Only a machine without Node.js does without this test; whatever fails after that is a failure.
    """
    if not shutil.which("npm") or not shutil.which("node"):
        pytest.skip("the page's test in a browser needs Node.js")
    folder = tmp_path_factory.mktemp("browser")
    for file in BROWSER.iterdir():
        shutil.copy(file, folder)
    ran(["npm", "ci", "--prefer-offline", "--no-audit", "--no-fund"], folder)
    return folder


def ran(command, folder):
    """The standard output of a command that must succeed."""
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.slow
def test_a_browser_types_and_reads_what_python_reads(serve, exported, teacher_folder, puppeteer):
    address = serve(exported, teacher=mask_filler(teacher_folder, count=5))
    shown = json.loads(ran(["node", "type.mjs", address, TEXT], puppeteer))
    assert shown["outside"] == []
    assert shown["errors"] == []
    assert shown["width"] <= 360
    assert shown["isolated"]  # what threads of WebAssembly need
    assert f"{exported.bytes / 1e6:.1f} MB, int8" in shown["about"]
    python = mask_filler(exported.folder, count=5)(TEXT)
    expected = [round(100 * one.probability, 1) for mask in python.masks for one in mask]
    assert shown["student_shares"] == pytest.approx(expected, abs=0.11)
    assert shown["student"][0] == python.masks[0][0].token
    assert shown["student"][5] == python.masks[1][0].token
    teacher = mask_filler(teacher_folder, count=5)(TEXT)
    assert shown["teacher"] == [one.token for mask in teacher.masks for one in mask]
    for where, role in (("in this browser", "student"), ("in Python", "teacher")):
        latencies = shown[f"{role}_latency"]
        assert len(latencies) == 2
        assert all(re.fullmatch(rf"\d+\.\d ms, {where}", one) for one in latencies)
    assert shown["problem"] == "Put [MASK] into the text."


@pytest.fixture
def sections(make, tmp_path):
    """An export for each section of the page."""
    subjects = {
        head: of_head(make("bert", head))
        for head in ("masked_lm", "classification", "token_classification")
    }
    bare = make("bert", None)
    encoder = replace(bare, params={"encoder": bare.params["encoder"]})
    vectors = VectorConfig(("mean",), (NORMALIZE,), 20)
    subjects["vectors"] = of_sentences(SentenceModel(encoder, vectors))
    return {
        name: export_onnx(subject, tmp_path / name, SETTINGS) for name, subject in subjects.items()
    }


@pytest.mark.slow
def test_every_section_shows_what_python_computes_with_and_without_a_network(
    sections, serve, puppeteer
):
    address = serve(*sections.values())
    shown = json.loads(ran(["node", "sections.mjs", address, json.dumps(TYPED)], puppeteer))
    assert (shown["outside"], shown["errors"], shown["problems"]) == ([], [], [])
    assert shown["reached"] == list(TYPED)
    assert ["navigation", "Sections"] in shown["named"]
    boxes = {name for role, name in shown["named"] if role == "textbox"}
    assert {"A text", "A question", "Your text, a line for each passage"} <= boxes
    assert shown["width"] <= 360
    assert not shown["reachable"]
    assert shown["offline"] == {name: shown[name] for name in shown["offline"]}

    shares = np.sort(softmax(logits(sections["classification"], TYPED["classified"])))[::-1]
    assert shown["shares"] == pytest.approx((100 * shares).tolist(), abs=0.11)
    words = TYPED["tagged"].split()
    tags = logits(sections["token_classification"], TYPED["tagged"]).argmax(-1)[1:-1]
    assert len(tags) == len(words)  # each is one token here
    assert shown["tags"] == [[word, "abc"[tag]] for word, tag in zip(words, tags, strict=True)]
    texts = TYPED["searched"].split("\n")
    embed = OnnxEmbedder(sections["vectors"], "vectors")
    cosines = embed(texts) @ embed([TYPED["question"]])[0]
    order = np.argsort(-cosines)
    assert shown["found"] == [texts[number] for number in order]
    assert shown["cosines"] == pytest.approx(cosines[order].tolist(), abs=0.0011)
    assert shown["said"]["search"] == f"Nearest: {texts[order[0]]}"


def logits(model, text):
    """The first output of a text alone."""
    encoded = model.tokenizer(text)
    return model.run(inputs_of([encoded["input_ids"]], pad=0))[0][0]


def softmax(values):
    shares = np.exp(values - values.max())
    return shares / shares.sum()


def test_the_lock_names_no_host():
    for folder in (vendor.WEB, BROWSER):
        packages = json.loads((folder / "package-lock.json").read_text())["packages"]
        assert all("integrity" in entry for name, entry in packages.items() if name)
        assert not any("resolved" in entry for entry in packages.values())


def test_the_cache_is_used_again(monkeypatch, tmp_path):
    monkeypatch.delenv("DISTIL_JAX_CACHE", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(vendor, "install", lambda root: _pretend(root))
    first = vendor.libraries()
    monkeypatch.setattr(vendor, "install", lambda _: pytest.fail("installed again"))
    assert vendor.libraries() == first


def _pretend(root: Path) -> None:
    for path in vendor.FILES.values():
        (root / "node_modules" / path).parent.mkdir(parents=True, exist_ok=True)
        (root / "node_modules" / path).touch()

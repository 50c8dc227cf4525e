"""What is saved opens in transformers 4 and 5, with the class that was read."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from distil_jax import tokenizer

TEXTS = ["The old river, [E1] naïve CAFÉ 中文!", "the city was of old"]
READER = """
import json, sys
from transformers import AutoTokenizer
for folder in sys.argv[2:]:
    print(json.dumps(AutoTokenizer.from_pretrained(folder)(json.loads(sys.argv[1]))["input_ids"]))
"""
CLASSES = [
    "PreTrainedTokenizerFast",
    "TokenizersBackend",
    "BertTokenizerFast",
    "BertTokenizer",
    "DistilBertTokenizer",
    "ElectraTokenizerFast",
]


def saved(teacher_folder: Path, place: Path, name: str | None) -> Path:
    """A folder with this class and a further special token, read and saved again."""
    source, output = place / f"{name}-read", place / f"{name}"
    shutil.copytree(teacher_folder, source)
    file = source / "tokenizer_config.json"
    content = json.loads(file.read_text()) | {"additional_special_tokens": ["[E1]"]}
    content = {key: value for key, value in content.items() if key != "tokenizer_class"}
    file.write_text(json.dumps(content | ({"tokenizer_class": name} if name else {})))
    output.mkdir()
    tokenizer.save(output, tokenizer.load(source))
    return output


@pytest.mark.parametrize("name", [*CLASSES, None])
def test_the_settings_have_only_what_both_versions_know(teacher_folder, tmp_path, name):
    output = saved(teacher_folder, tmp_path, name)
    content = json.loads((output / "tokenizer_config.json").read_text())
    expected = {"TokenizersBackend": "PreTrainedTokenizerFast", None: "BertTokenizer"}
    assert content["tokenizer_class"] == expected.get(name, name)
    assert content["additional_special_tokens"] == ["[E1]"]
    assert not {"is_local", "local_files_only", "extra_special_tokens"} & content.keys()
    first, second = tokenizer.load(tmp_path / f"{name}-read"), tokenizer.load(output)
    assert tokenizer.fingerprint(first) == tokenizer.fingerprint(second)
    assert [first(text)["input_ids"] for text in TEXTS] == [
        second(text)["input_ids"] for text in TEXTS
    ]


@pytest.mark.slow
def test_transformers_4_opens_what_is_saved_and_gives_the_same_ids(teacher_folder, tmp_path):
    python = tmp_path / "venv" / "bin" / "python"
    subprocess.run([sys.executable, "-m", "venv", python.parents[1]], check=True)
    install = [python, "-m", "pip", "install", "-q", "transformers==4.57.6"]
    done = subprocess.run(install, capture_output=True, text=True)
    if done.returncode:
        pytest.skip(f"transformers 4.57.6 cannot be installed here: {done.stderr[-300:]}")
    folders = [saved(teacher_folder, tmp_path, name) for name in CLASSES]
    command = [python, "-c", READER, json.dumps(TEXTS), *map(str, folders)]
    clean = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    read = subprocess.run(command, capture_output=True, text=True, env=clean)
    assert read.returncode == 0, read.stderr[-1000:]
    for folder, line in zip(folders, read.stdout.splitlines(), strict=True):
        assert json.loads(line) == tokenizer.load(folder)(TEXTS)["input_ids"], folder

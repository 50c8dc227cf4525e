"""Which files of a folder are read, and that the others are mentioned."""

from pathlib import Path

import pytest

from distil_jax.data import corpus, folders
from distil_jax.errors import UserError

TEXT = "one line of text\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("AA/wiki_00", "README.md", "part-00001", "a.01"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(TEXT)
    (tmp_path / "c4.json").write_text('{"text": "one line of text"}\n' * 2)
    return tmp_path


def test_text_without_a_suffix_is_text_and_json_lines_are_records(folder: Path) -> None:
    said: list[str] = []
    found = corpus.find(str(folder), say=said.append)
    names = ["AA/wiki_00", "README.md", "a.01", "c4.json", "part-00001"]
    assert [source.name for source in found] == [str(folder / name) for name in names]
    assert said == []
    assert len(list(corpus.documents(found))) == 6


def test_what_is_passed_over_is_counted_and_one_is_named(folder: Path) -> None:
    (folder / "b.html").write_text("<html>")
    (folder / "c.csv").write_text("text,label\n")
    (folder / "d.txt~").write_text(TEXT)
    (folder / "e.json").write_text('{"info":\n 1}')
    (folder / "f").write_bytes(bytes(range(256)))
    (folder / "g.txt").symlink_to("nowhere")
    said: list[str] = []
    assert len(corpus.find(str(folder), say=said.append)) == 5
    (line,) = said
    assert "6 files passed over" in line
    assert f"{folder}/b.html (it is HTML markup, not text)" in line
    reasons = dict(folders.text_files(folder)[1])
    assert reasons[folder / "d.txt~"] == "the suffix .txt~ is not known as text's"
    assert reasons[folder / "g.txt"] == "it is no file"


def test_a_folder_of_nothing_but_others_says_so(tmp_path: Path) -> None:
    (tmp_path / "a.pdf").write_bytes(b"%PDF-1.7")
    with pytest.raises(UserError, match=r"matches no text file; 1 file passed over, as .*a\.pdf"):
        corpus.find(str(tmp_path))


def test_a_file_named_as_text_that_is_none_is_refused(folder: Path) -> None:
    (folder / "h.txt").write_bytes("déjà très bientôt\n".encode("cp1252") * 9)
    with pytest.raises(UserError, match=r"h\.txt is not UTF-8"):
        corpus.find(str(folder))


@pytest.mark.parametrize("files", [["run.lock"], ["config.json", "metrics.jsonl"]])
def test_what_a_run_writes_is_no_corpus(folder: Path, files: list[str]) -> None:
    for name in (*files, "report.md", "student/README.md"):
        (folder / "run" / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / "run" / name).write_text(TEXT)
    said: list[str] = []
    found = corpus.find(str(folder), say=said.append)
    assert not [source.name for source in found if "/run/" in source.name]
    assert len(found) == 5
    assert f"1 file passed over, as {folder}/run (it is a run's folder)" in said[0]


def test_a_file_of_two_names_is_read_once(tmp_path):
    first = tmp_path / "a.txt"
    first.write_text("A river runs to the sea.\n")
    (tmp_path / "b.txt").symlink_to(first)
    (tmp_path / "c.txt").hardlink_to(first)
    (tmp_path / "d.txt").write_text(first.read_text())
    kept, passed_over = folders.text_files(tmp_path)
    assert kept == [first, tmp_path / "d.txt"]
    reason = "another name of a.txt"
    assert passed_over == [(tmp_path / "b.txt", reason), (tmp_path / "c.txt", reason)]

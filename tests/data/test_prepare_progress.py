import pytest

from distil_jax.data import prepare_progress


def test_lines_instead_of_a_bar_away_from_a_terminal(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(prepare_progress, "SILENT_SECONDS", -1.0)
    shown = prepare_progress.PrepareProgress()
    with shown.bar("preparing", None):
        shown.advance(3_000_000, made=False)
        shown.advance(2_000_000, made=True)
    shown.say("[done] with 1 file")
    captured = capsys.readouterr()
    assert "prepared 5 MB of text" in captured.out
    assert "[done] with 1 file" in captured.out
    assert captured.err == ""


def test_a_bar_on_a_terminal(capsys: pytest.CaptureFixture[str]):
    shown = prepare_progress.PrepareProgress()
    shown.console._force_terminal = True
    with shown.bar("preparing", 4_000_000):
        shown.advance(4_000_000, made=True)
    captured = capsys.readouterr()
    assert "preparing" in captured.out
    assert "4.0/4.0 MB" in captured.out
    assert captured.err == ""

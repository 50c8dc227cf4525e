"""write: one self-contained page; nothing that a user named acts in it."""

import json
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

from distil_jax.errors import UsageError, UserError
from distil_jax.report import health_rows, layer_map, page, score_comparisons, write
from distil_jax.report.report_data import gather
from distil_jax.report.runs import read_run

EVIL = '<script>alert("x")</script> $a_b$ | `c` & é'


class Tags(HTMLParser):
    """The tags and links of a page."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.ids: list[str] = []
        self.links: list[str] = []
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        for name, value in attrs:
            if name == "id":
                self.ids.append(str(value))
            if name in ("href", "xlink:href", "src"):
                self.links.append(str(value))


def make_run(folder: Path, *, teacher: str = EVIL) -> Path:
    folder.mkdir(parents=True)
    figures = {"masked_lm": 5.0, "accuracy": 0.2, "agreement": 0.5, "loss": 9.0}
    models = {
        "teacher": {**figures, "parameters": 200, "sentences_per_second": 10.0},
        "student, distilled": {**figures, "parameters": 100, "sentences_per_second": 20.0},
    }
    (folder / "config.json").write_text(json.dumps({"run": {"teacher": teacher, "seed": 0}}))
    (folder / "baseline.json").write_text(json.dumps({"student, initialised": figures}))
    (folder / "results.json").write_text(json.dumps({"total_steps": 2, "models": models}))
    lines = [{"step": step, "loss": 9.0 - step, "masked_lm": 5.0} for step in (1, 2)]
    lines[1]["validation_loss"] = 7.5
    (folder / "metrics.jsonl").write_text("\n".join(map(json.dumps, lines)))
    return folder


def score(folder: Path, model: str, points: float, **changes: object) -> Path:
    folder.mkdir(parents=True)
    content = {
        "task": "sst2", "model": model, "teacher": None, "metric": "accuracy", "score": points,
        "spread": {"min": points - 1, "max": points + 1, "std": 1.0}, "seeds": [{}] * 5,
        "metrics": {}, "metric_definition": "share of right labels", "parameters": 1,
    }  # fmt: skip
    (folder / "results.json").write_text(json.dumps(content | changes))
    return folder


def written(*runs: Path, scores: tuple[Path, ...] = ()) -> dict[str, str]:
    document = page.document(gather(runs, scores), when="today")
    files = write.files(document)
    return {name: files[name].decode() for name in (write.HTML, write.MARKDOWN)}


def test_the_page_asks_for_nothing_and_runs_nothing(tmp_path: Path) -> None:
    html = written(make_run(tmp_path / "run"))[write.HTML]
    tags = Tags()
    tags.feed(html)
    assert "script" not in tags.tags
    assert not {"link", "img", "iframe"} & set(tags.tags)
    assert all(link.startswith("#") for link in tags.links)
    assert "@import" not in html
    assert not re.search(r"url\((?!#)", html)


def test_every_link_and_id_of_the_page_is_its_own(tmp_path: Path) -> None:
    tags = Tags()
    tags.feed(written(make_run(tmp_path / "run"))[write.HTML])
    assert len(tags.ids) == len(set(tags.ids))
    assert {link[1:] for link in tags.links} <= set(tags.ids)


def test_drawings_have_words_and_the_colours_of_the_page(tmp_path: Path) -> None:
    html = written(make_run(tmp_path / "run"))[write.HTML]
    svgs = re.findall(r"<svg.*?</svg>", html, flags=re.DOTALL)
    assert len(svgs) >= 3
    for svg in svgs:
        assert re.match(r'<svg viewBox="[^"]+" role="img" aria-label="[^"]{20,}"', svg)
        assert set(re.findall(r"(?:fill|stroke): (#\w+)", svg)) <= {"#000000", "#ffffff"}


def test_text_of_users_is_text_in_markdown_too(tmp_path: Path) -> None:
    files = written(make_run(tmp_path / "run"))
    assert "&lt;script&gt;" in files[write.HTML]
    assert "\\<script\\>" in files[write.MARKDOWN]
    for line in files[write.MARKDOWN].splitlines():
        if line.startswith("|") and "script" in line:
            assert len(re.findall(r"(?<!\\)\|", line)) == 3


def test_what_is_missing_is_one_line_with_its_command(tmp_path: Path) -> None:
    files = written(make_run(tmp_path / "run"))
    assert "distil_jax.evaluate --model=" in files[write.HTML]
    assert "Scores beside the paper" not in files[write.HTML]
    assert "`python -m distil_jax.benchmark" in files[write.MARKDOWN]


def test_markdown_shows_the_files_that_are_written(tmp_path: Path) -> None:
    files = write.files(page.document(gather([make_run(tmp_path / "run")]), when="today"))
    shown = set(re.findall(r"\]\((.*?)\)", files[write.MARKDOWN].decode()))
    assert shown == files.keys() - {write.HTML, write.MARKDOWN}
    assert all(files[name].startswith(b"\x89PNG") for name in shown)


def test_scores_stand_beside_the_papers_with_their_share(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", teacher="a/teacher")
    student = score(tmp_path / "s", str(run / "student"), 81.0)
    teacher = score(tmp_path / "t", "a/teacher", 90.0)
    markdown = written(run, scores=(student, teacher))[write.MARKDOWN]
    row = next(line for line in markdown.splitlines() if line.startswith("| SST"))
    cells = [cell.strip() for cell in row.strip("|").split("|")]
    assert cells[:9] == [
        "SST-2", "90.0", "81.0", "90.0%", "92.7", "91.3", "98.5%", "5", "80.0 to 82.0",
    ]  # fmt: skip


def test_tasks_that_the_paper_lacks_show_every_metric_and_the_teacher_beside(
    tmp_path: Path,
) -> None:
    beside = {"spearman": 80.0, "pearson": 79.0}
    metrics = {"spearman": 60.0, "pearson": 61.5} | {f"teacher_{n}": v for n, v in beside.items()}
    vectors = score(
        tmp_path / "a", "m/three", 60.0, task="sts, stsb", metric="spearman", metrics=metrics,
        seeds=[{}], teacher="m/six",
    )  # fmt: skip
    ranks = score(
        tmp_path / "b", "m/other", 40.0, task="rerank", metric="ndcg_10",
        metrics={"ndcg_10": 40.0, "mrr_10": 35.0},
    )  # fmt: skip
    markdown = written(scores=(vectors, ranks))[write.MARKDOWN]
    assert "## Scores\n" in markdown
    assert "paper" not in markdown
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in markdown.splitlines()]
    assert ["sts, stsb", "three", "80.0", "60.0", "75.0%"] in [row[:5] for row in rows]
    assert ["rerank", "other", "-", "40.0", "-"] in [row[:5] for row in rows]
    assert ["sts, stsb", "three", "pearson", "79.0", "61.5"] in rows
    assert [row[1:] for row in rows if row[:1] == ["rerank"]][1:] == [
        ["other", r"mrr\_10", "-", "35.0"]
    ]


def test_of_a_perplexity_no_share_is_kept(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", teacher="a/teacher")
    text = {"task": "causal_lm", "metric": "perplexity", "seeds": [{}]}
    student = score(tmp_path / "s", str(run / "student"), 60.0, **text)
    teacher = score(tmp_path / "t", "a/teacher", 40.0, **text)
    files = written(run, scores=(student, teacher))
    markdown = files[write.MARKDOWN]
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in markdown.splitlines()]
    assert [row[1:4] for row in rows if row[:1] == [r"causal\_lm"]] == [["40.0", "60.0", "-"]]
    assert "perplexity as it is" in markdown
    assert "of the teacher's score" not in markdown
    assert not any("retention" in name for name in files)


def test_a_teacher_that_a_model_was_compared_with_distilled_nothing(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", teacher="big")
    student = str(run / "student")
    folders = (
        score(tmp_path / "text", student, 40.0, task="mlm", teacher="big"),
        score(tmp_path / "tuned", student, 80.0, teacher="big", best_model="seed-0/model"),
        score(tmp_path / "as-it-is", student, 70.0, teacher="big", best_model=student),
    )
    labels = {
        comparison.score.points: comparison.label
        for comparison in score_comparisons.compare(gather([run], folders))
    }
    assert labels == {40.0: "student", 80.0: "student, second distillation", 70.0: "student"}


def test_several_runs_have_different_names_and_their_settings_compared(tmp_path: Path) -> None:
    runs = [make_run(tmp_path / "a" / "run", teacher="x"), make_run(tmp_path / "b" / "run")]
    html = written(*runs)[write.HTML]
    assert "a/run: teacher" in html
    assert "The runs differ in teacher." in html


@pytest.mark.parametrize(
    ("name", "content", "named"),
    [
        ("config.json", "{", "config.json"),
        ("results.json", "[]", "results.json"),
        ("results.json", '{"total_steps": 1, "models": {"a": {"b": "c"}}}', "results.json"),
        ("metrics.jsonl", "x\n{}", "line 1"),
        ("metrics.jsonl", '{"step": "one"}\n', "line 1"),
        ("health.json", '{"warnings": 3}', "health.json"),
        ("objectives.json", '{"cosine": 3}', "objectives.json"),
        ("scores/a/results.json", '{"task": 1}', "scores/a/results.json"),
        ("speed/speed.json", "{}", "speed.json"),
    ],
)
def test_damaged_files_are_named(tmp_path: Path, name: str, content: str, named: str) -> None:
    run = make_run(tmp_path / "run")
    (run / name).parent.mkdir(parents=True, exist_ok=True)
    (run / name).write_text(content)
    with pytest.raises(UserError, match=re.escape(named)):
        gather([run])


def test_a_torn_last_line_and_an_unfinished_run_are_shown(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run")
    (run / "results.json").unlink()
    with (run / "metrics.jsonl").open("a") as file:
        file.write('\n{"step": 3, "lo')
    assert "has not finished" in written(run)[write.HTML]


def test_nothing_and_the_same_twice_are_refused(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run")
    with pytest.raises(UsageError, match="nothing to report"):
        gather([])
    with pytest.raises(UsageError, match="twice"):
        gather([run, run])
    with pytest.raises(UserError, match=r"no run's folder"):
        gather([tmp_path])


def test_a_run_of_one_step_draws_without_a_warning(tmp_path: Path) -> None:
    folder = make_run(tmp_path / "run")
    (folder / "config.json").write_text(
        json.dumps({"run": {"teacher": "t", "optimizer": {"clip": 5.0}}})
    )
    line = {"step": 1, "loss": 9.0, "gradient_norm": 11.0, "clipped_share": 1.0}
    (folder / "metrics.jsonl").write_text(json.dumps(line))
    document = page.document(gather([folder], [], [], []), when="today")
    names = {picture.name for picture in document.pictures()}
    assert {"gradient_norm", "curve_loss"} <= names
    assert f"{write.FIGURES}/gradient_norm.png" in write.files(document)


def test_where_the_time_went(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run")
    seconds = {"steps_seconds": 60.0, "compile_seconds": 30.0, "restart_seconds": 10.0}
    line = {"step": 2, "goodput": 0.6, "restarts": 1, "lost_steps": 4, "loss": 1.0, **seconds}
    assert "where the time went" not in written(run)[write.MARKDOWN]
    (run / "metrics.jsonl").write_text(json.dumps(line))
    markdown = written(run)[write.MARKDOWN]
    assert "where the time went" in markdown
    assert re.search(r"training steps +\| +60\.0 +\| +60(\.0)? ?%", markdown), markdown
    assert "1 restart, 4 steps done twice" in markdown


def test_an_objective_that_only_the_run_knows_is_shown_by_its_label(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run")
    line = {"step": 1, "loss": 9.0, "middle": 3.0, "validation_middle": 2.0}
    (run / "metrics.jsonl").write_text(json.dumps(line))
    assert "middle" not in written(run)[write.MARKDOWN]
    labels = {"masked_lm": "masked LM (nats)", "middle": "middle states (nats)"}
    (run / "objectives.json").write_text(json.dumps(labels))
    settings = {"teacher": "t", "loss": {"middle": 0.5, "masked_lm": 0.0}}
    (run / "config.json").write_text(json.dumps({"run": settings}))
    data = gather([run])
    names = {picture.name for picture in page.document(data, when="today").pictures()}
    assert {"curve_loss", "curve_middle"} <= names
    markdown = written(run)[write.MARKDOWN]
    assert r"middle states (nats)" in markdown
    assert "| Minimises | 0.5 x middle states (nats) |" in markdown
    assert len(re.findall(r"\| loss\.middle +\| 0\.5 +\|", markdown)) == 1


HEALTH = {
    "expected": {
        "initial_soft_target": 1.8, "soft_target_floor": 0, "initial_masked_lm": 5.0,
        "masked_lm_floor": 3.0, "teacher_masked_lm": 3.0, "token_frequency_loss": 6.4,
        "initial_agreement": 0.5, "initial_accuracy": 0.3, "teacher_accuracy": 0.5,
        "initial_relations": 0.4,
    },
    "seen": {
        "validation_soft_target": 0.45, "validation_masked_lm": 5.5, "validation_agreement": 0.5,
        "validation_relations": 0.2, "clipped_share": 0.25, "gradient_norm": 7.0, "goodput": 0.8,
    },
    "warnings": [],
}  # fmt: skip


def test_health_is_told_in_words_with_a_mark_and_raw_values_are_folded(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run")
    (run / "config.json").write_text(json.dumps({"run": {"optimizer": {"clip": 5.0}}}))
    (run / "health.json").write_text(json.dumps(HEALTH))
    assert health_rows.rows(read_run(run)) == [
        ["soft targets", "from 1.800 towards 0, now 0.450", "✓ 75% of the way"],
        ["masked LM", "from 5.000 towards 3, now 5.500", "✗ worse than at the start"],
        ["relations", "from 0.400, now 0.200", "✓ better"],
        ["accuracy at masked tokens", "from 30.0% towards 50.0%, now -", "· not measured yet"],
        ["same token as the teacher", "from 50.0% towards 100%, now 50.0%", "· as at the start"],
        ["the teacher", "3.000; token frequencies alone give 6.400", "✓ knows this text"],
        ["gradient", "norm 7 at last; clipped at 5 in 25% of steps", ""],
        ["time", "80% of it was spent in steps", ""],
    ]
    html = written(run)[write.HTML]
    assert '<span class="bad">✗ worse than at the start</span>' in html
    assert re.search(r"<details><summary>every value of health.json.*token_frequency", html, re.S)
    assert "✓ healthy: no warning" in html


def test_warnings_come_before_all_else(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run")
    warnings = [{"step": 0, "message": "first"}, {"step": 1200, "message": "later"}]
    (run / "health.json").write_text(json.dumps(HEALTH | {"warnings": warnings}))
    files = written(run)
    assert "✗ 2 warnings: read these first" in files[write.HTML]
    markdown = files[write.MARKDOWN]
    assert markdown.index("before the first step: first") < markdown.index("## Result")
    assert "step 1200: later" in markdown


LAYERS = {
    "first weights": "1 -> 1, 4 -> 2",
    "hidden_mse": "0 -> 0, 3 -> 2",
    "patient": "1 -> 1, 4 -> 2",
}


def test_the_layer_map_is_drawn_a_panel_for_each_different_one(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run")
    results = json.loads((run / "results.json").read_text())
    shape = {"layers": 6, "hidden_size": 8}
    (run / "results.json").write_text(
        json.dumps(results | {"layers": LAYERS, "teacher_shape": shape})
    )
    picture = layer_map.picture(read_run(run), "run")
    assert picture is not None
    first, second = picture.figure.axes
    assert [axes.get_title(loc="left") for axes in (first, second)] == [
        "first weights, first tokens' states",
        "squared distance of hidden states",
    ]
    assert [text.get_text() for text in first.texts] == [*"123456", *"12"]
    assert [text.get_text() for text in second.texts] == [*"E123456", *"E12"]
    assert "hidden states: 0 -> 0, 3 -> 2" in picture.description
    assert "6 layers of width 8" in written(run)[write.MARKDOWN]
    assert layer_map.picture(read_run(make_run(tmp_path / "other")), "other") is None


def test_on_paper_nothing_is_cut_at_the_edge_or_pale(tmp_path: Path) -> None:
    html = written(make_run(tmp_path / "run"))[write.HTML]
    dark, printed = (
        re.search(rf"@media {kind}[^{{]*{{(.*?\n)}}", html, re.DOTALL)
        for kind in ("screen and", "print")
    )
    assert dark is not None  # a page that is read in the dark is printed in the light
    assert printed is not None
    rules = dict(re.findall(r"\n  ([^{}\n]+) {([^}]*)}", printed[1]))
    assert "overflow: visible" in rules[".scroll"]
    assert "white-space: normal" in rules["th, td, td.word"]
    assert "print-color-adjust: exact" in rules[".verdict, .tiles > div, ul.serious"]
    assert rules["nav, details, .missing"].strip() == "display: none;"
    assert "break-inside: avoid" in rules["figure, .tiles, tr, ul.notes, h2"]

"""Dependency parsing in the page, from made-up predictions."""

import numpy as np
import pytest

import data.tasks
from data.tasks.dependency_parsing import ParsedSentence
from encoder_ko.report.finetuning import arcs, dependency_parsing
from encoder_ko.report.finetuning.arcs import Arc
from encoder_ko.report.finetuning.dependency_parsing import HEAD, RELATION, RIGHT
from tests.support import made_up_runs as made_up
from tests.support import pretraining_runs as runs
from tests.support.made_up_runs import Page


@pytest.fixture(scope="module")
def parsed(tmp_path_factory):
    """Of "a" a head is wrong, of "b" a relation, "c" is right: 7 and 6 of 8 words."""
    task_type = made_up.task_type_of("KLUE-DP", max_seq_length=32)
    number = {name: index for index, name in enumerate(task_type.task.label_values)}
    rows = (
        ("a", "나는 새 책을 샀다", "4:NP_SBJ 3:DP 4:NP_OBJ 0:VP",
         "4:NP_SBJ 4:DP 4:NP_OBJ 0:VP"),
        ("b", "비가 왔다", "2:NP_SBJ 0:VP", "2:NP_OBJ 0:VP"),
        ("c", "눈이 왔다", "2:NP_SBJ 0:VP", "2:NP_SBJ 0:VP"),
    )  # fmt: skip

    def tree(text):
        heads, relations = zip(*(each.split(":") for each in text.split()))
        return tuple(map(int, heads)), list(relations)

    examples, predictions = [], []
    for name, words, true, found in rows:
        heads, relations = tree(true)
        relations = tuple(map(number.get, relations))
        examples.append(ParsedSentence(name, tuple(words.split()), heads, relations))
        heads, relations = tree(found)
        predictions.append({"heads": list(heads), "relations": relations})
    task_type.predictions = lambda *_: predictions
    metrics = {"uas": 7 / 8, "las": 6 / 8, "uas_macro_f1": 0.5, "las_macro_f1": 0.5}
    task_type.metrics = lambda *_: metrics
    folder = tmp_path_factory.mktemp("parsed")
    return folder, Page(made_up.write(folder, task_type, examples, {}, examples[:1]))


def test_sentences_by_what_is_wrong(parsed):
    page = parsed[1]
    groups = page.data["groups"]
    assert set(groups) == {"head", "NP_SBJ-NP_OBJ", "right"}
    assert [item["id"] for item in page.items("head")] == ["a"]
    assert [item["id"] for item in page.items("NP_SBJ-NP_OBJ")] == ["b"]
    (item,) = page.items("head")
    assert item["facts"] == [["wrong", "1 of 4 words", ""]]
    marked = [s[0] for s in item["texts"][0]["segments"] if HEAD in s[1].split()]
    assert marked == ["새"]
    assert "right head, NP_SBJ taken for NP_OBJ" in page.text


def test_tables_by_relation_and_by_distance(parsed):
    page = parsed[1]
    (row,) = [row for row in page.rows if row[0] == "NP_SBJ" and len(row) == 7]
    assert row[1:] == ["3", "2", "100.00", "66.67", "100.00", "NP_OBJ (1)"]
    (row,) = [row for row in page.rows if row[0] == "DP" and len(row) == 7]
    assert row[1:] == ["1", "1", "0.00", "0.00", "0.00", ""]
    assert page.row("is the root")[1:] == ["3", "100.00", "100.00"]
    # 새 -> 책을, 책을 -> 샀다, 비가 -> 왔다, 눈이 -> 왔다: one head is wrong.
    assert page.row("1")[1:] == ["4", "75.00", "50.00"]
    assert page.row("all examples")[3] == "75.00"  # LAS


def test_intervals_hold_the_metrics_of_all_sentences(parsed):
    """Those of one sentence, drawn again and again, have no width."""
    folder, page = parsed
    found = runs.read_json(folder, "intervals.json")["test"]
    for name, value in (("uas", 7 / 8), ("las", 6 / 8)):
        low, high = found[name]
        assert low < value < high
    task = data.tasks.get_task("KLUE-DP")
    tree = dependency_parsing._Tree(np.array([2, 0]), ["NP_SBJ", "VP"])
    other = tree._replace(relations=["NP_OBJ", "VP"])
    one = dependency_parsing._macro_intervals(task.label_values, [tree], [other])
    # VP is right; NP_SBJ and NP_OBJ are not: (1 + 0 + 0) / 3.
    assert one["las_macro_f1"] == pytest.approx((1 / 3, 1 / 3))
    assert one["uas_macro_f1"] == pytest.approx((1.0, 1.0))


def test_true_arcs_are_above_and_wrong_ones_below(parsed):
    (item,) = parsed[1].items("head")
    drawn = item["arcs"]
    assert [word for word, _, _ in drawn["words"]] == "나는 새 책을 샀다".split()
    above = [arc for arc in drawn["arcs"] if arc["tip"][2] < 0]
    below = [arc for arc in drawn["arcs"] if arc["tip"][2] > 0]
    assert [arc["label"] for arc in above] == ["NP_SBJ", "DP", "NP_OBJ", "VP"]
    assert [arc["style"] for arc in above] == [RIGHT, HEAD, RIGHT, RIGHT]
    assert [(arc["label"], arc["style"]) for arc in below] == [("DP", HEAD)]
    (relation,) = parsed[1].items("NP_SBJ-NP_OBJ")
    styles = [(a["label"], a["style"]) for a in relation["arcs"]["arcs"]]
    assert styles[-1] == ("NP_OBJ", RELATION)


def test_an_arc_is_higher_than_those_within_it():
    """1 -> 4 above 2 -> 3 above nothing; places are inside the picture."""
    found = arcs.drawn(
        ["가", "나", "다", "라"],
        [Arc(1, 4, "x", RIGHT), Arc(2, 3, "y", RIGHT), Arc(4, 0, "z", RIGHT)],
        [],
    )
    outer, inner, root = found["arcs"]
    base = outer["tip"][1]
    assert (base - outer["y"], base - inner["y"]) == (2 * 24 + 4, 24 + 4)
    assert root["path"].count("H") == 0 and outer["path"].count("H") == 1
    places = [x for _, x, _ in found["words"]]
    assert places == sorted(places) and places[-1] < found["width"]
    assert 0 < outer["y"] < found["height"]


def test_arcs_that_cross_are_at_different_heights():
    words = ["가", "나", "다", "라"]
    found = arcs.drawn(words, [], [Arc(1, 3, "x", HEAD), Arc(2, 4, "y", HEAD)])["arcs"]
    assert found[0]["y"] != found[1]["y"]
    found = arcs.drawn(words, [], [Arc(1, 2, "x", HEAD), Arc(2, 3, "y", HEAD)])["arcs"]
    assert found[0]["y"] == found[1]["y"]


def test_table_file_lists_trees(parsed):
    lines = (parsed[0] / "report.tsv").read_text(encoding="utf-8").split("\n")
    row = dict(zip(lines[0].split("\t"), lines[1].split("\t")))
    assert row["true"] == "4:NP_SBJ 3:DP 4:NP_OBJ 0:VP"
    assert row["predicted"] == "4:NP_SBJ 4:DP 4:NP_OBJ 0:VP"
    assert (row["words"], row["wrong_heads"], row["wrong_relations"]) == ("4", "1", "0")

"""KLUE's files as they are published, by small ones of the same form."""

import json
import os

import pytest

from data.features import character_tags, parsing_inputs, tagging_inputs
from data.io.errors import InputError
from data.io.tables import ReadingOptions
from data.tasks import expand_groups, get_task, load_split, ungrouped_names
from data.tasks.dependency_parsing import ParsedSentence
from data.tasks.json_rows import mark
from data.tasks.tag_schemes import POSITION_FIRST
from data.tokenization import TokenizerConfig, build_tokenizer
from tests.support.paths import ROOT

SAMPLES = os.path.join(ROOT, "samples", "klue")
SIZES = {
    "YNAT": (14, 7),
    "KLUE-STS": (8, 4),
    "KLUE-NLI": (9, 3),
    "KLUE-NER": (8, 4),
    "KLUE-RE": (8, 4),
    "KLUE-MRC": (6, 3),
    "KLUE-DP": (8, 2),
}


def test_klue_stands_for_its_seven_tasks():
    assert expand_groups(["NSMC", "klue"]) == ["NSMC"] + list(SIZES)
    assert not set(SIZES) & set(ungrouped_names())
    assert len(ungrouped_names()) == 8


@pytest.mark.parametrize("name", SIZES)
def test_the_samples_are_read_as_they_stand(name):
    task = get_task(name)
    loaded = [load_split(task, SAMPLES, split) for split in ("train", "dev")]
    assert tuple(len(each.examples) for each in loaded) == SIZES[name]
    assert [each.notes for each in loaded] == [(), ()]
    found = loaded[0].examples[0].example_id
    assert "sample_train_00000" in found


def test_values_of_the_samples():
    def first(name):
        return load_split(get_task(name), SAMPLES, "train").examples[0]

    assert first("YNAT").label == 0
    assert first("KLUE-STS").score == 4.6
    assert first("KLUE-NLI").label == 0
    assert first("KLUE-RE").text_a == (
        "<obj>한가람</obj>은 <subj>가람제과</subj>를 세웠다."
    )
    assert get_task("KLUE-RE").label_values[first("KLUE-RE").label] == "org:founded_by"
    entity = first("KLUE-NER")
    assert "".join(entity.words) == "한가람은 지난해 봄 푸른시로 이사했다."
    names = [get_task("KLUE-NER").label_values[tag] for tag in entity.tags]
    assert names[:11] == "B-PS I-PS I-PS O O B-DT I-DT I-DT I-DT I-DT O".split()
    questions = load_split(get_task("KLUE-MRC"), SAMPLES, "train").examples
    assert [each.is_impossible for each in questions[:3]] == [False, False, True]
    assert first("KLUE-DP").heads == (2, 0)


@pytest.fixture
def load(tmp_path):
    def write_and_load(name, content, split="train", **options):
        task = get_task(name)
        (path,) = getattr(task.file_sets[0], split)[0]
        if not isinstance(content, str):
            content = json.dumps(content, ensure_ascii=False)
        (tmp_path / path).write_text(content, encoding="utf-8")
        return load_split(task, str(tmp_path), split, ReadingOptions(**options))

    return write_and_load


@pytest.mark.parametrize(
    "content, message",
    [
        ({"data": []}, "a JSON dict, expected a list"),
        ([5], "object 1: a int, expected an object"),
        ([{"guid": "a", "title": "글"}], "object 1: no column 'label' among"),
        ([{"guid": "a", "text": "글"}], "object 1: the header is"),
        (
            [{"guid": "a", "title": "글", "label": "날씨"}],
            "object 1: label '날씨', expected one of: 정치",
        ),
        (
            [{"title": "글", "label": "정치"}, {"title": 5, "label": "정치"}],
            "object 2: 'title' is '5', expected text",
        ),
        (
            [{"title": "글", "label": "정치"}, {"title": " ", "label": "정치"}],
            "object 2: an empty text",
        ),
        (
            [{"title": "글", "label": "정치"}, {"title": "글", "label": None}],
            "object 2: no 'label'",
        ),
    ],
)
def test_bad_objects_are_named(load, content, message):
    with pytest.raises(InputError, match=message):
        load("YNAT", content)


def test_rows_of_a_test_have_labels_or_have_none(load):
    content = [{"title": "글", "label": "정치"}, {"title": "글", "label": None}]
    with pytest.raises(InputError, match="object 2: no label, which other rows have"):
        load("YNAT", content, "test")


def test_a_test_file_may_lack_labels(load):
    loaded = load("YNAT", [{"guid": "a", "title": "글"}, {"title": "글"}], "test")
    assert [(each.example_id, each.label) for each in loaded.examples] == [
        ("a", None),
        ("test-2", None),
    ]


def relation(**changes):
    record = {
        "guid": "r",
        "sentence": "비틀즈의 조지",
        "subject_entity": {"word": "비틀즈", "start_idx": 0, "end_idx": 2},
        "object_entity": {"word": "조지", "start_idx": 5, "end_idx": 6},
        "label": "no_relation",
    }
    return dict(record, **changes)


def test_entities_are_marked(load):
    loaded = load("KLUE-RE", [relation()])
    assert loaded.examples[0].text_a == "<subj>비틀즈</subj>의 <obj>조지</obj>"
    assert loaded.notes == ()


@pytest.mark.parametrize(
    "places, expected",
    [
        ([((5, 7), "subj"), ((0, 3), "obj")], "<obj>비틀즈</obj>의 <subj>조지</subj>"),
        ([((0, 7), "subj"), ((5, 7), "obj")], "<subj>비틀즈의 <obj>조지</obj></subj>"),
        ([((0, 3), "subj"), ((3, 4), "obj")], "<subj>비틀즈</subj><obj>의</obj> 조지"),
    ],
)
def test_markers_go_around_entities(places, expected):
    assert mark("비틀즈의 조지", places) == expected


@pytest.mark.parametrize(
    "place, message",
    [
        ({"start_idx": 5, "end_idx": 9}, "'object_entity' is at 5 to 9 of a text of 7"),
        ({"start_idx": 5}, "'object_entity' lacks start_idx or end_idx"),
        ({"start_idx": 6, "end_idx": 5}, "'object_entity' is at 6 to 5"),
    ],
)
def test_entities_that_are_nowhere(load, place, message):
    with pytest.raises(InputError, match=f"object 1: {message}"):
        load("KLUE-RE", [relation(object_entity=place)])


def test_an_entity_that_is_another_word_is_told(load):
    entity = {"word": "링고", "start_idx": 5, "end_idx": 6}
    loaded = load("KLUE-RE", [relation(object_entity=entity)])
    expected = "object 1: 'object_entity' is '링고', but its place has '조지'"
    assert expected in loaded.notes[0]


PARSED = (
    "## s-1\t비가 왔다\n1\t비가\t비 가\tNNG+JKS\t2\tNP_SBJ\n"
    "2\t왔다\t오 았다\tVV\t0\tVP\n"
)


def test_a_parsed_sentence(load):
    loaded = load("KLUE-DP", "## 칼럼명 : INDEX\n" + PARSED + "\n\t\n")
    assert loaded.examples == [ParsedSentence("s-1", ("비가", "왔다"), (2, 0), (3, 2))]


@pytest.mark.parametrize(
    "line, message",
    [
        ("2\t왔다\t오 았다\tVV\t5\tVP", "line 3: head '5', expected 0 to 2"),
        ("2\t왔다\t오 았다\tVV\t0\tXY", "line 3: relation 'XY', expected one of 38"),
        ("3\t왔다\t오 았다\tVV\t0\tVP", "line 3: index '3', expected 2"),
        ("2\t왔다\t0\tVP", "line 3: 4 columns, expected index, word, lemma"),
        ("2\t\t오\tVV\t0\tVP", "line 3: an empty word or two"),
    ],
)
def test_bad_lines_of_parsed_sentences(load, line, message):
    content = PARSED.rpartition("2\t왔다")[0] + line + "\n\n" + PARSED
    with pytest.raises(InputError, match=message):
        load("KLUE-DP", content)
    assert len(load("KLUE-DP", content, max_bad_rows=1).examples) == 1


def test_an_unlabelled_test_of_parsed_sentences(load):
    content = "## s-1\t비가 왔다\n1\t비가\t비 가\tNNG+JKS\n2\t왔다\t오 았다\tVV\n"
    loaded = load("KLUE-DP", content, "test")
    assert loaded.examples == [ParsedSentence("s-1", ("비가", "왔다"), None, None)]


# --- Characters and words of a network ---------------------------------------------

PIECES = (
    "[PAD] [UNK] [CLS] [SEP] [MASK] 조지 해 ##리 ##는 비 ##가 왔 ##다 박씨 ,".split()
)


@pytest.fixture
def tokenizer(tmp_path):
    path = tmp_path / "vocab.txt"
    path.write_text("\n".join(PIECES) + "\n", encoding="utf-8")
    return build_tokenizer(TokenizerConfig(), str(path))


def test_characters_to_pieces_and_back(tokenizer):
    text = "조지 해리는, 찝찝이"
    tags = "B-PS I-PS I-PS I-PS I-PS O O O B-LC I-LC O".split()
    pieced = character_tags.pieces_of(tokenizer, text)
    # 조지 해 ##리 ##는 , [UNK]
    assert pieced.places == [(0, 2), (3, 4), (4, 5), (5, 6), (6, 7), (8, 11)]
    assert pieced.whole.positions == [1, 2, 3, 4, 5, 6]
    of_pieces = pieced.tags(tags)
    assert of_pieces == ["B-PS", "I-PS", "I-PS", "O", "O", "B-LC"]
    again = character_tags.character_tags(text, pieced, of_pieces, POSITION_FIRST)
    assert again == tags[:10] + ["I-LC"]  # 이 is part of the unknown word
    values = character_tags.character_values(text, pieced, [0.5, 1, 1, 1, 1, 0.25])
    assert values.tolist() == [0.5, 0.5] + [1] * 6 + [0.25] * 3


@pytest.mark.parametrize(
    "of_pieces, expected",
    [
        ("B-PS B-PS I-PS", "B-PS I-PS O B-PS I-PS"),
        ("B-PS I-LC I-LC", "B-PS I-PS O I-LC I-LC"),
        ("B-PS I-PS O", "B-PS I-PS I-PS I-PS O"),
        ("O I-PS I-PS", "O O O I-PS I-PS"),
    ],
)
def test_a_space_is_in_the_entity_that_goes_on_behind_it(
    tokenizer, of_pieces, expected
):
    pieced = character_tags.pieces_of(tokenizer, "조지 해리")
    found = character_tags.character_tags(
        "조지 해리", pieced, of_pieces.split(), POSITION_FIRST
    )
    assert found == expected.split()


def test_a_parsed_sentence_to_a_record_and_back(tokenizer):
    sentence = ParsedSentence("s", ("비가", "왔다"), (2, 0), (3, 2))
    built = tagging_inputs.tagging_input(tokenizer, sentence.words, 16)
    record = parsing_inputs.parsing_record(0, sentence, built)
    assert record["word_mask"] == [0, 1, 0, 1, 0, 0]
    assert record["head_positions"] == [0, 3, 0, 0, 0, 0]
    assert record["label_ids"] == [0, 4, 0, 3, 0, 0]
    found = parsing_inputs.arcs_of(built, 2, [9, 3, 9, 0, 9, 9], [9, 3, 9, 2, 9, 9])
    assert found == ([2, 0], [3, 2])


def test_a_head_that_is_cut_off_is_no_label(tokenizer):
    sentence = ParsedSentence("s", ("비가", "왔다"), (2, 0), (3, 2))
    built = tagging_inputs.tagging_input(tokenizer, sentence.words, 4)
    record = parsing_inputs.parsing_record(0, sentence, built)
    assert record["word_mask"] == [0, 1, 0, 0] and record["label_ids"] == [0] * 4
    assert parsing_inputs.arcs_of(built, 2, [0] * 4, [5] * 4) == ([0, 0], [5, 0])

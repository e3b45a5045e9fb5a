import json
import math

import pytest

from data.io.errors import InputError
from data.tasks import find_files, get_task, held_out_split, load_split
from data.tasks.classification import Example

REVIEWS = {
    "name": "reviews",
    "train": "reviews.csv",
    "text": "후기",
    "label": "평가",
    "labels": ["나쁨", "좋음"],
}


@pytest.fixture
def write(tmp_path):
    def write_files(record, **files):
        for name, content in files.items():
            (tmp_path / name.replace("__", ".")).write_bytes(content.encode())
        path = tmp_path / "task.json"
        path.write_bytes(json.dumps(record, ensure_ascii=False).encode())
        return str(path)

    return write_files


def error_of(path):
    with pytest.raises(InputError) as caught:
        get_task(path)
    return str(caught.value)


def test_one_csv_file_and_a_small_json_make_a_task(write, tmp_path):
    csv = '번호,후기,평가\n1,"좋아요, 정말",좋음\n2,별로예요,나쁨\n'
    task = get_task(write(REVIEWS, reviews__csv=csv))
    assert (task.name, task.metric, task.num_labels) == ("reviews", "accuracy", 2)
    assert task.folder == str(tmp_path)
    assert load_split(task, task.folder, "train").examples == [
        Example("train-1", "좋아요, 정말", None, 1),
        Example("train-2", "별로예요", None, 0),
    ]


def test_every_optional_key(write):
    record = dict(
        REVIEWS,
        train="a.tsv",
        dev="b.tsv",
        test="c.tsv",
        text_pair="답글",
        id="번호",
        label_names=["bad", "good"],
        metric="macro_f1",
        empty_text="keep",
        defaults={"num_train_epochs": 3, "max_seq_length": 64},
    )
    rows = "번호\t후기\t답글\t평가\n9\t\t감사합니다\t좋음\n"
    task = get_task(
        write(record, a__tsv=rows, b__tsv=rows, c__tsv="번호\t후기\t답글\n1\t가\t나\n")
    )
    assert task.label_names == ("bad", "good")
    assert (task.metric, task.defaults.max_seq_length) == ("macro_f1", 64)
    assert task.defaults.num_train_epochs == 3
    assert task.is_pair and not get_task(write(REVIEWS)).is_pair
    dev = load_split(task, task.folder, "dev").examples
    assert dev == [Example("9", "", "감사합니다", 1)]
    test = load_split(task, task.folder, "test").examples
    assert test == [Example("1", "가", "나", None)]


def test_dev_is_held_out_where_there_is_one_file(write):
    rows = "".join(f"후기 {i},{'좋음' if i % 2 else '나쁨'}\n" for i in range(40))
    task = get_task(write(REVIEWS, reviews__csv="후기,평가\n" + rows))
    examples = load_split(task, task.folder, "train").examples
    train, dev = held_out_split(examples, 0.1, seed=1)
    assert (len(train), len(dev)) == (36, 4)
    with pytest.raises(InputError, match="has no dev file for reviews"):
        load_split(task, task.folder, "dev")


@pytest.mark.parametrize(
    "change, message",
    [
        ({"txt": "후기"}, "unknown key 'txt'. Did you mean 'text'?"),
        ({"label": None}, "'label' is None, expected a string"),
        ({"labels": "좋음"}, "'labels' is '좋음', expected a list of strings"),
        ({"labels": [0, 1]}, "'labels' is [0, 1], expected a list of strings"),
        ({"labels": ["좋음"]}, "expected two or more, all different"),
        ({"labels": ["좋음", "좋음"]}, "expected two or more, all different"),
        ({"label_names": ["a", "b", "c"]}, "3 label_names for 2 labels"),
        ({"metric": "f1"}, "'metric' is 'f1', expected one of: accuracy, macro_f1"),
        ({"defaults": {"epochs": 3}}, "unknown key 'epochs'"),
        (
            {"defaults": {"learning_rate": "x"}},
            "default learning_rate is 'x', expected",
        ),
        ({"defaults": 3}, "'defaults' is 3, expected an object"),
        ({"defaults": {"max_seq_length": 12.5}}, "is 12.5, expected a whole number"),
        ({"defaults": {"learning_rate": math.nan}}, "is nan, expected a number from 0"),
        ({"defaults": {"learning_rate": math.inf}}, "is inf, expected a number from 0"),
        ({"name": "a/b c"}, "'name' is 'a/b c', expected one that may name a folder"),
        ({"name": "a\\b"}, "expected one that may name a folder"),
        ({"name": "../../c"}, "expected one that may name a folder"),
        ({"name": "a\0"}, "expected one that may name a folder"),
        ({"label": "후기"}, "'text' and 'label' are both the column '후기'"),
        ({"text_pair": "후기"}, "'text' and 'text_pair' are both the column '후기'"),
        ({"labels": [" 나쁨", "좋음"]}, "without blanks around them"),
    ],
)
def test_mistakes_in_the_json_are_named(write, change, message):
    assert message in error_of(write(dict(REVIEWS, **change)))


def test_missing_keys_and_files_are_named(write, tmp_path):
    record = {key: value for key, value in REVIEWS.items() if key != "labels"}
    assert "no 'labels'. Needed: name, train, text, label, labels" in error_of(
        write(record)
    )
    assert "nothing.json does not exist" in error_of(str(tmp_path / "nothing.json"))
    task = get_task(write(REVIEWS))
    with pytest.raises(InputError, match="no train file for reviews, expected reviews"):
        load_split(task, task.folder, "train")


def test_a_column_of_ids_that_is_named_must_be_there(write):
    path = write(dict(REVIEWS, id="번호"), reviews__csv="후기,평가\n가,좋음\n")
    task = get_task(path)
    with pytest.raises(InputError) as caught:
        load_split(task, task.folder, "train")
    assert "line 1: no column '번호' among [후기, 평가], but" in str(caught.value)
    assert f"{path} names it as 'id'" in str(caught.value)


def test_a_key_stands_once(write, tmp_path):
    path = write(REVIEWS)
    text = (tmp_path / "task.json").read_text(encoding="utf-8")
    twice = text[:-1] + ', "labels": ["좋음", "나쁨"]}'
    (tmp_path / "task.json").write_text(twice, encoding="utf-8")
    assert "the key 'labels' stands in an object twice" in error_of(path)


@pytest.mark.parametrize("split", ["dev", "test"])
def test_a_file_that_is_named_must_be_there(write, tmp_path, split):
    path = write(
        dict(REVIEWS, **{split: "dve.csv"}), reviews__csv="후기,평가\n가,좋음\n"
    )
    task = get_task(path)
    assert find_files(task, task.folder, "train")
    with pytest.raises(InputError) as caught:
        find_files(task, task.folder, split)
    missing = tmp_path / "dve.csv"
    assert f"{missing} does not exist, but {path} names it as '{split}'. Put" in str(
        caught.value
    )


def test_a_file_that_is_not_named_may_be_missing(write):
    task = get_task(write(REVIEWS, reviews__csv="후기,평가\n가,좋음\n"))
    assert find_files(task, task.folder, "dev") == ()


def test_a_file_with_a_header_only_is_to_be_filled(write):
    task = get_task(write(REVIEWS, reviews__csv="후기,평가\n"))
    with pytest.raises(InputError, match="has no rows after its header. Fill it, or"):
        load_split(task, task.folder, "train")


def test_a_column_that_is_there_twice_is_an_error(write):
    task = get_task(write(REVIEWS, reviews__csv="후기,후기,평가\n가,나,좋음\n"))
    with pytest.raises(InputError, match="line 1: 2 columns are named '후기' in"):
        load_split(task, task.folder, "train")
    other = get_task(write(REVIEWS, reviews__csv="후기,비고,비고,평가\n가,,,좋음\n"))
    assert len(load_split(other, other.folder, "train").examples) == 1

import collections

import pytest

from data.io.errors import InputError
from data.io.tables import ReadingOptions
from data.tasks import find_files, get_task, load_split
from data.tasks.classification import Example
from data.tasks.regression import ScoredPair
from tests.support.shared_data import datasets

PAWS, KORNLI = get_task("PAWS"), get_task("KorNLI")
QUESTION_PAIR, KORSTS = get_task("QuestionPair"), get_task("KorSTS")
STS_HEADER = "genre\tfilename\tyear\tid\tscore\tsentence1\tsentence2\n"


@pytest.fixture
def folder(tmp_path):
    def write(files):
        for name, content in files.items():
            (tmp_path / name).write_bytes(content.encode())
        return str(tmp_path)

    return write


def labels(loaded):
    return collections.Counter(example.label for example in loaded.examples)


def test_paws_rows_keep_control_characters_and_placeholders(folder):
    rows = "7\t그는\x1c 갔다.\t그가 갔다.\t1\n8\tNS\t나\t0\n"
    content = "id\tsentence1\tsentence2\tlabel\n" + rows
    loaded = load_split(PAWS, folder({"dev_2k.tsv": content}), "dev")
    assert loaded.examples == [
        Example("7", "그는\x1c 갔다.", "그가 갔다.", 1),
        Example("8", "NS", "나", 0),
    ]


def test_paws_leaves_empty_sentences_out_of_train_only(folder):
    content = "id\tsentence1\tsentence2\tlabel\n1\t\t가\t0\n2\t나\t다\t1\n3\t라\t \t1\n"
    data_dir = folder({"translated_train.tsv": content, "test_2k.tsv": content})
    train = load_split(PAWS, data_dir, "train")
    assert [example.example_id for example in train.examples] == ["2"]
    assert train.skipped == 0
    assert "left out 2 rows (empty text)" in train.notes[0]
    assert len(load_split(PAWS, data_dir, "test").examples) == 3


def test_kornli_keeps_quotation_marks_at_the_start_of_a_cell(folder):
    content = (
        "sentence1\tsentence2\tgold_label\n"
        '"아니요\t그는 "아니"라고 했다.\tentailment\n'
        "비가 온다.\t날이 맑다.\tcontradiction\n"
    )
    loaded = load_split(KORNLI, folder({"xnli.dev.ko.tsv": content}), "dev")
    assert loaded.examples == [
        Example("dev-1", '"아니요', '그는 "아니"라고 했다.', 0),
        Example("dev-2", "비가 온다.", "날이 맑다.", 1),
    ]


def test_kornli_trains_on_both_files_where_both_are_there(folder):
    header = "sentence1\tsentence2\tgold_label\n"
    data_dir = folder({"multinli.train.ko.tsv": header + "가\t나\tneutral\n"})
    assert len(load_split(KORNLI, data_dir, "train").examples) == 1
    folder({"snli_1.0_train.ko.tsv": header + "다\t라\tentailment\n"})
    loaded = load_split(KORNLI, data_dir, "train")
    assert [example.text_a for example in loaded.examples] == ["가", "다"]
    assert [path.split("/")[-1] for path in loaded.paths] == [
        "multinli.train.ko.tsv",
        "snli_1.0_train.ko.tsv",
    ]


def test_question_pair_label_zero_means_the_same_question(folder):
    content = "question1\tquestion2\tis_duplicate\n뭐 먹지?\t뭘 먹을까?\t0\n"
    loaded = load_split(QUESTION_PAIR, folder({"train.tsv": content}), "train")
    assert loaded.examples == [Example("train-1", "뭐 먹지?", "뭘 먹을까?", 0)]
    assert QUESTION_PAIR.label_names[0] == "same"


def test_question_pair_csv_release(folder):
    content = (
        "\ufefftest_id,question1,question2,is_duplicate,\r\n"
        '1,"4월, 이별을 말합니다.",이별했어,1,\r\n'
    )
    data_dir = folder({"kor_Pair_test.csv": content})
    loaded = load_split(QUESTION_PAIR, data_dir, "test")
    assert loaded.examples == [
        Example("test-1", "4월, 이별을 말합니다.", "이별했어", 1)
    ]


def test_the_two_question_pair_releases_are_never_mixed(folder):
    content = "question1\tquestion2\tis_duplicate\n가\t나\t0\n"
    csv = "id,question1,question2,is_duplicate\n1,가,나,0\n"
    data_dir = folder({"train.tsv": content, "kor_Pair_test.csv": csv})
    assert find_files(QUESTION_PAIR, data_dir, "test") == ()


def test_an_empty_question_is_an_error_with_its_line(folder):
    content = "question1\tquestion2\tis_duplicate\n가\t나\t0\n다\t\t1\n"
    data_dir = folder({"train.tsv": content})
    with pytest.raises(InputError, match="train.tsv, line 3: an empty text"):
        load_split(QUESTION_PAIR, data_dir, "train")
    loaded = load_split(
        QUESTION_PAIR, data_dir, "train", ReadingOptions(max_bad_rows=1)
    )
    assert (len(loaded.examples), loaded.skipped) == (1, 1)


def test_labels_of_another_task_are_named(folder):
    content = "sentence1\tsentence2\tgold_label\n가\t나\t1\n"
    with pytest.raises(InputError, match="label '1', expected one of: entailment, con"):
        load_split(KORNLI, folder({"xnli.dev.ko.tsv": content}), "dev")


def test_korsts_scores_in_all_their_spellings(folder):
    scores = ("5.000", "5.000000", "3.8", "0", "2.11111111111111")
    rows = "".join(f'g\tf\ty\t0001\t{score}\t"가\t나\n' for score in scores)
    data_dir = folder({"sts-train.tsv": (STS_HEADER + rows).rstrip("\n")})
    loaded = load_split(KORSTS, data_dir, "train")
    assert [pair.score for pair in loaded.examples] == [
        5.0,
        5.0,
        3.8,
        0.0,
        2.11111111111111,
    ]
    assert loaded.examples[4] == ScoredPair("train-5", '"가', "나", 2.11111111111111)


@pytest.mark.parametrize("score", ["5.5", "-1", "nan", "inf", "좋음", ""])
def test_a_score_out_of_range_is_an_error(folder, score):
    rows = f"g\tf\ty\t0001\t3\t가\t나\ng\tf\ty\t0002\t{score}\t가\t나\n"
    data_dir = folder({"sts-dev.tsv": STS_HEADER + rows})
    message = f"sts-dev.tsv, line 3: score '{score}', expected a number from 0 to 5"
    with pytest.raises(InputError, match=message):
        load_split(KORSTS, data_dir, "dev")


def test_defaults_are_the_published_ones():
    assert PAWS.defaults.num_train_epochs == 15
    assert PAWS.defaults.learning_rate == 3e-5
    assert KORNLI.defaults.train_batch_size == 64
    assert KORSTS.defaults.max_seq_length == 128
    assert (KORSTS.metric, KORSTS.num_labels, KORNLI.num_labels) == ("spearman", 1, 3)


def test_the_public_paws_files_give_every_row():
    data_dir = datasets("paws")
    assert labels(load_split(PAWS, data_dir, "dev")) == {0: 1160, 1: 840}
    test = load_split(PAWS, data_dir, "test").examples
    assert collections.Counter(example.label for example in test) == {0: 1104, 1: 896}
    assert sum("NS" in (each.text_a, each.text_b) for each in test) == 28
    train = load_split(PAWS, datasets("paws", "small"), "train")
    assert labels(train) == {0: 1083, 1: 878}


def test_the_public_kornli_files_give_every_row():
    data_dir = datasets("kornli")
    dev, test = (
        load_split(KORNLI, data_dir, "dev"),
        load_split(KORNLI, data_dir, "test"),
    )
    assert labels(dev) == {0: 830, 1: 830, 2: 830}
    assert labels(test) == {0: 1670, 1: 1670, 2: 1670}
    train = load_split(KORNLI, datasets("kornli", "small"), "train")
    assert labels(train) == {0: 1669, 1: 1668, 2: 1669}


def test_the_public_question_pair_files_give_every_row():
    data_dir = datasets("question-pair")
    found = {
        split: labels(load_split(QUESTION_PAIR, data_dir, split))
        for split in ("train", "dev", "test")
    }
    assert found["train"] == {0: 4169, 1: 1967}
    assert found["dev"] == {0: 432, 1: 250}
    assert found["test"] == {0: 508, 1: 250}


def test_the_earlier_question_pair_release_gives_every_row(tmp_path):
    for name, size in (("kor_pair_train.csv", 6888), ("kor_Pair_test.csv", 688)):
        with open(datasets("question-pair", name), "rb") as stream:
            (tmp_path / name).write_bytes(stream.read())
        split = "train" if "train" in name else "test"
        assert len(load_split(QUESTION_PAIR, str(tmp_path), split).examples) == size


def test_the_public_korsts_files_give_every_row():
    data_dir = datasets("korsts")
    sizes = [
        len(load_split(KORSTS, data_dir, split).examples)
        for split in ("train", "dev", "test")
    ]
    assert sizes == [5749, 1500, 1379]

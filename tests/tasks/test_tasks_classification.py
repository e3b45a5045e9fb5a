import collections

import pytest

from data.io.errors import InputError
from data.io.tables import ReadingOptions
from data.tasks import find_files, get_task, held_out_split, load_split, task_names
from data.tasks.classification import Example
from tests.support.shared_data import datasets

NSMC, HATE = get_task("NSMC"), get_task("HATE")


@pytest.fixture
def folder(tmp_path):
    def write(**files):
        for name, content in files.items():
            path = tmp_path / name.replace("__", ".")
            path.write_bytes(content.encode() if isinstance(content, str) else content)
        return str(tmp_path)

    return write


def counts(loaded):
    return collections.Counter(example.label for example in loaded.examples)


def test_names_are_found_in_any_case_and_the_nearest_is_suggested():
    assert get_task("nsmc") is get_task("NSMC")
    assert "HATE" in task_names()
    with pytest.raises(InputError, match="--task_name=nscm is unknown.*mean NSMC?"):
        get_task("nscm")
    with pytest.raises(InputError, match="Tasks: NSMC, HATE, "):
        get_task("qqqqqq")


def test_default_folder_and_labels():
    assert NSMC.folder.replace("\\", "/") == "datasets/nsmc"
    assert NSMC.label_names == ("negative", "positive")
    assert HATE.label_names == ("none", "offensive", "hate")
    assert (NSMC.num_labels, HATE.num_labels) == (2, 3)


def test_official_nsmc_rows(folder):
    content = (
        "id\tdocument\tlabel\n"
        "9976970\t아 더빙.. 진짜 짜증나네요 목소리\t0\n"
        '3819312\t"""흠""...포스터보고 초딩영화줄"\t1\n'
        "10265843\t\t0\n"
    )
    data_dir = folder(ratings_train__txt=content)
    loaded = load_split(NSMC, data_dir, "train")
    assert loaded.examples == [
        Example("9976970", "아 더빙.. 진짜 짜증나네요 목소리", None, 0),
        Example("3819312", '"""흠""...포스터보고 초딩영화줄"', None, 1),
        Example("10265843", "", None, 0),
    ]
    assert loaded.skipped == 0
    assert loaded.paths[0].endswith("ratings_train.txt")


def test_kr_bert_layout_with_windows_line_ends(folder):
    data_dir = folder(dev__tsv="id\tdocument\tlabel\r\n5537992\t노잼ㅠㅠ\t0\r\n")
    loaded = load_split(NSMC, data_dir, "dev")
    assert loaded.examples == [Example("5537992", "노잼ㅠㅠ", None, 0)]


def test_nsmc_without_a_header_is_read_by_position(folder):
    data_dir = folder(train__tsv="1\t꿀잼\t1\n2\t노잼\t0\n")
    assert load_split(NSMC, data_dir, "train").examples == [
        Example("1", "꿀잼", None, 1),
        Example("2", "노잼", None, 0),
    ]


def test_with_both_nsmc_layouts_all_splits_come_from_the_kr_bert_files(folder):
    row = "id\tdocument\tlabel\n1\t가\t1\n"
    data_dir = folder(ratings_train__txt=row, ratings_test__txt=row, train__tsv=row)
    assert find_files(NSMC, data_dir, "train")[0].endswith("train.tsv")
    assert find_files(NSMC, data_dir, "dev") == ()
    assert find_files(NSMC, data_dir, "test") == ()
    with pytest.raises(InputError, match="no test file for NSMC, expected test.tsv or"):
        load_split(NSMC, data_dir, "test")


def test_a_test_file_alone_can_be_read(folder):
    data_dir = folder(ratings_test__txt="id\tdocument\tlabel\n1\t가\t1\n")
    assert len(load_split(NSMC, data_dir, "test").examples) == 1


def test_reading_train_does_not_open_test(folder):
    row = "id\tdocument\tlabel\n1\t가\t1\n"
    data_dir = folder(ratings_train__txt=row, ratings_test__txt=b"\xff\0")
    assert len(load_split(NSMC, data_dir, "train").examples) == 1


@pytest.mark.parametrize(
    "content",
    [
        "comments\tcontain_gender_bias\tbias\thate\n좋다\tFalse\tnone\tnone\n",
        "title\tcomment\tbias\thate\n기사 제목\t좋다\tnone\tnone\n",
    ],
)
def test_both_hate_layouts_are_told_apart_by_the_header(folder, content):
    loaded = load_split(HATE, folder(train__tsv=content), "train")
    assert loaded.examples == [Example("train-1", "좋다", None, 0)]


def test_hate_val_is_another_name_of_dev(folder):
    content = "title\tcomment\tbias\thate\n제목\t너무하네\tothers\thate\n"
    loaded = load_split(HATE, folder(val__tsv=content), "dev")
    assert loaded.examples == [Example("dev-1", "너무하네", None, 2)]


def test_hate_test_has_no_labels(folder):
    data_dir = folder(**{"test__no_label__tsv": "comments\n좋다\n\n싫다\n"})
    loaded = load_split(HATE, data_dir, "test")
    assert loaded.examples == [
        Example("test-1", "좋다", None, None),
        Example("test-2", "", None, None),
        Example("test-3", "싫다", None, None),
    ]


def test_train_without_a_label_column_is_an_error(folder):
    data_dir = folder(train__tsv="comments\n좋다\n")
    with pytest.raises(
        InputError, match=r"line 1: no column 'hate' among \[comments\]"
    ):
        load_split(HATE, data_dir, "train")


def test_a_header_of_another_task_is_an_error(folder):
    data_dir = folder(train__tsv="id,document,label\n1,가,1\n")
    with pytest.raises(InputError) as caught:
        load_split(NSMC, data_dir, "train")
    assert "the header is [id,document,label], but NSMC needs" in str(caught.value)
    assert "[document, label]" in str(caught.value)


def test_an_unknown_label_is_named_with_its_place(folder):
    content = "id\tdocument\tlabel\n1\t가\t1\n2\t나\t2\n3\t다\t0\n"
    data_dir = folder(train__tsv=content)
    with pytest.raises(InputError, match=r"tsv, line 3: label '2', expected one of: 0"):
        load_split(NSMC, data_dir, "train")
    loaded = load_split(NSMC, data_dir, "train", ReadingOptions(max_bad_rows=1))
    assert [example.example_id for example in loaded.examples] == ["1", "3"]
    assert loaded.skipped == 1
    assert "train.tsv: 1 bad rows (" in loaded.notes[0]


def test_a_file_with_a_header_only_is_an_error(folder):
    data_dir = folder(train__tsv="id\tdocument\tlabel\n")
    with pytest.raises(InputError, match="train.tsv has no rows after its header"):
        load_split(NSMC, data_dir, "train")


def test_missing_data_says_where_to_fetch_it(tmp_path):
    with pytest.raises(InputError) as caught:
        load_split(NSMC, str(tmp_path / "nsmc"), "train")
    assert "does not exist. Fetch NSMC from https://github.com/e9t/nsmc" in str(
        caught.value
    )
    with pytest.raises(InputError) as caught:
        load_split(NSMC, str(tmp_path), "train")
    assert "expected train.tsv or ratings_train.txt" in str(caught.value)


def test_held_out_split_takes_the_share_of_each_class():
    examples = [Example(str(i), "", None, int(i % 3 == 0)) for i in range(300)]
    train, dev = held_out_split(examples, 0.1, seed=7)
    assert collections.Counter(each.label for each in dev) == {0: 20, 1: 10}
    assert sorted(train + dev, key=lambda each: int(each.example_id)) == examples
    assert train == sorted(train, key=lambda each: int(each.example_id))
    assert held_out_split(examples, 0.1, seed=7) == (train, dev)
    assert held_out_split(examples, 0.1, seed=8)[1] != dev


def test_held_out_split_keeps_rare_classes_on_both_sides():
    examples = [Example(str(i), "", None, 0) for i in range(50)]
    examples += [Example("a", "", None, 1), Example("b", "", None, 1)]
    examples += [Example("c", "", None, 2)]
    train, dev = held_out_split(examples, 0.02, seed=1)
    assert [each.label for each in train].count(1) == 1
    assert [each.label for each in dev].count(1) == 1
    assert [each.label for each in train].count(2) == 1


def test_held_out_split_refuses_a_bad_share():
    examples = [Example(str(i), "", None, 0) for i in range(5)]
    with pytest.raises(InputError, match="--dev_fraction=1.0, expected more than 0"):
        held_out_split(examples, 1.0, seed=1)
    with pytest.raises(InputError, match="1 training examples are too few"):
        held_out_split(examples[:1], 0.5, seed=1)


def test_the_rebuilt_nsmc_files_give_every_row():
    data_dir = datasets("nsmc")
    train = load_split(NSMC, data_dir, "train")
    assert counts(train) == {0: 75173, 1: 74827}
    assert sum(not example.text_a for example in train.examples) == 7
    test = load_split(NSMC, data_dir, "test")
    assert counts(test) == {0: 24827, 1: 25173}


def test_the_public_hate_files_give_every_row():
    data_dir = datasets("hate-speech")
    assert counts(load_split(HATE, data_dir, "train")) == {0: 3486, 1: 2499, 2: 1911}
    assert counts(load_split(HATE, data_dir, "dev")) == {0: 160, 1: 189, 2: 122}
    assert counts(load_split(HATE, data_dir, "test")) == {None: 974}

"""Every mistake of a user of run_classifier.py ends in one line and status 1."""

import json
from types import SimpleNamespace

import pytest

from data.io.errors import InputError
from data.tasks import get_task
from encoder_ko.compat import tf
from encoder_ko.finetuning import job
from korean_encoders.commands import finetune
from korean_encoders.model_types import FAMILIES
from tests.support import fine_tuning_runs as runs


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return runs.write_model(tmp_path_factory.mktemp("bad_input") / "model")


@pytest.fixture()
def data(tmp_path):
    return runs.write_data(tmp_path / "data")


@pytest.fixture()
def message(capsys):
    """Runs the script, which must fail in one line; that line without "error: "."""

    def failing_run(*flags):
        capsys.readouterr()
        assert runs.run(*flags) == 1
        printed = capsys.readouterr().err
        *before, last = printed.splitlines()
        assert last.startswith("error: ")
        assert not any("error" in line or "Traceback" in line for line in before)
        return last[len("error: ") :]

    return failing_run


HEADER = "id\tdocument\tlabel\n"
GOOD_ROW = "7\t정말 최고 영화\t1\n"


@pytest.mark.parametrize(
    "content, expected",
    [
        (b"", "train.tsv is empty (0 bytes)"),
        (HEADER, "train.tsv has no rows after its header"),
        ("id\tdocument\n7\t최고\n", "line 1: no column 'label' among [id, document]"),
        ("id\ttext\tlabel\n7\t최고\t1\n", "needs the columns [document, label]"),
        ("id,document,label\n7,최고,1\n", "or not tab separated?"),
        (HEADER + "7\t최고\t3\n", "line 2: label '3', expected one of: 0, 1."),
        (HEADER + "7\t최고\t\n", "line 2: label '', expected one of: 0, 1."),
        (HEADER + "7\t최고 영화\n", "line 2: 2 columns, expected 3 as in line 1."),
        ((HEADER + GOOD_ROW * 9).encode("utf-16"), "is UTF-16, but is read as UTF-8."),
        ((HEADER + GOOD_ROW * 9).encode("cp949"), "Pass --encoding=cp949"),
        (
            (HEADER + GOOD_ROW).encode() + b"8\t\xec\x98 \t0\n",
            "line 3: byte 0xEC at offset 45 of the file is not valid utf-8.",
        ),
        (HEADER + "7\t최고\0영화\t1\n", "line 2: a NUL byte at character 4"),
        (
            HEADER + "7\t" + "ㅋ" * 200000 + "\t1\n",
            "line 2: too many characters, expected at most 100,000",
        ),
        (b"\x1f\x8b\x08\0", "is a gzip archive: unpack it first."),
    ],
    ids=(
        "empty header missing_column other_column csv unknown_label empty_label "
        "columns utf16 cp949 invalid_utf8 nul long_line gzip"
    ).split(),
)
def test_bad_training_file(message, model, data, tmp_path, content, expected):
    content = content.encode() if isinstance(content, str) else content
    (data / "train.tsv").write_bytes(content)
    said = message(*runs.arguments(data, model, tmp_path / "out"))
    assert str(data / "train.tsv") in said
    assert expected in said


def test_bad_rows_can_be_skipped_up_to_a_number(message, model, data, tmp_path):
    rows = GOOD_ROW * 3 + "8\t최고\t7\n" + "9\t최악\tx\n"
    (data / "train.tsv").write_text(HEADER + rows, encoding="utf-8")
    flags = runs.arguments(data, model, tmp_path / "out", max_bad_rows=1)
    assert (
        "line 6: label 'x', expected one of: 0, 1. It is bad row 2 and "
        "--max_bad_rows=1" in message(*flags)
    )


def test_missing_files(message, model, data, tmp_path):
    out = tmp_path / "out"
    assert (
        "The data folder none does not exist. Fetch NSMC from "
        "https://github.com/e9t/nsmc (python3 -m data.download NSMC)"
        in message(*runs.arguments("none", model, out))
    )
    (data / "test.tsv").unlink()
    said = message(*runs.arguments(data, model, out))
    assert "has no test file for NSMC, expected test.tsv or ratings_test.txt" in said
    (data / "train.tsv").unlink()
    said = message(*runs.arguments(data, model, out, do_predict=False))
    assert "has no train file for NSMC, expected train.tsv or ratings_train" in said
    for flag in ("vocab_file", "bert_config_file", "init_checkpoint"):
        said = message(*runs.arguments(data, model, out, **{flag: "nowhere"}))
        assert "'nowhere'" in said


@pytest.mark.parametrize(
    "flags, expected",
    [
        (dict(task_name="NSCM"), "--task_name=NSCM is unknown. Did you mean NSMC?"),
        (dict(task_name=None), "--task_name is missing. Benchmark, for example"),
        (dict(output_dir=None), "--output_dir is missing."),
        (
            dict(do_train=None, do_eval=None, do_predict=None),
            "Nothing to do: pass --do_train, --do_eval or --do_predict.",
        ),
        (dict(max_seq_length=2), "--max_seq_length=2: expected at least 3."),
        (
            dict(max_seq_length=129),
            "--max_seq_length=129 is above max_position_embeddings=128",
        ),
        (dict(train_batch_size=0), "--train_batch_size=0: expected at least 1."),
        (dict(predict_batch_size=-8), "--predict_batch_size=-8: expected at least 1."),
        (dict(learning_rate=0), "--learning_rate=0: expected more than 0."),
        (dict(learning_rate="nan"), "--learning_rate=nan: expected more than 0."),
        (dict(num_train_epochs=-1), "--num_train_epochs=-1: expected more than 0."),
        (dict(warmup_proportion=1.5), "--warmup_proportion=1.5: expected 0 to 1."),
        (dict(dev_fraction=1), "--dev_fraction=1: expected more than 0, less than 1"),
        (dict(random_seed=-1), "--random_seed=-1: expected 0 to 2147483647."),
        (dict(num_trials=0), "--num_trials=0: expected at least 1."),
        (dict(patience=-1), "--patience=-1: expected at least 0."),
        (dict(keep_checkpoints=0), "--keep_checkpoints=0: expected at least 1."),
        (dict(max_bad_rows=-1), "--max_bad_rows=-1: expected at least 0."),
        (dict(encoding="utf-9"), "--encoding=utf-9 is unknown."),
        (dict(use_tpu=True), "--use_tpu needs --tpu_name"),
        (
            dict(learning_rat=1),
            "Unknown command line flag 'learning_rat'. Did you mean",
        ),
        (dict(train_batch_size="vier"), "flag --train_batch_size=vier"),
        (dict(model_type="gpt"), "flag --model_type=gpt: value should be one of"),
        (dict(train_batch_size=999), "make no whole step: lower the batch size"),
        (
            dict(num_train_epochs=0.2, warmup_proportion=1),
            "make one step, of learning rate 0 with --warmup_proportion=1: lower the",
        ),
    ],
    ids=lambda value: "-".join(value) if isinstance(value, dict) else "says",
)
def test_bad_flags(message, model, data, tmp_path, flags, expected):
    assert expected in message(
        *runs.arguments(data, model, **dict(dict(output=tmp_path / "out"), **flags))
    )


def test_flags_for_tasks_of_another_type_are_told(monkeypatch):
    told = []
    monkeypatch.setattr(
        finetune.logging, "warning", lambda text, *words: told.append(text % words)
    )
    monkeypatch.setattr(finetune.FLAGS["doc_stride"], "present", 1)
    finetune._tell_unused([get_task("KorQuAD"), get_task("NSMC")])
    assert not told
    finetune._tell_unused([get_task("NSMC"), get_task("HATE")])
    assert told == [
        "--doc_stride: not used, since NSMC or HATE is no task of that type."
    ]


def test_arguments_that_are_no_flags(message, model, data, tmp_path):
    flags = runs.arguments(data, model, tmp_path / "out")
    assert "Unexpected argument 'nsmc'" in message("nsmc", *flags)


@pytest.mark.parametrize(
    "changes, expected",
    [
        ({"vocab_size": 20}, "has 23 pieces but the model's embedding table has "),
        ({"hidden_sizes": 3}, "the unknown key 'hidden_sizes' for BertConfig; did you"),
        ({"hidden_size": 15}, "hidden_size=15 is not a multiple of"),
        ({"hidden_act": "swish"}, "hidden_act of the model configuration is 'swish'"),
        ({"hidden_dropout_prob": "0.1"}, "hidden_dropout_prob of the model"),
        ({"num_hidden_layers": 0}, "num_hidden_layers of the model configuration is 0"),
        ({"vocab_size": True}, "vocab_size of the model configuration is True"),
    ],
    ids=lambda value: "-".join(value) if isinstance(value, dict) else "",
)
def test_bad_configuration(message, data, tmp_path, changes, expected):
    model = runs.write_model(tmp_path / "model", **changes)
    assert expected in message(*runs.arguments(data, model, tmp_path / "out"))


@pytest.mark.parametrize(
    "content, expected",
    [
        (b"{", "bert_config.json, line 1, character 2: not JSON"),
        (b"[1]", "bert_config.json: a JSON list, expected an object"),
        (b'{"hidden_size": 16}', "lacks the key 'vocab_size'"),
        (b'{"vocab_size": 4, "vocab_size": 5}', "the key 'vocab_size' stands"),
        (b'{"a": ' * 10**5, "bert_config.json: lists or objects nested too deeply"),
        ('{"vocab_size": 40}'.encode("utf-16"), "bert_config.json is UTF-16, but JSON"),
        ('{"이름": "모델"}'.encode("cp949"), "bert_config.json is CP949, but JSON is"),
        (b'{"a": "\xff"}', "byte 0xFF at offset 7 is not valid utf-8. JSON is read as"),
    ],
    ids=["broken", "list", "incomplete", "twice", "deep", "utf-16", "cp949", "latin"],
)
def test_unreadable_configuration(message, data, tmp_path, content, expected):
    model = runs.write_model(tmp_path / "model")
    (model / "bert_config.json").write_bytes(content)
    assert expected in message(*runs.arguments(data, model, tmp_path / "out"))


@pytest.mark.parametrize(
    "content, expected",
    [
        (b"", "is empty"),
        (b"[PAD]\n[UNK]\n[CLS]\n", "lacks the special tokens [SEP], [MASK]"),
        (b"[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\na\na\n", "has 1 duplicate lines"),
        ("[PAD]\n영화\n".encode("cp949"), "line 2: byte 0xbf is not UTF-8"),
    ],
    ids=["empty", "special", "duplicate", "cp949"],
)
def test_bad_vocabulary(message, data, tmp_path, content, expected):
    model = runs.write_model(tmp_path / "model")
    (model / "vocab.txt").write_bytes(content)
    assert expected in message(*runs.arguments(data, model, tmp_path / "out"))


def test_models_folder_without_files(message, data, tmp_path, monkeypatch):
    """The published command before the model's files were put into models/."""
    monkeypatch.chdir(str(tmp_path))
    flags = [
        "--task_name=NSMC",
        "--do_train",
        "--output_dir=out",
        f"--data_dir={data}",
    ]
    expected = (
        "There is no model configuration (bert_config.json) in models: put the "
        "published model's files there, name its folder with --model_dir, or the file "
        "with --bert_config_file."
    )
    assert message(*flags) == expected
    (tmp_path / "models").mkdir()
    assert message(*flags) == expected
    config = json.dumps(runs.CONFIG)
    (tmp_path / "models" / "bert_config.json").write_text(config, encoding="utf-8")
    assert "expected vocab.txt or one SentencePiece *.model file" in message(*flags)
    for name in ("a-vocab.txt", "b-vocab.txt"):
        (tmp_path / "models" / name).write_text("[PAD]\n", encoding="utf-8")
    assert (
        "models holds several files for the vocabulary (vocab.txt): a-vocab.txt, "
        "b-vocab.txt. Choose one with --vocab_file." == message(*flags)
    )


def save(prefix, **shapes):
    """A checkpoint of zeros; `__` in a name stands for a slash."""
    with tf.Graph().as_default(), tf.Session() as session:
        for name, shape in shapes.items():
            tf.get_variable(
                name.replace("__", "/"), shape, initializer=tf.zeros_initializer()
            )
        session.run(tf.global_variables_initializer())
        tf.train.Saver().save(session, str(prefix), write_meta_graph=False)
    return prefix


@pytest.mark.slow
def test_checkpoints_that_cannot_be_used(message, model, data, tmp_path):
    out = tmp_path / "out"

    def said(checkpoint, **flags):
        return message(
            *runs.arguments(data, model, out, init_checkpoint=checkpoint, **flags)
        )

    assert "Expected the prefix of its files (model.ckpt for" in said(tmp_path / "no")
    (tmp_path / "text.index").write_text("영화 " * 99, encoding="utf-8")
    assert "text could not be read as a TensorFlow" in said(tmp_path / "text")
    other = save(tmp_path / "other.ckpt", electra__embeddings__word_embeddings=[40, 16])
    assert "has no variable of this model. It has electra/embeddings" in said(other)
    assert "lacks 25 of the model's 25 variables" in said(other, do_train=False)
    shape = save(
        tmp_path / "shape.ckpt",
        bert__embeddings__word_embeddings=[30, 16],
        output_bias=[2],
    )
    assert (
        "does not fit the model: bert/embeddings/word_embeddings has shape [30, 16] "
        "there and [40, 16] by the configuration." in said(shape)
    )
    assert "lacks 23 of the model's 25 variables (bert/emb" in said(
        shape, do_train=False
    )


@pytest.mark.parametrize("warmup", ["0", "0.1"])
def test_electras_warm_up_of_a_fraction_of_the_only_step(warmup):
    """Its rate at step 0 is 0; BERT's warm-up is int(0.1) steps long."""
    args = SimpleNamespace(
        training=SimpleNamespace(num_epochs=1, warmup_proportion=float(warmup)),
        batch_sizes=SimpleNamespace(train=4),
        output=SimpleNamespace(overwrite=False),
    )
    for family in FAMILIES.values():
        if family.name == "electra" and warmup != "0":
            with pytest.raises(
                InputError, match="rate 0 with --warmup_proportion=0.1: "
            ):
                job.require_training(args, family, None, 7)
        else:
            job.require_training(args, family, None, 7)
        job.require_training(args, family, None, 8)


def test_nothing_was_trained_yet(message, model, data, tmp_path):
    flags = runs.arguments(data, model, tmp_path / "out", do_train=False)
    assert "out holds no trained model: train one with --do_train=true" in message(
        *flags
    )


def test_output_folder_that_cannot_be_made(message, model, data, tmp_path):
    (tmp_path / "file").write_text("a file", encoding="utf-8")
    said = message(*runs.arguments(data, model, tmp_path / "file" / "out"))
    assert "cannot be made" in said and "Choose another --output_dir." in said
    assert (tmp_path / "file").read_text(encoding="utf-8") == "a file"


@pytest.mark.slow
def test_real_processes_print_one_line_and_no_traceback(model, data, tmp_path):
    """As above, with all that TensorFlow itself writes to the terminal."""
    cases = {
        "Unknown command line flag 'tain'": dict(tain=1),
        "The data folder none does not exist": dict(data_dir="none"),
        "The loss is no": dict(learning_rate=1e38),
    }
    processes = [
        runs.start_as_shipped(
            *runs.arguments(**dict(dict(data=data, model=model, output=out), **c))
        )
        for out, c in zip((tmp_path / str(i) for i in range(9)), cases.values())
    ]
    for expected, process in zip(cases, processes):
        output, errors = process.communicate(timeout=600)
        assert process.returncode == 1, errors
        assert output == ""
        *before, last = errors.splitlines()
        assert last.startswith("error: " + expected), errors
        assert not any("rror" in line or "Traceback" in line for line in before), errors

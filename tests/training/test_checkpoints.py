"""Finding, restoring, checking and copying checkpoints."""

import json

import numpy as np
import pytest

from albert_ko import pretraining as albert_pretraining
from bert_ko.modeling import BertConfig, BertModel
from data.io import files
from data.io.errors import InputError
from encoder_ko.compat import tf
from encoder_ko.training import checkpoints, restoring


def save(prefix, values):
    """A checkpoint with these values, without TensorFlow's `checkpoint` file."""
    with tf.Graph().as_default(), tf.Session() as session:
        for name, value in values.items():
            tf.get_variable(name, initializer=np.asarray(value, np.float32))
        session.run(tf.global_variables_initializer())
        saver = tf.train.Saver()
        saver.save(session, str(prefix), write_meta_graph=False, write_state=False)
    return str(prefix)


def test_a_checkpoint_is_found_by_prefix_or_folder(tmp_path):
    assert checkpoints.find_checkpoint(str(tmp_path)) is None
    assert checkpoints.find_checkpoint(str(tmp_path / "none")) is None
    first = save(tmp_path / "model.ckpt-100", {"w": [1.0]})
    assert checkpoints.find_checkpoint(first) == first
    assert checkpoints.find_checkpoint(str(tmp_path)) == first
    second = save(tmp_path / "model.ckpt-20", {"w": [2.0]})
    with pytest.raises(InputError) as raised:
        checkpoints.find_checkpoint(str(tmp_path))
    assert str(raised.value) == (
        f"{tmp_path} holds several checkpoints (model.ckpt-100, model.ckpt-20): name "
        "one with --init_checkpoint."
    )
    state = 'model_checkpoint_path: "model.ckpt-20"\n'
    (tmp_path / "checkpoint").write_text(state, encoding="utf-8")
    assert checkpoints.find_checkpoint(str(tmp_path)) == second


def test_pattern_signs_in_names_are_no_patterns(tmp_path):
    """A run that was copied to runs/[fold1], with the absolute paths of before."""
    folder = tmp_path / "[fold1]*"
    folder.mkdir()
    prefix = save(tmp_path / "model.ckpt-20", {"w": [2.0]})
    for path in tmp_path.glob("model.ckpt-20.*"):
        path.rename(folder / path.name)
    state = f'model_checkpoint_path: "{prefix}"\n'
    (folder / "checkpoint").write_text(state, encoding="utf-8")
    for place in (str(folder), f"file://{folder}"):
        found = checkpoints.find_checkpoint(place)
        assert found == checkpoints.newest_checkpoint(place) == f"{place}/model.ckpt-20"
        assert checkpoints.checkpoint_shapes(found) == {"w": [1]}
        with tf.Graph().as_default(), tf.Session() as session:
            variable = tf.get_variable("w", [1])
            with restoring.open_session(found, [variable]) as restored:
                assert restored.run(variable) == [2.0]
            restoring.restore_on_initialization(found, [variable])
            session.run(tf.global_variables_initializer())
            assert session.run(variable) == [2.0]


def test_a_moved_run_resumes_from_its_own_checkpoints(tmp_path):
    for name in ("before", "after"):
        (tmp_path / name).mkdir()
    old = str(tmp_path / "before" / "model.ckpt")
    for step in (10, 20):
        save(tmp_path / "after" / f"model.ckpt-{step}", {"w": [step]})
    state = f'model_checkpoint_path: "{old}-20"\n'
    state += "".join(
        f'all_model_checkpoint_paths: "{old}-{step}"\n' for step in (5, 10, 20)
    )
    folder = str(tmp_path / "after")
    (tmp_path / "after" / "checkpoint").write_text(state, encoding="utf-8")
    assert tf.train.latest_checkpoint(folder) is None
    checkpoints.adopt_checkpoints(folder)
    assert tf.train.latest_checkpoint(folder) == f"{folder}/model.ckpt-20"
    found = tf.train.get_checkpoint_state(folder).all_model_checkpoint_paths
    assert list(found) == [f"{folder}/model.ckpt-10", f"{folder}/model.ckpt-20"]


@pytest.mark.parametrize(
    "state",
    [None, b"", b"\0\xffgarbage", b'model_checkpoint_path: "model.ckpt-30"\n'],
    ids=["missing", "empty", "damaged", "of what is gone"],
)
def test_a_run_keeps_its_checkpoints_without_the_file_that_names_them(
    tmp_path, caplog, state
):
    """Else the run would begin anew, over what it has trained."""
    folder = str(tmp_path)
    for step in (9, 20):
        save(tmp_path / f"model.ckpt-{step}", {"w": [step]})
    if state is not None:
        (tmp_path / "checkpoint").write_bytes(state)
    assert checkpoints.newest_checkpoint(folder) is None
    assert checkpoints.last_of_run(folder) == f"{folder}/model.ckpt-20"
    checkpoints.adopt_checkpoints(folder)
    assert f"{folder}/model.ckpt-20 is taken" in caplog.text
    assert tf.train.latest_checkpoint(folder) == f"{folder}/model.ckpt-20"
    assert checkpoints.newest_checkpoint(folder) == f"{folder}/model.ckpt-20"


def test_a_missing_checkpoint_is_an_error_that_says_what_is_expected(tmp_path):
    prefix = save(tmp_path / "model.ckpt", {"w": [1.0]})
    with pytest.raises(InputError) as raised:
        checkpoints.require_checkpoint(prefix + ".index")
    assert str(raised.value) == (
        f"There is no checkpoint '{prefix}.index': it is one of the files of {prefix}, "
        "which is the name to give. Expected the prefix of its files "
        "(model.ckpt for model.ckpt.index) or a folder that holds one."
    )


def test_files_that_are_no_checkpoint(tmp_path):
    (tmp_path / "model.ckpt.index").write_bytes(b"no table at all" * 10)
    with pytest.raises(
        InputError, match="could not be read as a TensorFlow checkpoint"
    ):
        checkpoints.checkpoint_shapes(str(tmp_path / "model.ckpt"))


POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 9\n"


def test_an_index_without_its_data(tmp_path):
    prefix = save(tmp_path / "model.ckpt-20", {"w": [1.0]})
    (tmp_path / "model.ckpt-20.data-00000-of-00001").unlink()
    expected = (
        f"{prefix}.index has 0 of its 1 data files (model.ckpt-20.data-*) beside it: "
        "copy those that are missing, or name another checkpoint."
    )
    state = 'model_checkpoint_path: "model.ckpt-20"\n'
    (tmp_path / "checkpoint").write_text(state, encoding="utf-8")
    for read, path in (
        (checkpoints.checkpoint_shapes, prefix),
        (checkpoints.adopt_checkpoints, str(tmp_path)),
    ):
        with pytest.raises(InputError) as raised:
            read(path)
        assert str(raised.value) == expected


WEIGHTS = {"w": [[1.5] * 300] * 4, "global_step": 7}


def damage(prefix, name, change):
    path = f"{prefix}.{name}"
    with open(path, "rb") as reader:
        content = change(bytearray(reader.read()))
    with open(path, "wb") as writer:
        writer.write(content)


def flipped(content):
    content[2000] ^= 1
    return content


def restored(prefix):
    with tf.Graph().as_default():
        tf.get_variable("w", [4, 300])
        restoring.open_session(prefix).close()


@pytest.mark.parametrize("read", [checkpoints.checkpoint_shapes, restored])
@pytest.mark.parametrize(
    "name, change, message",
    [
        (
            "data-00000-of-00001",
            lambda content: content[:2000],
            "is cut off: model.ckpt.data-00000-of-00001 has 2,000 of at least 4,8",
        ),
        ("data-00000-of-00001", lambda content: b"", "has 0 of at least 4,8"),
        ("index", lambda content: content[:60], "could not be read as a TensorFlow"),
    ],
)
def test_a_checkpoint_that_is_cut_off(tmp_path, read, name, change, message):
    prefix = save(tmp_path / "model.ckpt", WEIGHTS)
    damage(prefix, name, change)
    with pytest.raises(InputError) as raised:
        read(prefix)
    assert message in str(raised.value)
    assert str(raised.value).endswith(
        "Fetch or copy it again, or use another checkpoint."
    )
    assert len(str(raised.value)) < 500


@pytest.mark.parametrize("read", [checkpoints.read_tensors, restored])
def test_a_checkpoint_with_a_changed_bit(tmp_path, read):
    prefix = save(tmp_path / "model.ckpt", WEIGHTS)
    damage(prefix, "data-00000-of-00001", flipped)
    with pytest.raises(InputError, match="its files are damaged, .*hecksum"):
        read(prefix)


def test_tensors_are_read_by_name(tmp_path):
    prefix = save(tmp_path / "model.ckpt", WEIGHTS)
    assert checkpoints.read_tensors(prefix, ["global_step"]) == {"global_step": 7}
    found = checkpoints.read_tensors(prefix)
    assert list(found) == ["w"]
    assert found["w"].tolist() == WEIGHTS["w"]


def test_one_of_two_data_files(tmp_path):
    prefix = save(tmp_path / "model.ckpt", {"w": [1.0]})
    whole = tmp_path / "model.ckpt.data-00000-of-00001"
    whole.rename(tmp_path / "model.ckpt.data-00000-of-00002")
    with pytest.raises(InputError, match="has 1 of its 2 data files"):
        checkpoints.checkpoint_shapes(prefix)


@pytest.mark.parametrize("name", ["index", "data-00000-of-00001"])
def test_a_git_lfs_pointer_is_no_checkpoint(tmp_path, name):
    prefix = save(tmp_path / "model.ckpt", {"w": [1.0]})
    (tmp_path / f"model.ckpt.{name}").write_bytes(POINTER)
    with pytest.raises(InputError) as raised:
        checkpoints.checkpoint_shapes(prefix)
    assert str(raised.value) == (
        f"{prefix}.{name} is a Git LFS pointer, not the file itself: run `git lfs "
        "pull` in the repository that it comes from, or download the file."
    )


def test_what_is_restored_missing_unused_or_of_the_optimizer(tmp_path):
    prefix = save(
        tmp_path / "model.ckpt",
        {
            "bert/a": [1.0, 2.0],
            "bert/b": [[3.0]],
            "bert/a/adam_m": [9.0, 9.0],
            "bert/a/adam_v": [9.0, 9.0],
            "global_step": 7.0,
            "cls/u1": [0.0],
            "cls/u2": [0.0],
            "cls/u3": [0.0],
            "cls/u4": [0.0],
        },
    )
    with tf.Graph().as_default(), tf.Session() as session:
        a = tf.get_variable("bert/a", initializer=[0.0, 0.0])
        b = tf.get_variable("bert/b", initializer=[[0.0]])
        head = tf.get_variable("output_bias", initializer=[5.0])
        report = restoring.restore_on_initialization(prefix, [a, b, head])
        session.run(tf.global_variables_initializer())
        restored = session.run([a, b, head])
    np.testing.assert_array_equal(restored[0], [1.0, 2.0])
    np.testing.assert_array_equal(restored[1], [[3.0]])
    np.testing.assert_array_equal(restored[2], [5.0])
    assert report.restored == ["bert/a", "bert/b"]
    assert report.missing == ["output_bias"]
    assert report.unused == ["cls/u1", "cls/u2", "cls/u3", "cls/u4"]
    assert report.optimizer_state == ["bert/a/adam_m", "bert/a/adam_v", "global_step"]
    assert report.summary() == (
        f"{prefix}: 2 variables restored, 1 newly initialized, 4 unused, 3 optimizer "
        "variables skipped.\n"
        "  newly initialized: output_bias\n"
        "  unused: cls/u1, cls/u2, cls/u3, and 1 more"
    )
    report.write(str(tmp_path / "report.json"))
    written = json.loads((tmp_path / "report.json").read_text(encoding="utf-8"))
    assert written == report._asdict()


def test_a_pre_training_checkpoint_fills_the_whole_encoder(golden):
    """golden/bert: every variable of the model, bit for bit; the heads are unused."""
    prefix = golden("bert", "model.ckpt.index")[: -len(".index")]
    expected = np.load(golden("bert", "params.npz"))
    config = BertConfig.from_json_file(golden("bert", "bert_config.json"))
    with tf.Graph().as_default(), tf.Session() as session:
        BertModel(config, False, tf.placeholder(tf.int32, [None, None]))
        variables = tf.trainable_variables()
        report = restoring.restore_on_initialization(prefix, variables)
        restoring.require_variables(prefix, variables)
        session.run(tf.global_variables_initializer())
        values = session.run({v.op.name: v for v in variables})
    assert report.missing == []
    assert all(name.startswith("cls/") for name in report.unused)
    for name, value in values.items():
        np.testing.assert_array_equal(value, expected[name])


def test_a_run_that_resumes_takes_nothing_from_where_it_started(tmp_path):
    """Its own checkpoint has all; the log does not list the variables again."""
    prefix = save(tmp_path / "model.ckpt", {"bert/a": np.ones([2])})
    report_path = tmp_path / "run" / "restored.json"
    report_path.parent.mkdir()
    with tf.Graph().as_default():
        tf.get_variable("bert/a", [2])
        restoring.start_from(prefix, str(report_path))
        assert json.loads(report_path.read_text())["restored"] == ["bert/a"]
        report_path.unlink()
        checkpoints.copy_checkpoint(prefix, str(report_path.parent))
        assert restoring.start_from(prefix, str(report_path)) is None
    assert not report_path.exists()


def test_resizable_variables_of_another_shape_start_anew(tmp_path):
    prefix = save(
        tmp_path / "model.ckpt",
        {"e/a": np.ones([2]), "head/same": np.ones([2]), "head/other": np.ones([3])},
    )
    with tf.Graph().as_default():
        variables = [
            tf.get_variable(name, [2]) for name in ("e/a", "head/same", "head/other")
        ]
        report = restoring.restore_on_initialization(prefix, variables, "^head/")
        assert report.restored == ["e/a", "head/same"]
        assert report.missing == report.unused == ["head/other"]
        with pytest.raises(InputError, match="head/other has shape"):
            restoring.restore_on_initialization(prefix, variables, "^e/")


def test_other_shapes_and_other_models_are_refused(tmp_path):
    prefix = save(tmp_path / "model.ckpt", {"bert/table": np.zeros([30, 4])})
    with tf.Graph().as_default():
        table = tf.get_variable("bert/table", [40, 4])
        other = tf.get_variable("electra/table", [30, 4])
        with pytest.raises(InputError) as raised:
            restoring.restore_on_initialization(prefix, [table])
        assert str(raised.value) == (
            f"{prefix} does not fit the model: bert/table has shape [30, 4] there and "
            "[40, 4] by the configuration. Use the configuration and vocabulary that "
            "the checkpoint was trained with."
        )
        with pytest.raises(InputError) as raised:
            restoring.restore_on_initialization(prefix, [other])
        assert str(raised.value) == (
            f"{prefix} has no variable of this model. It has bert/table; expected "
            "electra/table. Is --model_type right?"
        )
        with pytest.raises(InputError) as raised:
            restoring.require_variables(prefix, [other])
        assert str(raised.value) == (
            f"{prefix} lacks 1 of the model's 1 variables (electra/table), so it "
            "cannot be used untrained. Fine-tune it with --do_train=true first, or "
            "name a fine-tuned checkpoint."
        )


def test_a_copy_replaces_the_one_before(tmp_path):
    first = save(tmp_path / "model.ckpt-10", {"w": [1.0]})
    second = save(tmp_path / "model.ckpt-20", {"w": [2.0]})
    best = str(tmp_path / "best")
    assert checkpoints.copy_checkpoint(first, best) == f"{best}/model.ckpt-10"
    assert checkpoints.copy_checkpoint(second, best) == f"{best}/model.ckpt-20"
    assert checkpoints.find_checkpoint(best) == f"{best}/model.ckpt-20"
    assert tf.train.load_variable(best, "w") == [2.0]
    names = sorted(path.name for path in (tmp_path / "best").iterdir())
    assert names == [
        "checkpoint",
        "model.ckpt-20.data-00000-of-00001",
        "model.ckpt-20.index",
    ]
    (tmp_path / "best").rename(tmp_path / "moved")
    moved = str(tmp_path / "moved")
    assert checkpoints.find_checkpoint(moved) == f"{moved}/model.ckpt-20"


def test_an_interrupted_copy_leaves_the_one_before(tmp_path, monkeypatch):
    """Whatever moment the process is killed at, the folder means a whole checkpoint."""
    first = save(tmp_path / "model.ckpt-10", {"w": [1.0]})
    second = save(tmp_path / "model.ckpt-20", {"w": [2.0]})
    rename = files.rename
    for moment in range(3):
        best = str(tmp_path / f"best{moment}")
        checkpoints.copy_checkpoint(first, best)
        left = iter(range(moment))

        def killed(*arguments, left=left):
            if next(left, None) is None:
                raise KeyboardInterrupt
            rename(*arguments)

        with monkeypatch.context() as patch:
            patch.setattr(files, "rename", killed)
            with pytest.raises(KeyboardInterrupt):
                checkpoints.copy_checkpoint(second, best)
        assert checkpoints.find_checkpoint(best) == f"{best}/model.ckpt-10"
        assert tf.train.load_variable(f"{best}/model.ckpt-10", "w") == [1.0]
        checkpoints.copy_checkpoint(second, best)
        assert checkpoints.find_checkpoint(best) == f"{best}/model.ckpt-20"


def test_groups_that_a_checkpoint_lacks_start_from_its_group_0(tmp_path):
    """--init_from_group0 of ALBERT: two groups from a checkpoint of one."""
    stand_in = albert_pretraining.RECIPE.group_0
    names = "e/group_0/inner_group_0/a", "e/group_1/inner_group_0/a", "e/b"
    values = {names[0]: [1.0], names[2]: [3.0]}
    prefix = save(tmp_path / "m.ckpt", values)

    def started(stand_in):
        with tf.Graph().as_default(), tf.Session() as session:
            ours = [tf.get_variable(n, initializer=[9.0]) for n in names]
            report = restoring.restore_on_initialization(
                prefix, ours, stand_in=stand_in
            )
            session.run(tf.global_variables_initializer())
            return np.concatenate(session.run(ours)).tolist(), report

    assert started(stand_in)[0] == [1.0, 1.0, 3.0]
    assert sorted(started(stand_in)[1].restored) == sorted(names)
    assert started(None)[0] == [1.0, 9.0, 3.0]
    assert started(None)[1].missing == [names[1]]
    save(tmp_path / "two.ckpt", dict(values, **{names[1]: [2.0]}))
    prefix = str(tmp_path / "two.ckpt")  # which has a group 1 of its own
    assert started(stand_in)[0] == [1.0, 2.0, 3.0]

"""What is said of the examples of a task before anything is trained."""

import json
import logging
from types import SimpleNamespace

import pytest

from data import tasks
from data.io.errors import InputError
from data.tasks.splits import ReadingOptions
from encoder_ko.finetuning import splits as splits_module
from encoder_ko.finetuning.splits import load_splits
from tests.support.fine_tuning_runs import write_table


def write(path, texts):
    rows = [(number, text, number % 2) for number, text in enumerate(texts)]
    write_table(path, ("id", "document", "label"), rows)


def arguments(folder):
    return SimpleNamespace(
        task=tasks.get_task("NSMC"),
        actions=SimpleNamespace(train=True, evaluate=True, predict=True),
        data=SimpleNamespace(
            folder=str(folder), reading=ReadingOptions(), double_unordered=False
        ),
    )


@pytest.mark.parametrize("shared", [0, 2, 3, 20])
def test_texts_that_were_trained_on_are_counted(shared, tmp_path, caplog):
    """A tenth may be alike by chance; a copy of the file is no test."""
    texts = [f"영화 {number}" for number in range(60)]
    write(tmp_path / "train.tsv", texts[:20])
    write(tmp_path / "dev.tsv", texts[20:40])
    write(tmp_path / "test.tsv", texts[40 : 60 - shared] + texts[:shared])
    with caplog.at_level(logging.WARNING, logger="absl"):
        splits = load_splits(arguments(tmp_path))
    assert [len(examples) for examples in splits] == [20, 20, 20]
    said = [record.getMessage() for record in caplog.records]
    if shared <= 2:
        assert said == []
    else:
        (line,) = said
        assert line.startswith(f"test: {shared} of 20 texts are in train, too.")


@pytest.fixture()
def evaluated(tmp_path):
    """(digest of train -> arguments) of evaluations where there is no dev file."""
    write(tmp_path / "train.tsv", [f"영화 {number}" for number in range(40)])

    def arguments_of(output, init_checkpoint=None, split_seed=5):
        return SimpleNamespace(
            task=tasks.get_task("NSMC"),
            actions=SimpleNamespace(train=False, evaluate=True, predict=False),
            data=SimpleNamespace(
                folder=str(tmp_path),
                reading=ReadingOptions(),
                double_unordered=False,
                dev_fraction=0.1,
                split_seed=split_seed,
            ),
            output=SimpleNamespace(folder=str(output)),
            settings={"init_checkpoint": init_checkpoint},
        )

    return arguments_of


def trained_run(folder, digests, **settings):
    """The folder of a run that learnt the files of these digests."""
    (folder / "best").mkdir(parents=True)
    (folder / "best" / "model.ckpt-3.index").write_text("")
    settings = dict({"random_seed": 5, "dev_fraction": 0.1}, **digests, **settings)
    (folder / "run_config.json").write_text(json.dumps(settings))


def test_what_was_learnt_whole_is_not_held_out(tmp_path, evaluated):
    args = evaluated(tmp_path / "run")
    digests = splits_module.digests(args)
    trained_run(tmp_path / "run", {**digests, "sha256 of dev.tsv": "0"})
    message = f"the model in {tmp_path}/run was trained on all of its train file: noth"
    with pytest.raises(InputError, match=message):
        load_splits(args)
    from_elsewhere = f"{tmp_path}/run/best/model.ckpt-3"
    with pytest.raises(InputError, match=message):
        load_splits(evaluated(tmp_path / "other", from_elsewhere))
    write(tmp_path / "train.tsv", [f"다른 영화 {number}" for number in range(40)])
    assert len(load_splits(args).dev) == 4


@pytest.mark.parametrize(
    "name, settings, held_out_by",
    [
        ("run", {}, 5),
        ("run", {"random_seed": 6}, 6),
        ("run", {"random_seed": 5, "split_seed": 7}, 7),
        ("trial_2", {"random_seed": 6}, 5),
    ],
)
def test_rows_that_were_learnt_are_held_out_with_a_warning(
    tmp_path, evaluated, caplog, name, settings, held_out_by
):
    run = tmp_path / name
    trained_run(run, splits_module.digests(evaluated(run)), **settings)
    args = evaluated(tmp_path / "other", f"{run}/best/model.ckpt-3")
    with caplog.at_level(logging.WARNING, logger="absl"):
        load_splits(args)
    said = [record.getMessage() for record in caplog.records]
    if held_out_by == 5:
        assert said == []
    else:
        (line,) = said
        assert f"the model in {run} was trained on most of these rows." in line
        assert line.endswith(f"by --split_seed={held_out_by} --dev_fraction=0.1.")
    caplog.clear()
    args = evaluated(tmp_path / "other", f"{run}/best/model.ckpt-3", held_out_by)
    with caplog.at_level(logging.WARNING, logger="absl"):
        load_splits(args)
    assert caplog.records == []

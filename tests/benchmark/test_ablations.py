"""Ablations of pre-training: their figures, and that their commands fit."""

import argparse
import json
import os
import sys
import threading

import pytest

from benchmarks import ablations, claims, proxies
from benchmarks.ablations import Trial
from benchmarks.claims import CLAIMS
from korean_encoders.console import COMMANDS


@pytest.fixture
def arguments(tmp_path):
    return argparse.Namespace(
        output_dir=str(tmp_path),
        corpus_dir="corpus",
        data_root="datasets",
        claims=["word order"],
        proxies=["3 layers", "packed rows of 128"],
        seeds=[1, 2],
        steps_share=0.1,
        num_processes=1,
        parallel_runs=1,
    )


def test_difference_worked_out():
    # Gains 1 and 3: mean 2, standard error 1; t of one degree of freedom is 12.7062.
    found = claims.difference({1: 80.0, 2: 82.0, 3: 0.0}, {1: 81.0, 2: 85.0})
    assert found.mean == 2
    assert (found.low, found.high) == pytest.approx(
        (2 - 12.7062, 2 + 12.7062), abs=1e-3
    )
    assert found.verdict == "open"
    # Gains 1, 1.1 and 1.2: error 0.1 / sqrt(3), t of two 4.3027.
    found = claims.difference(dict.fromkeys((1, 2, 3), 0), {1: 1, 2: 1.1, 3: 1.2})
    assert (found.low, found.high) == pytest.approx((0.8516, 1.3484), abs=1e-3)
    assert found.verdict == "better"
    assert claims.difference({1: 2}, {1: 1}).verdict == "open"


def test_excerpts_come_from_all_over_the_text():
    lines = ["가나다", "", *(str(number) for number in range(10))]
    assert ablations.spread(lines, 10**6).split() == [line for line in lines if line]
    text = ablations.spread([str(number) for number in range(10)], 10)
    assert text == "0\n2\n4\n6\n8\n"


def test_missing_data_is_told_before_anything_runs(tmp_path, monkeypatch):
    for name in ablations.ALL:
        (tmp_path / name).touch()
    (tmp_path / "nsmc").mkdir()
    words = [f"--{name}={tmp_path}" for name in ("corpus_dir", "data_root")]
    words += [f"--output_dir={tmp_path}/runs", "--claims", "comments"]
    monkeypatch.setattr(sys, "argv", ["claims.py", *words])
    with pytest.raises(SystemExit) as raised:
        claims.main()
    assert raised.value.code == f"{tmp_path} has no folder hate."
    (tmp_path / "reviews.txt").unlink()
    with pytest.raises(SystemExit, match="has no reviews.txt"):
        claims.main()


def test_runs_on_other_text_are_kept_apart(tmp_path, arguments):
    arguments.corpus_dir, arguments.output_dir = str(tmp_path), str(tmp_path / "runs")
    for name in ablations.ALL:
        (tmp_path / name).write_text(name)
    for _ in range(2):
        ablations.require_data([], arguments)
    (tmp_path / "reviews.txt").write_text("others")
    with pytest.raises(
        SystemExit, match="runs holds runs on another reviews.txt: give"
    ):
        ablations.require_data([], arguments)


def commands_of(study, arm, arguments, monkeypatch):
    """The flags of each command that an arm runs.

    In a short run the first arm makes 200 rows a second, all others 300.
    """
    called = []

    def command(name, flags, parallel=1):
        called.append((name, flags))
        if name == "vocab":
            os.makedirs(flags["output_dir"])
            path = os.path.join(flags["output_dir"], "vocab.txt")
            with open(path, "w", encoding="utf-8") as writer:
                writer.write("[PAD]\n[UNK]\n가\n")
        if "rate" in flags["output_dir"].split(os.sep):
            os.makedirs(flags["output_dir"])
            for file in ("report.html", "training_log.jsonl"):
                with open(os.path.join(flags["output_dir"], file), "w") as writer:
                    rate = 200 if arm is study.arms[0] else 300
                    for each in (7, rate, rate):
                        writer.write(json.dumps({"sequences_per_second": each}) + "\n")

    monkeypatch.setattr(ablations, "_command", command)
    monkeypatch.setattr(ablations, "spread", lambda lines, size: "가\n")
    if any(":" in name for name in arm.text):
        arguments.corpus_dir = arguments.output_dir
        open(os.path.join(arguments.output_dir, "reviews.txt"), "w").close()
    trial = Trial(study, arm, arguments)
    trial.prepare()
    for seed in arguments.seeds:
        trial.run(seed)
    return called


def data_commands(first, arm):
    """What an arm makes itself, and does not share with the first of its study."""
    if arm is first or arm.text != first.text or arm.vocabulary != first.vocabulary:
        return ["vocab", "records"]
    return ["records"] if arm.records != first.records else []


STUDIES = dict(CLAIMS, proxies=proxies.STUDY)


@pytest.mark.parametrize("name", STUDIES)
def test_the_commands_know_their_flags(name, arguments, monkeypatch):
    import importlib

    from absl import flags as absl_flags

    study = STUDIES[name]
    for arm in study.arms:
        called = commands_of(study, arm, arguments, monkeypatch)
        names = [command for command, _ in called]
        free = {"learning_rate", "adam_beta2", "lr_decay_power"}
        is_first = arm is study.arms[0]
        data = data_commands(study.arms[0], arm)
        is_timed = is_first or data or arm.config or not set(arm.pretraining) <= free
        rate = ["pretrain"] if study.equal_time and is_timed else []
        assert names == data + rate + 2 * ["pretrain", "benchmark"]
        for command, given in called:
            module = importlib.import_module(COMMANDS[command].module)
            known = getattr(module, "FLAGS", None)
            if known is None:
                known = absl_flags.FlagValues()
                module.define_flags(known)
            for flag, value in given.items():
                assert flag in known, (command, flag)
                known[flag].parser.parse(str(value))
        flags = {**study.pretraining, **arm.pretraining}
        steps = flags["num_train_steps"] / 10
        if rate and not is_first:  # half as many rows again
            steps *= 1.5 * 128 / flags["train_batch_size"]
        given = called[-2][1]
        assert given["num_train_steps"] == round(steps)
        share = given["num_warmup_steps"] / given["num_train_steps"]
        warm_up = flags.get("num_warmup_steps", 300) / flags["num_train_steps"]
        assert share == pytest.approx(warm_up, abs=1 / given["num_train_steps"])
        config = json.load(open(model_config(given)))
        assert config["vocab_size"] == 3
        assert {**config, **arm.config} == config


def test_the_base_of_the_proxies_has_all_seeds_and_the_others_one(arguments):
    names = [trial.arm.name for trial in proxies.trials_of(arguments)]
    assert names == ["base", "3 layers", "packed rows of 128"]
    seeds = [trial.seeds for trial in proxies.trials_of(arguments)]
    assert seeds == [[1, 2], [1], [1]]


def test_an_arm_of_two_claims_is_the_same_in_both():
    by_name = {}
    for claim in CLAIMS.values():
        for arm in claim.arms:
            settings = (
                arm,
                claim.vocabulary_text,
                claim.config,
                claim.records,
                claim.pretraining,
            )
            assert by_name.setdefault(arm.name, settings) == settings


def test_an_arm_that_is_the_first_of_a_claim_is_so_in_all():
    """The others of a claim share what the first one makes."""
    first = {claim.arms[0].name for claim in CLAIMS.values()}
    later = {arm.name for claim in CLAIMS.values() for arm in claim.arms[1:]}
    assert not first & later


def test_a_run_of_other_steps_is_not_taken_for_this_one(arguments, tmp_path):
    trial = claims.trials_of("word order", arguments)[0]
    os.makedirs(trial.pretrained(1))
    metrics = {"global_step": 35, "masked_lm_loss": 4.0}
    write_json(f"{trial.pretrained(1)}/eval_results.json", {"metrics": metrics})
    with pytest.raises(SystemExit, match="has 35 steps, these settings take 500: give"):
        trial.run(1)


def test_runs_are_parallel_and_one_that_fails_ends_all(
    arguments, monkeypatch, tmp_path
):
    arguments.claims, arguments.parallel_runs = ["electra", "morphemes"], 2
    monkeypatch.setattr(claims, "_arguments", lambda: arguments)
    monkeypatch.setattr(ablations, "require_data", lambda *others: None)
    monkeypatch.setattr(Trial, "prepare", lambda trial: None)
    both = threading.Barrier(2, timeout=60)
    ran = []

    def run(trial, seed):
        both.wait()  # two at once, or an error
        ran.append((trial.arm.name, seed))

    monkeypatch.setattr(Trial, "run", run)
    claims.main()
    names = [arm.name for name in arguments.claims for arm in CLAIMS[name].arms]
    assert sorted(ran) == sorted({(name, seed) for name in names for seed in (1, 2)})

    monkeypatch.setattr(Trial, "run", lambda trial, seed: sys.exit("pretrain ended"))
    with pytest.raises(SystemExit, match="pretrain ended"):
        claims.main()


def model_config(flags):
    return next(value for name, value in flags.items() if name.endswith("config_file"))


def test_the_report_of_what_is_there(arguments, tmp_path):
    trials = claims.trials_of("word order", arguments)
    for trial, scores in zip(trials, ((0.5, 0.6), (0.61, 0.7))):
        for seed, score in zip((1, 2), scores):
            folder = f"{trial.finetuned(seed)}/korsts/seed_{seed}"
            os.makedirs(folder)
            with open(os.path.join(folder, "test_results.json"), "w") as writer:
                json.dump({"metrics": {"score": score}}, writer)
            os.makedirs(trial.pretrained(seed))
            log = os.path.join(trial.pretrained(seed), "training_log.jsonl")
            with open(log, "w") as writer:  # 100 + 50 steps of 64
                for step, rate in ((100, 64), (150, 32)):
                    row = {"step": step, "sequences_per_second": rate}
                    writer.write(json.dumps(row) + "\n")
    text = claims.write_report(arguments)
    assert "| KorSTS | MLM and SOP | 3 | 2 | 55.00 ± 7.07 |  |  |" in text
    assert "| KorSTS | MLM, SOP and WOP | 3 | 2 | 65.50 ± 6.36 | +10.50 (" in text
    assert "NSMC" not in text
    assert (tmp_path / "word_order.png").stat().st_size > 1000


def test_the_report_of_the_proxies(arguments, tmp_path):
    for trial, scores in zip(proxies.trials_of(arguments), ((0.8, 0.82), (0.83,))):
        for seed, score in zip(trial.seeds, scores):
            folder = f"{trial.finetuned(seed)}/nsmc/seed_{seed}"
            os.makedirs(folder)
            write_json(f"{folder}/test_results.json", {"metrics": {"score": score}})
            os.makedirs(trial.pretrained(seed))
            metrics = {"global_step": 1000 + 100 * seed, "masked_lm_loss": 4 + seed}
            path = f"{trial.pretrained(seed)}/eval_results.json"
            write_json(path, {"metrics": metrics})
            row = {"step": 120, "sequences_per_second": 64}  # of 128: 4 minutes
            write_json(f"{trial.pretrained(seed)}/training_log.jsonl", row)
    text = proxies.write_report(arguments)
    assert "| base | 1,150 | 4.0 | 5.50 | 81.00 ± 1.41 |  |" in text
    assert "| 3 layers | 1,100 | 4.0 | 5.00 | 83.00 | +2.00 |" in text
    assert "packed" not in text
    assert (tmp_path / "proxies.md").read_text() == text


def write_json(path, value):
    with open(path, "w") as writer:
        json.dump(value, writer)


@pytest.mark.parametrize(
    "words, message",
    [
        (["--steps_share", "0"], "argument --steps_share: 0, expected more than 0"),
        (["--steps_share", "nan"], "argument --steps_share: nan, expected more than 0"),
        (["--steps_share", "inf"], "argument --steps_share: inf, expected more than 0"),
        (["--parallel_runs", "0"], "argument --parallel_runs: 0, expected more than 0"),
        (["--seeds", "-1"], f"argument --seeds: -1, expected 0 to {2**31 - 1}"),
        (["--seeds", "one"], "argument --seeds: one, expected a whole number"),
        (["--seeds", "1", "1"], "argument --seeds: [1, 1], expected different values"),
    ],
)
def test_numbers_are_refused_before_anything_runs(monkeypatch, capsys, words, message):
    words = ["claims.py", "--corpus_dir=a", "--output_dir=b", *words]
    monkeypatch.setattr(sys, "argv", words)
    with pytest.raises(SystemExit):
        claims._arguments()
    assert message in capsys.readouterr().err

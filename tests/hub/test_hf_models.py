"""Exported folders compute the same numbers in Hugging Face Transformers.

Needs the extra [hf] (torch and transformers): `make test-hf`.
"""

import json
import os

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="needs the extra [hf]: make test-hf")
transformers = pytest.importorskip(
    "transformers", reason="needs the extra [hf]: make test-hf"
)

from data.tokenization import build_tokenizer, preset  # noqa: E402
from encoder_ko import cli  # noqa: E402
from encoder_ko.hub import tensors, tokenizer_files  # noqa: E402
from encoder_ko.hub.tokenizer_import import read_settings  # noqa: E402
from korean_encoders.commands import convert as command  # noqa: E402
from tests.support.hf_reference import (  # noqa: E402
    CONFIGS,
    HEADS,
    NETWORKS,
    NUM_LABELS,
    TASK,
    batch,
    outputs_of,
    run,
)
from tests.support.shared_data import shared_golden  # noqa: E402

pytestmark = pytest.mark.slow

LOGITS = {
    "tokens": ("prediction_logits", "logits"),
    "sentences": ("seq_relationship_logits", "sop_logits"),
    "replaced": ("logits",),
    "logits": ("logits",),
    "hidden": ("last_hidden_state",),
}
AUTO = {
    "pretraining": transformers.AutoModelForPreTraining,
    "classification": transformers.AutoModelForSequenceClassification,
    "regression": transformers.AutoModelForSequenceClassification,
    "tagging": transformers.AutoModelForTokenClassification,
    "question_answering": transformers.AutoModelForQuestionAnswering,
    "encoder": transformers.AutoModel,
    "masked_words": transformers.AutoModelForMaskedLM,
}
NOT_FINE_TUNED = ("pretraining", "encoder", "masked_words")
# Loading one model says so on the screen a hundred times.
transformers.logging.set_verbosity_error()


def vocabulary(size):
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    return special + [f"말{number}" for number in range(size - len(special))]


def write_model(folder, model_type, head, config, values):
    """A TensorFlow model's folder, with task.json where it is a fine-tuned one."""
    os.makedirs(folder)

    def write(name, text):
        with open(os.path.join(folder, name), "w", encoding="utf-8") as writer:
            writer.write(text)

    tensors.write_checkpoint(os.path.join(folder, "model.ckpt"), values)
    write(f"{model_type}_config.json", config.to_json_string())
    write("vocab.txt", "".join(p + "\n" for p in vocabulary(config.vocab_size)))
    if head not in NOT_FINE_TUNED:
        labels = [f"이름{n}" for n in range(NUM_LABELS.get(head, 0))]
        task = {"name": TASK, "task_type": head, "label_names": labels}
        write("task.json", json.dumps({"model_type": model_type, "task": task}))


def convert(**flags):
    words = [f"--{name.rstrip('_')}={value}" for name, value in flags.items()]
    cli.run(
        command.main,
        command.FLAGS,
        ["convert_checkpoint.py"] + words,
    )


def load(auto, folder):
    model, report = auto.from_pretrained(folder, output_loading_info=True)
    assert not report["missing_keys"] and not report["mismatched_keys"]
    # Heads on single tokens carry a pooler along that their class does not have.
    assert all(".pooler." in name for name in report["unexpected_keys"])
    return model.eval()


def answers(model, features):
    with torch.no_grad():
        return model(
            input_ids=torch.tensor(features["input_ids"]).long(),
            attention_mask=torch.tensor(features["input_mask"]),
            token_type_ids=torch.tensor(features["segment_ids"]).long(),
        )


def output(found, name):
    if name == "spans":
        return torch.stack([found.start_logits, found.end_logits], -1).numpy()
    key = next(key for key in LOGITS[name] if getattr(found, key, None) is not None)
    return getattr(found, key).numpy()


def differences(folder, head, features, expected):
    """output name -> greatest absolute difference; ELECTRA gives two folders."""
    found = {}
    for inner in ("", "discriminator", "generator"):
        place = os.path.join(folder, inner)
        if not os.path.exists(os.path.join(place, "config.json")):
            continue
        auto = transformers.AutoModelForMaskedLM if inner == "generator" else AUTO[head]
        theirs = answers(load(auto, place), features)
        names = {"discriminator": ["replaced"], "generator": ["tokens"]}
        for name in names.get(inner, expected):
            found[name] = np.abs(output(theirs, name) - expected[name]).max()
    assert set(found) == set(expected)
    return found


@pytest.mark.parametrize(
    "model_type, head",
    [(model_type, head) for model_type in sorted(CONFIGS) for head in HEADS]
    + [("electra", "masked_words")],
)
def test_equal_logits_and_the_way_back(tmp_path, record_property, model_type, head):
    config = CONFIGS[model_type]
    features = batch(config.vocab_size)
    values, expected = run(model_type, head, config, features)
    ours, theirs, again = (str(tmp_path / name) for name in ("tf", "hf", "tf2"))
    write_model(ours, model_type, head, config, values)
    convert(
        from_="tf", to="hf", model_type=model_type, input_dir=ours, output_dir=theirs
    )
    found = differences(theirs, head, features, expected)
    for name, difference in found.items():
        record_property(f"{model_type} {head}, {name}", f"{difference:.1e}")
    assert max(found.values()) < 1e-5, found
    convert(
        from_="hf", to="tf", model_type=model_type, input_dir=theirs, output_dir=again
    )
    inner = "" if head in NOT_FINE_TUNED else "best"
    returned = tensors.read_checkpoint(os.path.join(again, inner, "model.ckpt"))
    assert set(returned) == set(values)
    for name, value in values.items():
        assert returned[name].tobytes() == value.tobytes(), name


# --- Published models: their shapes, with random weights --------------------------

_WIDE = dict(
    hidden_size=768,
    num_attention_heads=12,
    intermediate_size=3072,
    max_position_embeddings=512,
    type_vocab_size=2,
    num_hidden_layers=12,
)
# Layers enough where another one differs in nothing but the vocabulary.
_SHALLOW = dict(_WIDE, num_hidden_layers=1)
_SMALL = dict(
    _WIDE,
    hidden_size=256,
    num_attention_heads=4,
    intermediate_size=1024,
    embedding_size=128,
)
PUBLISHED = {
    "KR-Medium": (
        "bert",
        "BertForPreTraining",
        dict(_WIDE, vocab_size=20000, hidden_act="gelu_new"),
    ),
    # "gelu" in config.json is the erf form, unlike in Google's BERT.
    "KR-Medium with gelu": (
        "bert",
        "BertForPreTraining",
        dict(_SHALLOW, vocab_size=20000, hidden_act="gelu"),
    ),
    "KR-ELECTRA-discriminator": (
        "electra",
        "ElectraForPreTraining",
        dict(_WIDE, vocab_size=30000, embedding_size=768, hidden_act="gelu"),
    ),
    "KcELECTRA-base": (
        "electra",
        "ElectraForPreTraining",
        dict(_SHALLOW, vocab_size=50135, embedding_size=768, hidden_act="gelu"),
    ),
    "KcELECTRA-base-v2022": (
        "electra",
        "ElectraForPreTraining",
        dict(_SHALLOW, vocab_size=54343, embedding_size=768, hidden_act="gelu"),
    ),
    "dialog-koelectra-small-discriminator": (
        "electra",
        "ElectraModel",
        dict(_SMALL, vocab_size=40000, hidden_act="gelu"),
    ),
}
# As their authors give them; the second one in millions.
PARAMETERS = {
    "KR-Medium": (102015010, 1),
    "dialog-koelectra-small-discriminator": (14, 10**6),
}


def random_model(class_name, settings):
    """A model of that class with every parameter disturbed, as `disturbed` does."""
    model_class = getattr(transformers, class_name)
    model = model_class(model_class.config_class(**settings))
    generator = torch.Generator().manual_seed(3)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            noise = torch.randn(parameter.shape, generator=generator)
            if name.endswith("LayerNorm.weight"):
                noise = 1 + 0.2 * noise
            elif noise.dim() == 1:
                noise *= 0.1
            elif "embeddings." in name:
                noise *= 0.2
            else:
                noise *= 0.7 / np.sqrt(max(noise.shape))
            parameter.copy_(noise)
    return model.eval()


def old_names(state):
    """Names as the first published files have them."""
    return {
        name.replace("LayerNorm.weight", "LayerNorm.gamma").replace(
            "LayerNorm.bias", "LayerNorm.beta"
        ): value
        for name, value in state.items()
    }


@pytest.mark.parametrize("name", sorted(PUBLISHED))
def test_published_shapes_go_both_ways(tmp_path, record_property, name):
    model_type, class_name, settings = PUBLISHED[name]
    model = random_model(class_name, settings)
    if name in PARAMETERS:
        count, unit = PARAMETERS[name]
        assert sum(p.numel() for p in model.parameters()) // unit == count
    theirs, ours, again = (str(tmp_path / part) for part in ("hf", "tf", "hf2"))
    model.save_pretrained(theirs)
    if model_type == "bert":  # as it is published
        os.remove(os.path.join(theirs, "model.safetensors"))
        state = old_names(model.state_dict())
        torch.save(state, os.path.join(theirs, "pytorch_model.bin"))
    with open(os.path.join(theirs, "vocab.txt"), "w", encoding="utf-8") as writer:
        writer.write("\n".join(vocabulary(settings["vocab_size"])) + "\n")
    convert(from_="hf", to="tf", input_dir=theirs, output_dir=ours)

    network = NETWORKS[model_type][0]
    config = network.config_class.from_json_file(f"{ours}/{model_type}_config.json")
    values = tensors.read_checkpoint(os.path.join(ours, "model.ckpt"))
    features = batch(settings["vocab_size"])
    head, asked = "pretraining", model
    if model_type == "electra":
        head, asked = "encoder", getattr(model, model.base_model_prefix, model)
        values = {n: v for n, v in values.items() if not n.startswith("discriminator")}
    theirs_say = answers(asked, features)
    found = outputs_of(model_type, head, config, features, values)
    for part, ours_say in found.items():
        expected = output(theirs_say, part)
        difference, greatest = np.abs(ours_say - expected).max(), np.abs(expected).max()
        record_property(f"{name}, {part} up to {greatest:.1f}", f"{difference:.1e}")
        assert difference < 1e-5 * max(1, greatest)

    convert(
        from_="tf", to="hf", model_type=model_type, input_dir=ours, output_dir=again
    )
    with open(os.path.join(again, "config.json"), encoding="utf-8") as reader:
        assert json.load(reader)["hidden_act"] == settings["hidden_act"]
    returned = tensors.read_hugging_face(again)
    original = {n: p.detach().numpy() for n, p in model.named_parameters()}
    prefix = "" if hasattr(model, model.base_model_prefix) else "electra."
    tied = {key for key in original if prefix + key not in returned}
    assert tied <= {"cls.predictions.decoder.weight", "cls.predictions.decoder.bias"}
    for key in set(original) - tied:
        assert np.array_equal(returned[prefix + key], original[key]), key


# --- Tokenizers ------------------------------------------------------------------


def texts(name):
    with open(
        shared_golden("tokenization", name + ".jsonl"), encoding="utf-8"
    ) as lines:
        return [json.loads(line)["text"] for line in lines]


@pytest.mark.parametrize(
    "settings, vocab, name, most",
    [
        ("bert_cased", "vocab.txt", "bert_cased", 0),
        ("bert_uncased", "vocab.txt", "bert_uncased", 0),
        ("krbert_medium_cased", "vocab.txt", "krbertmedium_cased", 0),
        ("krbert_medium_uncased", "vocab.txt", "krbertmedium_uncased", 0),
        # Ways of equal score: see test_hf_tokenizer.
        ("albert_cased", "albert_spm.model", "albert_spm_cased", 4),
        ("albert_uncased", "albert_spm.model", "albert_spm_uncased", 4),
    ],
)
def test_auto_tokenizer_gives_our_ids(tmp_path, settings, vocab, name, most):
    ours = build_tokenizer(preset(settings), shared_golden("tokenization", vocab))
    tokenizer_files.write_tokenizer(ours, str(tmp_path), 512, True)
    model_type = "albert" if vocab.endswith(".model") else "bert"
    (tmp_path / "config.json").write_text(json.dumps({"model_type": model_type}))
    theirs = transformers.AutoTokenizer.from_pretrained(str(tmp_path))
    found = texts(name)
    ids = theirs(found, add_special_tokens=False)["input_ids"]
    expected = ours.encode_ids_batch(found)
    assert sum(a != b for a, b in zip(ids, expected)) <= most
    pair = theirs("영화", "좋다")
    assert pair["input_ids"][0] == ours.cls_id
    assert pair["token_type_ids"][-1] == 1


@pytest.mark.parametrize("model_type", ["bert", "electra"])
def test_a_published_tokenizer_is_read_with_the_rules_it_runs_with(
    tmp_path, model_type
):
    pieces = [*vocabulary(7), "나는", "집", "##에", "가", "##가"]
    (tmp_path / "vocab.txt").write_text("\n".join(pieces) + "\n", encoding="utf-8")
    (tmp_path / "config.json").write_text(json.dumps({"model_type": model_type}))
    settings = {"tokenizer_class": f"{model_type.title()}Tokenizer"}
    settings["do_lower_case"] = False
    (tmp_path / "tokenizer_config.json").write_text(json.dumps(settings))
    theirs = transformers.AutoTokenizer.from_pretrained(str(tmp_path))
    config = read_settings(str(tmp_path))
    ours = build_tokenizer(config, str(tmp_path / "vocab.txt"))
    texts = ["나\ue000는", "나는\u0378 집", "가" * 100 + " 집에", "가" * 101 + " 집에"]
    ids = theirs(texts, add_special_tokens=False)["input_ids"]
    assert ours.encode_ids_batch(texts) == ids


def test_masks_in_a_text_for_demonstrations(tmp_path):
    ours = build_tokenizer(
        preset("bert_cased"), shared_golden("tokenization", "vocab.txt")
    )
    tokenizer_files.write_tokenizer(ours, str(tmp_path), 512, False)
    theirs = transformers.AutoTokenizer.from_pretrained(str(tmp_path))
    assert ours.mask_id in theirs("영화 [MASK]")["input_ids"]

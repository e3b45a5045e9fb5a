"""What --scale=smoke changes: everything small, so that the chain takes a minute."""

from typing import Any, Dict

_LENGTH = {"max_seq_length": 64}

# Flags of the command of each step.
FLAGS: Dict[str, Dict[str, Any]] = {
    "clean": {},
    "vocabulary": {"vocab_size": 4000, "limit_alphabet": 1500, "num_unused_tokens": 5},
    "records": {"dupe_factor": 5, **_LENGTH},
    "pretraining": {
        "train_batch_size": 32,
        "eval_batch_size": 32,
        "num_train_steps": 200,
        "num_warmup_steps": 20,
        "learning_rate": 3e-4,  # at 1e-3 so few steps end in the same vector everywhere
        "log_every_steps": 20,
        "save_checkpoints_steps": 100,
        **_LENGTH,
    },
    "finetuning": {
        "train_batch_size": 16,
        "learning_rate": 5e-4,
        "num_train_epochs": 8.0,
        "eval_every_steps": 100,
        **_LENGTH,
    },
}

# Unigram pieces of a small text: fewer, and rare characters are left out.
SENTENCEPIECE = {"vocab_size": 1500, "character_coverage": 0.995}

_NETWORK = {
    "num_hidden_layers": 2,
    "hidden_size": 128,
    "num_attention_heads": 2,
    "intermediate_size": 512,
    "max_position_embeddings": 128,
}
_EMBEDDING = 64


def network(config: Dict[str, Any]) -> Dict[str, Any]:
    """A model's configuration (JSON values) with the sizes of a smoke run."""
    embedding = {"embedding_size": _EMBEDDING} if "embedding_size" in config else {}
    return {**config, **_NETWORK, **embedding}

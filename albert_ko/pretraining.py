"""ALBERT's objectives: masked language model, sentence order and word order.

Source: google-research/albert, run_pretraining.py; word order prediction (WOP) in
StructBERT's form, arXiv:1908.04577.
"""

from albert_ko.modeling import AlbertModel
from encoder_ko import objectives


def build(config, features, options) -> objectives.PretrainingOutput:
    """The pre-training graph of one batch; total = MLM + SOP + weight x WOP.

    Args:
      config: AlbertConfig.
      features: int32 input_ids, input_mask, segment_ids [B, S], masked_lm_positions,
        masked_lm_ids [B, P], float32 masked_lm_weights [B, P], int32
        next_sentence_labels [B, 1] (upstream's name; 1 = swapped), and, for WOP,
        wop_... like masked_lm_...
      options: objectives.GraphOptions.
    """
    model = options.encoder(AlbertModel, config, features)
    return objectives.combine(
        {
            **objectives.token_objectives(model, features),
            "sentence_order": objectives.sentence_objective(
                "sentence_order", model, features["next_sentence_labels"]
            ),
        },
        {"wop": options.wop_weight},
    )

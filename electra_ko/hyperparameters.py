"""What upstream's two configuration classes have in common."""

import difflib

from data.io.errors import InputError

MODEL = dict(
    model_size="small",
    embedding_size=None,
    vocab_size=30522,
    do_lower_case=True,
)
TPU = dict(
    use_tpu=False,
    num_tpu_cores=1,
    tpu_job_name=None,
    tpu_name=None,
    tpu_zone=None,
    gcp_project=None,
)
EMBEDDING_SIZE_OF_SMALL = 128


class Hparams:
    """Attributes by name, which may be changed.

    Args:
      **values: the attributes and their values.
    """

    def __init__(self, **values):
        self.__dict__.update(values)

    def update(self, changes) -> None:
        """Changes attributes.

        Args:
          changes: {name: value}.

        Raises:
          InputError: a name that is none of the attributes.
        """
        for name in changes:
            if name not in self.__dict__:
                near = difflib.get_close_matches(name, self.__dict__, 1)
                hint = f"; did you mean {near[0]!r}?" if near else "."
                raise InputError(f"Unknown hparam {name!r}{hint}")
        self.__dict__.update(changes)

"""What the three models share: encoder, heads, optimisers, training, conversion."""

import os

import data


def _require_own_data_package():
    """`data` is a common name: another installed one would win silently."""
    found = os.path.abspath(next(iter(data.__path__)))
    expected = os.path.join(
        os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "data"
    )
    if found != expected:
        raise ImportError(
            f"`import data` finds {found}, not {expected}: another package of that "
            "name comes first. Run from the checkout, or uninstall the other package."
        )


_require_own_data_package()

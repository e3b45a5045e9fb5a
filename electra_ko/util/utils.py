"""Files and messages by the names of google-research/electra's util/utils.py."""

import json
import os
import pickle

from data.io import files


def load_json(path):
    """What a JSON file holds."""
    return json.loads(files.read_text(path))


def write_json(o, path):
    """Writes a JSON file, and makes its folder; an existing one is replaced."""
    _write(json.dumps(o).encode("utf-8"), path)


def load_pickle(path):
    """What a pickle file holds. Never open one that you would not run."""
    return pickle.loads(files.read_bytes(path))


def write_pickle(o, path):
    """Writes a pickle file, and makes its folder; an existing one is replaced."""
    _write(pickle.dumps(o, -1), path)


def _write(content, path):
    mkdir(os.path.dirname(path))
    with files.new_file(path, overwrite=True) as writer:
        writer.write(content)


def mkdir(path):
    """Makes a folder, and those above it, unless it is there."""
    if path:
        files.make_folder(path)


def rmrf(path):
    """Deletes a folder and all that is in it, if it is there."""
    if files.exists(path):
        files.remove_folder(path)


def rmkdir(path):
    """Makes an empty folder: deletes all that is in it."""
    rmrf(path)
    mkdir(path)


def log(*args):
    """Prints at once."""
    print(*args, flush=True)


def log_config(config):
    """Prints every attribute, one a line, by name."""
    for name, value in sorted(vars(config).items()):
        log(name, value)
    log()


def heading(*args):
    """Prints between two lines of 80 equals signs."""
    log(80 * "=")
    log(*args)
    log(80 * "=")


def nest_dict(d, prefixes, delim="_"):
    """{"a_x": 1} with the prefix "a" -> {"a": {"x": 1}}; other keys stay."""
    nested = {}
    for key, value in d.items():
        prefix = next((p for p in prefixes if key.startswith(p + delim)), None)
        if prefix is None:
            nested[key] = value
        else:
            nested.setdefault(prefix, {})[key[len(prefix + delim) :]] = value
    return nested


def flatten_dict(d, delim="_"):
    """{"a": {"x": 1}} -> {"a_x": 1}; values that are no dictionaries stay."""
    flat = {}
    for key, value in d.items():
        if isinstance(value, dict):
            flat.update({key + delim + inner: v for inner, v in value.items()})
        else:
            flat[key] = value
    return flat

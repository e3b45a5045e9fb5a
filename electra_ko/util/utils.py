"""Files and messages by the names of google-research/electra's util/utils.py."""

import json
import os
import pickle

from data.io.files import file_system, new_file


def load_json(path):
    """What a JSON file holds."""
    with file_system(path).open(path, "rb") as reader:
        return json.loads(reader.read().decode("utf-8"))


def write_json(o, path):
    """Writes a JSON file, and makes its folder; an existing one is replaced."""
    _write(json.dumps(o).encode("utf-8"), path)


def load_pickle(path):
    """What a pickle file holds. Never open one that you would not run."""
    with file_system(path).open(path, "rb") as reader:
        return pickle.loads(reader.read())


def write_pickle(o, path):
    """Writes a pickle file, and makes its folder; an existing one is replaced."""
    _write(pickle.dumps(o, -1), path)


def _write(content, path):
    mkdir(os.path.dirname(path))
    with new_file(path, overwrite=True, files=file_system(path)) as writer:
        writer.write(content)


def mkdir(path):
    """Makes a folder, and those above it, unless it is there."""
    if path:
        file_system(path).make_directories(path)


def rmrf(path):
    """Deletes a folder and all that is in it, if it is there."""
    if file_system(path).exists(path):
        file_system(path).remove_tree(path)


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

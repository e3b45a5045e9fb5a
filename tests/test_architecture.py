"""The rules of the project's shape, by reading the source: imports, flags, randomness.

data  <-  encoder_ko  <-  bert_ko, albert_ko, electra_ko  <-  korean_encoders  <-
scripts in the root
"""

import ast
import os
import sys

import pytest

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
LAYERS = {
    "data": 0,
    "encoder_ko": 1,
    "bert_ko": 2,
    "albert_ko": 2,
    "electra_ko": 2,
    "korean_encoders": 3,
}
SCRIPTS = 4
MODEL_NAMES = ("bert", "albert", "electra")
# Modules that take the parsed flags, or the words to parse, from a script.
FLAG_PARSERS = ("data.io.cli", "encoder_ko.cli", "data.io.flag_files")
TENSORFLOW_IN_DATA = (
    "data.io.file_system",
    "data.records.schema",
    "data.records.input_pipeline",
    "data.records.mixing",
    "data.records.pretraining_pipeline",
    "data.records.shares",
)
# The door to users' files, and who else opens, lists, renames or deletes what, and why.
DOOR = ("data.io.file_system", "data.io.files", "data.io.locks")
FILE_ACCESS = {
    # Says where temporary files are; drops what nobody reads of the standard output.
    "data.io.cli": {"tempfile.gettempdir", "os.open"},
    "data.train_vocab": {"tempfile.TemporaryFile"},  # has no name
    "encoder_ko": {"os.path.abspath"},  # of this package
    # Links by which TensorFlow reads a checkpoint whose name looks like a pattern.
    "encoder_ko.training.checkpoints": {
        "tempfile.mkdtemp",
        "shutil.rmtree",
        "os.symlink",
        "os.path.abspath",
    },
    # Where the workers of a job that are not its chief write what nobody reads.
    "encoder_ko.replicas.processes": {"tempfile.mkdtemp", "shutil.rmtree"},
    "encoder_ko.benchmark.plan": {"os.path.relpath"},  # files of this machine only
    "encoder_ko.training.hooks": {"os.write"},  # to standard error, within a signal
    "encoder_ko.recipes.workers": {"open"},  # logs that processes write to and read
    "data.download.fetch": {"shutil.copyfileobj"},  # from stream to stream
    "korean_encoders": {"os.path.realpath"},  # of this package
    "korean_encoders.launch": {"os.path.abspath"},  # of this package
    "korean_encoders.package_data": {
        "os.path.abspath",
        "os.path.isdir",
        "os.path.relpath",
    },
}
# What is done to names alone, or to the process.
NO_FILE_ACCESS = (
    "os.PathLike",
    "os.path.join",
    "os.path.basename",
    "os.path.dirname",
    "os.path.split",
    "os.path.commonprefix",
    "os.environ",
    "os.getpid",
    "os.getppid",
    "os.cpu_count",
    "os.sysconf",
    "os.strerror",
    "os.devnull",
    "os.sep",
    "os.curdir",
    "os.pathsep",
    "os._exit",
    "os.dup2",
    "os.O_",
    "os.kill",
)
MOST_LINES = 400
MOST_LINES_OF_A_FUNCTION = 60


def source_files():
    """Module name -> path, for the packages and the scripts in the root."""
    found = {}
    for name in sorted(os.listdir(ROOT)):
        if name.endswith(".py") and name != "setup.py":
            found[name[: -len(".py")]] = os.path.join(ROOT, name)
    for package in LAYERS:
        for folder, _, names in os.walk(os.path.join(ROOT, package)):
            for name in sorted(names):
                if name.endswith(".py"):
                    path = os.path.join(folder, name)
                    module = os.path.relpath(path, ROOT)[: -len(".py")]
                    module = module.replace(os.sep, ".")
                    found[module.replace(".__init__", "")] = path
    return found


FILES = source_files()


def read(path):
    with open(path, encoding="utf-8") as reader:
        return reader.read()


TREES = {module: ast.parse(read(path)) for module, path in FILES.items()}
COMMANDS = {
    module
    for module, path in FILES.items()
    if module.startswith(("data.", "korean_encoders.commands."))
    and (
        '__name__ == "__main__"' in read(path)
        or module.endswith(".command")
        or module.startswith("korean_encoders.")
    )
}


def top(module):
    return module.split(".")[0]


def layer(module):
    return LAYERS.get(top(module), SCRIPTS)


def imports(module):
    """The dotted names that a module imports, relative ones made absolute."""
    is_package = os.path.basename(FILES[module]) == "__init__.py"
    package = module.split(".") if is_package else module.split(".")[:-1]
    for node in ast.walk(TREES[module]):
        if isinstance(node, ast.Import):
            for name in node.names:
                yield name.name
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            base = ".".join(base + ([node.module] if node.module else []))
            for name in node.names:
                yield f"{base}.{name.name}"


def modules_imported(module):
    """Modules of the project that a module imports."""
    for name in imports(module):
        while name and name not in FILES:
            name = name.rpartition(".")[0]
        if name and name != module:
            yield name


# Modules by the names that the rules know them by.
SHORT_NAMES = {
    "absl.flags": "flags",
    "encoder_ko.compat.tf": "tf",
    "numpy": "np",
    "tensorflow": "tf",
}


def names_imported(tree):
    """Name in the module -> what it stands for, whatever it is called there."""
    found = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for name in node.names:
                if name.asname or "." not in name.name:
                    found[name.asname or name.name] = name.name
        elif isinstance(node, ast.ImportFrom) and not node.level:
            for name in node.names:
                found[name.asname or name.name] = f"{node.module}.{name.name}"
    for local, full in found.items():
        for module, short in SHORT_NAMES.items():
            if full == module or full.startswith(f"{module}."):
                found[local] = short + full[len(module) :]
    return found


def names_used(tree):
    """(dotted name, node) of all that is used of a module, such as np.random.seed."""
    imported = names_imported(tree)
    for node in ast.walk(tree):
        parts, inner = [], node
        while isinstance(inner, ast.Attribute):
            parts.append(inner.attr)
            inner = inner.value
        if isinstance(inner, ast.Name) and (parts or inner.id in imported):
            name = imported.get(inner.id, inner.id)
            yield ".".join([name] + parts[::-1]), node


def test_a_name_is_found_whatever_it_is_called():
    tree = ast.parse(
        "import random as r\nfrom os import listdir as ls\nimport numpy.random\n"
        "from encoder_ko.compat import tf as t\nfrom absl.flags import DEFINE_string\n"
        "r.shuffle(ls('a'))\nt.keras.layers\nDEFINE_string('x')\na.b"
    )
    names = {name for name, _ in names_used(tree)}
    assert names >= {"random.shuffle", "os.listdir", "tf.keras.layers", "a.b"}
    assert names >= {"flags.DEFINE_string"}


def test_imports_go_downwards():
    for module in FILES:
        for imported in modules_imported(module):
            same = top(module) == top(imported)
            assert same or layer(imported) < layer(module), f"{module} -> {imported}"


def test_no_circle_of_imports():
    done = set()

    def visit(module, way):
        assert module not in way, " -> ".join(way[way.index(module) :] + [module])
        if module not in done:
            for imported in modules_imported(module):
                visit(imported, way + [module])
            done.add(module)

    for module in FILES:
        visit(module, [])


def test_data_imports_its_own_modules_relatively():
    """So that it cannot mix with another installed package of that name."""
    for module in FILES:
        if top(module) == "data":
            for node in ast.walk(TREES[module]):
                if isinstance(node, ast.ImportFrom) and not node.level:
                    assert top(node.module) != "data", module
                elif isinstance(node, ast.Import):
                    assert "data" not in [top(name.name) for name in node.names], module


def test_tensorflow_is_imported_where_the_rules_say():
    for module in FILES:
        names = [name for name in imports(module) if top(name) == "tensorflow"]
        if top(module) == "data":
            allowed = module in TENSORFLOW_IN_DATA or module in COMMANDS
            assert allowed or not names, f"{module} imports {names}"
        else:
            assert module == "encoder_ko.compat" or not names, module


def test_only_compat_asks_for_the_tensorflow_version():
    asking = ("IS_TF2", "tf.__version__", "tf.version", "tf.VERSION")
    for module in FILES:
        if module != "encoder_ko.compat":
            for name, _ in names_used(TREES[module]):
                assert not name.endswith("IS_TF2"), module
                assert not name.startswith(asking), f"{module}: {name}"


def test_no_contrib_layers_or_keras():
    for module, tree in TREES.items():
        for name, _ in names_used(tree):
            assert not name.startswith(("tf.contrib", "tf.layers", "tf.keras")), module
        for name in imports(module):
            assert "keras" not in name and "contrib" not in name, f"{module}: {name}"


def test_users_files_are_reached_through_one_door():
    """Also in the commands, so that a path may be a URL wherever a path is taken."""
    modules = ("os", "shutil", "glob", "tempfile", "pathlib", "fcntl", "tf.io.gfile")
    used = {}
    for module, tree in TREES.items():
        found = {name for name, _ in names_used(tree)}
        found = {
            name for name in found if name.startswith(tuple(f"{m}." for m in modules))
        }
        found -= {name for name in found if name.startswith(NO_FILE_ACCESS)}
        if "open" in {n.func.id for n in calls_by_name(tree)}:
            found.add("open")
        if found and module not in DOOR:
            used[module] = {name for name in found if name != "os.path"}
    assert {m: names for m, names in used.items() if names} == FILE_ACCESS


def calls_by_name(tree):
    """Calls such as `open(path)`, whose function is a plain name."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            yield node


def test_flags_live_in_commands_and_are_passed_on_by_from_flags():
    for module, tree in TREES.items():
        if layer(module) == SCRIPTS or module in COMMANDS or module in FLAG_PARSERS:
            continue
        if "absl.flags" in list(imports(module)):
            assert "def from_flags(" in read(FILES[module]), module
        used = [n for n, _ in names_used(tree) if n.startswith(("flags.D", "FLAGS"))]
        assert not used, f"{module}: {used}"


STATELESS = (
    "np.random.RandomState",
    "np.random.Generator",
    "np.random.SeedSequence",
    "np.random.default_rng",
    "np.random.PCG64",
    "np.random.Philox",
    "random.Random",
    "tf.random.stateless_uniform",
    "tf.random.stateless_normal",
)


def test_no_global_random_state():
    """Every random choice takes a generator or a seed."""
    for module, tree in TREES.items():
        calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call)]
        keywords = {id(c.func): {k.arg for k in c.keywords} for c in calls}
        imported = set(imports(module))
        shared = ["np.random.", "tf.random."]
        shared += ["random."] if "random" in imported else []
        for name, node in names_used(tree):
            if name.startswith(tuple(shared)):
                allowed = name.startswith(STATELESS) or "seed" in keywords.get(
                    id(node), ()
                )
                assert allowed, f"{module}: {name}"
            assert "set_random_seed" not in name, f"{module}: {name}"
        assert not any(name.startswith("random.") for name in imported), module


def test_every_package_is_listed_for_installation():
    packages = {
        os.path.relpath(os.path.dirname(path), ROOT).replace(os.sep, ".")
        for path in FILES.values()
        if os.path.basename(path) == "__init__.py"
    }
    call = ast.parse(read(os.path.join(ROOT, "setup.py"))).body[-1].value
    listed = {k.arg: k.value for k in call.keywords}["packages"]
    assert sorted(ast.literal_eval(listed)) == sorted(packages)


def test_every_folder_of_modules_is_a_package():
    for path in FILES.values():
        folder = os.path.dirname(path)
        assert folder == ROOT or os.path.exists(os.path.join(folder, "__init__.py"))


@pytest.mark.skipif(sys.version_info < (3, 8), reason="needs feature_version of ast")
def test_syntax_is_that_of_python_3_7():
    for path in FILES.values():
        ast.parse(read(path), feature_version=(3, 7))


def test_users_mistakes_are_no_assertions_and_no_error_is_swallowed():
    for module, tree in TREES.items():
        for node in ast.walk(tree):
            assert not isinstance(node, ast.Assert), f"{module}, line {node.lineno}"
            if isinstance(node, ast.ExceptHandler):
                types = getattr(node.type, "elts", [node.type])
                assert not any(map(is_everything, types)), f"{module}, {node.lineno}"
            if isinstance(node, ast.Name):
                assert node.id != "AssertionError", f"{module}, line {node.lineno}"
        for name, node in calls_of_modules(tree):
            if name == "contextlib.suppress":
                place = f"{module}, line {node.lineno}"
                assert not any(map(is_everything, node.args)), place


def is_everything(type_of_error):
    return type_of_error is None or getattr(type_of_error, "id", "") in (
        "Exception",
        "BaseException",
    )


def calls_of_modules(tree):
    """(dotted name, call) of calls such as `contextlib.suppress(OSError)`."""
    names = {id(node): name for name, node in names_used(tree)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and id(node.func) in names:
            yield names[id(node.func)], node


def test_modules_and_functions_are_short():
    """A script's declarations of flags do not count: they are its manual."""
    for module, tree in TREES.items():
        lines = read(FILES[module]).count("\n") - lines_of_flags(tree, FILES[module])
        assert lines <= MOST_LINES, f"{module} has {lines} lines"
        for node in ast.walk(tree):
            if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
                lines = lines_of_code(node, FILES[module])
                place = f"{module}.{node.name} has {lines} lines"
                assert lines <= MOST_LINES_OF_A_FUNCTION, place


def lines_of_flags(tree, path):
    if "import flags" not in read(path):
        return 0
    starts = [node.lineno for node in tree.body] + [read(path).count("\n")]
    return sum(
        end - node.lineno
        for node, end in zip(tree.body, starts[1:])
        if "flags.DEFINE" in "".join(name for name, _ in names_used(node))
        and isinstance(node, ast.Expr)
    )


def lines_of_code(function, path):
    """Lines from `def` to the end, without the docstring and blank lines."""
    source = read(path).split("\n")
    first = function.lineno
    last = max(getattr(node, "lineno", 0) for node in ast.walk(function))
    code = [line for line in source[first - 1 : last] if line.strip()]
    docstring = ast.get_docstring(function, clean=False) or ""
    return len(code) - len([line for line in docstring.split("\n") if line.strip()])


# Names that programs written for google-research/electra import.
UPSTREAMS_NAMES = (
    "electra_ko.util",
    "electra_ko.util.training_utils",
    "electra_ko.util.utils",
)


def test_names_say_what_a_module_is():
    for module in set(FILES) - set(UPSTREAMS_NAMES):
        last = module.split(".")[-1]
        words = last.split("_")
        for vague in ("utils", "util", "helper", "manager", "misc", "common"):
            assert vague not in words, module


def room(module):
    """The folder of a module, as seen from the root; "" for the scripts."""
    return os.path.relpath(os.path.dirname(FILES[module]), ROOT).replace(os.sep, "/")


def test_a_room_is_seen_at_a_glance():
    files = {}
    for module in FILES:
        files.setdefault(room(module), []).append(module)
    crowded = {name: len(held) for name, held in files.items() if len(held) > 15}
    assert not crowded


def test_no_circle_of_rooms():
    entered = {room(module): set() for module in FILES}
    for module in FILES:
        for imported in modules_imported(module):
            if room(imported) != room(module):
                entered[room(module)].add(room(imported))

    def visit(name, way):
        assert name not in way, " -> ".join(way[way.index(name) :] + [name])
        for other in sorted(entered[name]):
            visit(other, way + [name])

    for name in entered:
        visit(name, [])


# Google's repositories have classes of these names in common, with their own contents.
OF_SEVERAL_UPSTREAMS = {
    "AdamWeightDecayOptimizer",
    "BasicTokenizer",
    "BertConfig",
    "BertModel",
    "FullTokenizer",
    "Inputs",  # data.pretraining has its own
}


def test_no_public_class_name_is_there_twice():
    found = {}
    for module, tree in TREES.items():
        for node in ast.walk(tree):
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                found.setdefault(node.name, []).append(module)
    twice = {name: held for name, held in found.items() if len(held) > 1}
    assert set(twice) <= OF_SEVERAL_UPSTREAMS, twice


# What Hugging Face calls the models, and which configuration keys each one has there.
NAMES_OF_MODELS_IN_ENCODER_KO = ("encoder_ko.hub.config",)


def test_what_the_models_share_names_none_of_them():
    for module, tree in TREES.items():
        if top(module) != "encoder_ko" or module in NAMES_OF_MODELS_IN_ENCODER_KO:
            continue
        for node in ast.walk(tree):
            if isinstance(node, ast.Constant):
                assert node.value not in MODEL_NAMES, f"{module}: {node.value}"


def test_scripts_are_thin():
    for module in FILES:
        if layer(module) == SCRIPTS:
            lines = read(FILES[module]).count("\n")
            assert lines <= 20, f"{module} has {lines} lines"
            for imported in imports(module):
                allowed = ("korean_encoders", "encoder_ko.cli", "data.io.cli")
                assert imported.startswith(allowed), f"{module}: {imported}"

"""The rules of the house that a machine can check. A rule that matters is here or in a linter.

Sizes are held by a ratchet (`ratchet.toml`): what is too large today is listed with its size, may shrink and may not
grow, and its line goes when it fits.
"""

import ast
import re
import subprocess
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
BANNED = {"utils", "util", "helpers", "helper", "common", "misc", "manager"}
PYTHON_LINES, RUST_LINES, TEST_LINES, FUNCTION_LINES = 500, 800, 1000, 70
RATCHET = tomllib.loads((Path(__file__).parent / "ratchet.toml").read_text())
STUB_WORDS = re.compile(r"\b(TODO|FIXME|XXX|HACK)\b(?!.*#\d+)")
MACHINE = re.compile(r"(?<![\w$])/(?:home|root|work|Users)/\w")


def tracked(*suffixes: str) -> list[Path]:
    """The repository's own files: tracked, or new and not ignored."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout.splitlines()
    return [ROOT / name for name in listed if name.endswith(suffixes) and (ROOT / name).is_file()]


def name_of(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def held(kind: str, sizes: dict[str, int], limit: int) -> list[str]:
    """What breaks the limit or the ratchet."""
    allowed: dict[str, int] = RATCHET.get(kind, {})
    over = [
        f"{name}: {size} lines, at most {allowed.get(name, limit)}"
        for name, size in sizes.items()
        if size > allowed.get(name, limit)
    ]
    slack = [
        f"{name}: its line in ratchet.toml can shrink to {sizes.get(name, 0)} or go"
        for name, most in allowed.items()
        if sizes.get(name, 0) < most
    ]
    return over + slack


def limit_of(path: Path) -> int:
    if path.suffix == ".rs":
        return RUST_LINES
    return TEST_LINES if name_of(path).startswith(("tests/", "s3-compat-tests/")) else PYTHON_LINES


def test_files_fit() -> None:
    faults = []
    for path in tracked(".py", ".pyi", ".rs"):
        lines = len(path.read_text("utf-8").splitlines())
        faults += held("files", {name_of(path): lines}, limit_of(path)) if lines > limit_of(path) else []
    stale = [
        name
        for name in RATCHET.get("files", {})
        if not (ROOT / name).exists() or len((ROOT / name).read_text().splitlines()) <= limit_of(ROOT / name)
    ]
    assert not faults + stale


def python_functions(path: Path) -> Iterator[tuple[str, int]]:
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield f"{name_of(path)}::{node.name}", (node.end_lineno or node.lineno) - node.lineno + 1


def rust_functions(path: Path) -> Iterator[tuple[str, int]]:
    """Functions of rustfmt'd source: the brace that closes one stands alone, as deep as its first line."""
    start: tuple[str, int, str] | None = None
    for number, line in enumerate(path.read_text("utf-8").splitlines()):
        if start is None and (
            match := re.match(r"(\s*)(?:pub(?:\([^)]*\))? )?(?:const |async |unsafe |extern \"C\" )*fn (\w+)", line)
        ):
            if not line.rstrip().endswith(("}", ";")):
                start = (match[2], number, match[1])
        elif start is not None and line in (start[2] + "}", start[2] + "};"):
            yield f"{name_of(path)}::{start[0]}", number - start[1] + 1
            start = None
        elif start is not None and line == start[2] + ";":
            start = None


def test_functions_fit() -> None:
    sizes: dict[str, int] = {}
    for path in tracked(".py"):
        sizes.update({name: size for name, size in python_functions(path) if size > sizes.get(name, 0)})
    for path in tracked(".rs"):
        sizes.update({name: size for name, size in rust_functions(path) if size > sizes.get(name, 0)})
    assert len(sizes) > 100
    assert not held("functions", sizes, FUNCTION_LINES)


def test_no_module_has_a_name_that_says_nothing() -> None:
    assert [name_of(path) for path in tracked(".py", ".rs") if path.stem in BANNED or path.parent.name in BANNED] == []


def test_every_module_opens_with_what_belongs_in_it() -> None:
    silent = []
    for path in tracked(".py"):
        if ast.get_docstring(ast.parse(path.read_text("utf-8"))) is None and path.read_text().strip():
            silent.append(name_of(path))
    for path in tracked(".rs"):
        text = path.read_text("utf-8")
        if "/src/" in name_of(path) and text.strip() and not text.startswith("//!"):
            silent.append(name_of(path))
    assert silent == []


def test_nothing_is_left_for_later_without_a_number() -> None:
    faults = []
    for path in tracked(".py", ".rs", ".toml", ".md", "Makefile"):
        if path == Path(__file__):
            continue
        for number, line in enumerate(path.read_text("utf-8").splitlines(), 1):
            if STUB_WORDS.search(line) and "no TODO" not in line and '"XXX' not in line:
                faults.append(f"{name_of(path)}:{number}: {line.strip()[:80]}")
    assert faults == []


def test_no_function_is_a_stub() -> None:
    faults = []
    for path in tracked(".py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Raise) and "NotImplementedError" in ast.dump(node):
                faults.append(f"{name_of(path)}:{node.lineno}")
    assert faults == []


def test_no_path_of_somebodys_machine_and_no_registry_is_committed() -> None:
    faults = []
    for path in tracked(".py", ".rs", ".toml", ".lock", ".txt", ".in", ".yaml", ".sh", "Makefile", "Dockerfile"):
        if path == Path(__file__):
            continue
        for number, line in enumerate(path.read_text("utf-8").splitlines(), 1):
            if MACHINE.search(line) or ("requirements/" in name_of(path) and "://" in line):
                faults.append(f"{name_of(path)}:{number}: {line.strip()[:80]}")
    assert faults == []


def test_only_the_binding_crate_knows_python() -> None:
    knows = {path.parent.name for path in (ROOT / "rust/crates").glob("*/Cargo.toml") if "pyo3" in path.read_text()}
    assert knows == {"py"}


def rust_codes() -> set[str]:
    source = (ROOT / "rust/crates/base/src/error.rs").read_text()
    return set(re.findall(r"^    (\w+) \d{3} \"", source, re.MULTILINE))


def test_every_code_python_answers_with_is_on_the_closed_list() -> None:
    from gateway.errors import Code

    assert len(rust_codes()) > 80
    assert {code.value for code in Code} <= rust_codes()


def test_every_code_of_the_control_plane_is_used() -> None:
    from gateway.errors import Code

    text = "".join(path.read_text() for path in (ROOT / "gateway").rglob("*.py") if path.name != "errors.py")
    assert [code.name for code in Code if f"Code.{code.name}" not in text] == []


def test_the_extension_lists_the_codes_of_its_source() -> None:
    native = pytest.importorskip("storage.native", exc_type=ImportError)
    assert {code for code, _, _ in native.error_codes()} == rust_codes()


def test_limits_that_both_sides_have_are_one_value() -> None:
    from gateway import limits

    source = (ROOT / "rust/crates/base/src/limits.rs").read_text()
    rust = dict(re.findall(r"pub const (\w+): \w+ = ([^;]+);", source))
    shared = {name for name in vars(limits) if name in rust}
    assert {"BUCKET_NAME_MAX", "OBJECT_TAGS", "BUCKET_TAGS", "TAG_KEY_CHARS", "XML_DEPTH"} <= shared
    for name in shared:
        assert getattr(limits, name) == eval(rust[name].replace("_", "")), name


def test_limits_of_passwords_are_those_of_links() -> None:
    from gateway import limits

    source = (ROOT / "rust/crates/front/src/passwords.rs").read_text()
    assert f"const ANOTHER_AFTER: Duration = Duration::from_secs({limits.PASSWORD_PAUSE_S});" in source
    assert f"const PASSWORD_BYTES: usize = {limits.PASSWORD_MAX};" in source


def test_every_limit_is_used() -> None:
    from gateway import limits

    text = "".join(path.read_text() for path in (ROOT / "gateway").rglob("*.py") if path.name != "limits.py")
    assert [name for name in vars(limits) if name.isupper() and name not in text] == []


def test_generated_pages_are_as_the_sources_say() -> None:
    import sys

    # `make lint` stands before the build and must not need it; `make test` builds first and reads the pages there.
    pytest.importorskip("storage.native", exc_type=ImportError)

    sys.path.insert(0, str(ROOT / "tools"))
    import write_docs

    stale = [
        name_of(path)
        for path, content in write_docs.pages().items()
        if not path.exists() or path.read_text() != content
    ]
    assert stale == [], "run `make docs`"


def test_links_between_pages_lead_somewhere() -> None:
    broken = []
    for page in tracked(".md"):
        for target in re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", page.read_text("utf-8")):
            if "://" not in target and not (page.parent / target).exists():
                broken.append(f"{name_of(page)} -> {target}")
    assert broken == []


def test_the_locks_hold_every_dependency_with_a_hash() -> None:
    for name in ("serve", "dev"):
        text = (ROOT / "requirements" / f"{name}.txt").read_text()
        packages = re.findall(r"^[a-z0-9-]+==", text, re.MULTILINE)
        assert packages
        for block in re.split(r"\n(?=\S)", text.strip()):
            assert "--hash=sha256:" in block, block.splitlines()[0]

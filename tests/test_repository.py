"""House rules: what a newcomer is told exists, what is generated is current, rooms keep apart, nothing points elsewhere."""

import ast
import re
import shlex
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import typer.main

from onefact.cli.app import app
from schemas.derive.catalogue import page

ROOT = Path(__file__).parent.parent
MARKDOWN = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")])
READMES = [ROOT / "README.md", ROOT / "README.zh-CN.md"]
LARGEST_PICTURE = 300_000

ELSEWHERE = [
    *("pypi." + "org", "pythonhosted." + "org", "npmjs." + "org", "mirrors." + "aliyun", "pypi.tuna." + "tsinghua"),
    *("--index" + "-url", "extra-index" + "-url", "trusted" + "-host", "/wo" + "rk/", "/ro" + "ot/", "/ho" + "me/"),
]
"""Package registries and places on one machine; written in two parts so that this file does not hold them."""


@cache
def tracked() -> list[Path]:
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=False)
    if listed.returncode == 0:
        return [p for name in listed.stdout.decode().split("\0") if name and (p := ROOT / name).is_file()]
    return [p for p in ROOT.rglob("*") if p.is_file() and not {".venv", ".git", ".onefact"} & set(p.parts)]


def texts() -> Iterator[tuple[Path, str]]:
    for path in tracked():
        if path.suffix not in {".png", ".parquet", ".xlsx"}:
            yield path, path.read_bytes().decode("utf-8", errors="ignore")


def code() -> list[Path]:
    return [p for p in tracked() if p.suffix == ".py" and p.relative_to(ROOT).parts[0] not in {"tests", "benchmarks"}]


def test_rooms_keep_to_their_contracts() -> None:
    lint = Path(sys.executable).parent / "lint-imports"
    done = subprocess.run([str(lint), "--no-cache"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


def test_every_room_is_under_contract() -> None:
    declared = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["importlinter"][
        "root_packages"
    ]
    rooms = {p.relative_to(ROOT).parts[0] for p in tracked() if p.name == "__init__.py"} - {"tests", "benchmarks"}
    assert rooms <= set(declared)


def test_the_command_line_loads_no_engine_before_a_verb_needs_it() -> None:
    heavy = ["airflow", "great_expectations", "duckdb", "pyarrow", "pandas", "sqlalchemy", "sandbox"]
    program = f"import sys, onefact.cli; print([m for m in {heavy} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_nothing_points_at_a_registry_or_at_a_place_on_one_machine() -> None:
    found = [f"{p.relative_to(ROOT)}: {e}" for p, text in texts() for e in ELSEWHERE if e in text]
    assert found == []


def test_no_unfinished_code() -> None:
    marks = re.compile(
        r"\b(" + "|".join(["TO" + "DO", "FIX" + "ME", "X" * 3, "raise NotImplemented" + "Error"]) + r")\b"
    )
    found = [f"{p.relative_to(ROOT)}:{m.group()}" for p, text in texts() if p in code() for m in marks.finditer(text)]
    assert found == []


def test_the_field_catalogue_is_current() -> None:
    current = (ROOT / "docs" / "catalogue.md").read_text(encoding="utf-8")
    assert current == page(), "run: onefact schema catalogue, and keep its output as docs/catalogue.md"


def test_pins_are_exact_and_the_test_set_holds_the_same_versions() -> None:
    run, dev = (dict(pins(ROOT / name)) for name in ("requirements.txt", "requirements-dev.txt"))
    assert run.items() <= dev.items()
    for extra in ("spark", "gx", "airflow"):
        held = dict(pins(ROOT / f"requirements-{extra}.txt"))
        assert {n: v for n, v in held.items() if n in dev} == {n: dev[n] for n in held if n in dev}
    for name in re.findall(r"^[A-Za-z0-9_.-]+", (ROOT / "requirements.in").read_text(encoding="utf-8"), re.MULTILINE):
        assert name.lower() in run, f"{name} is in requirements.in and not pinned"


def pins(path: Path) -> Iterator[tuple[str, str]]:
    for line in path.read_text(encoding="utf-8").splitlines():
        name, equals, version = line.partition("==")
        assert equals, f"{path.name}: {line} is not an exact pin"
        yield name, version


def test_pictures_are_small() -> None:
    assert [p.name for p in tracked() if p.suffix == ".png" and p.stat().st_size >= LARGEST_PICTURE] == []


def test_public_things_are_documented() -> None:
    silent = []
    for path in code():
        tree = ast.parse(path.read_text(encoding="utf-8"))
        if not ast.get_docstring(tree) and tree.body:
            silent.append(str(path.relative_to(ROOT)))
    assert silent == []


# --- what the pages promise


def fenced(text: str) -> list[str]:
    return re.findall(r"^```(?:sh|bash|shell|console)\n(.*?)^```", text, re.MULTILINE | re.DOTALL)


def commands(path: Path) -> list[str]:
    """Every `onefact …` and `make …` of a page: lines of its shell blocks, and commands within sentences."""
    text = path.read_text(encoding="utf-8")
    lines = [line.removeprefix("$ ").split(" #")[0].strip() for block in fenced(text) for line in block.splitlines()]
    prose = re.sub(r"^```.*?^```", "", text, flags=re.MULTILINE | re.DOTALL)
    lines += [inline.strip() for inline in re.findall(r"`((?:onefact|make|\.venv/bin/onefact) [^`]+)`", prose)]
    return [line for line in lines if re.match(r"(\.venv/bin/)?(onefact|make)\b", line)]


def refusal(command: str) -> str | None:
    """Return why the command does not exist, None when it does."""
    words = shlex.split(re.split(r"[|>]", command)[0])
    if words[0] == "make":
        targets = re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
        unknown = [w for w in words[1:] if "=" not in w and w not in targets]
        return f"no target {unknown}" if unknown else None
    current: Any = typer.main.get_command(app)
    known = {"--help"}
    for word in words[1:]:
        known |= {option for p in current.params for option in (*p.opts, *p.secondary_opts)}
        if word.startswith("--"):
            if word.split("=")[0] not in known:
                return f"no option {word}"
        elif word in getattr(current, "commands", {}):
            current = current.commands[word]
        elif hasattr(current, "commands") and word.isidentifier() and not _is_value(word, words):
            return f"no command {word}"
    return None


def _is_value(word: str, words: list[str]) -> bool:
    return words[words.index(word) - 1].startswith("--")


@pytest.mark.parametrize("path", MARKDOWN, ids=lambda p: p.name)
def test_commands_on_a_page_exist(path: Path) -> None:
    wrong = [f"{command}: {why}" for command in commands(path) if (why := refusal(command))]
    assert wrong == []


@pytest.mark.parametrize(("command", "exists"), [
    ("onefact demo --people 100", True), ("onefact --home x pull sg_etong", True), ("onefact systems check a.yaml", True),
    ("onefact fly", False), ("onefact systems fly", False), ("onefact push --fast", False), ("make demo PEOPLE=3", True),
    ("make fly", False),
])  # fmt: skip
def test_a_command_that_does_not_exist_would_be_found(command: str, exists: bool) -> None:
    assert (refusal(command) is None) == exists


def test_both_readmes_give_the_same_commands() -> None:
    english, chinese = (commands(p) for p in READMES)
    assert {"make demo", "make test"} <= set(english)
    assert set(english) == set(chinese)


def anchors(path: Path) -> set[str]:
    """Anchors of a page's headings, as code hosts make them."""
    prose = re.sub(r"^```.*?^```", "", path.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    titles = re.findall(r"^#+ +(.+)$", prose, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", t.lower()).replace(" ", "-") for t in titles}


def links(path: Path) -> list[str]:
    prose = re.sub(r"^```.*?^```", "", path.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    found = re.findall(r"\]\(([^)\s]+)\)", prose) + re.findall(r"(?:src|href)=\"([^\"]+)\"", prose)
    return [link for link in found if "://" not in link]


@pytest.mark.parametrize("path", MARKDOWN, ids=lambda p: p.name)
def test_links_of_a_page_lead_somewhere(path: Path) -> None:
    broken = []
    for link in links(path):
        file, _, anchor = link.partition("#")
        target = (path.parent / file) if file else path
        if not target.exists() or (anchor and anchor not in anchors(target)):
            broken.append(link)
    assert broken == []


def test_every_page_can_be_reached_from_the_readme() -> None:
    reached, todo = set(), [READMES[0]]
    while todo:
        here = todo.pop()
        reached.add(here.resolve())
        near = [
            (here.parent / link.split("#")[0]).resolve() for link in links(here) if link.split("#")[0].endswith(".md")
        ]
        todo += [p for p in near if p not in reached and p.exists()]
    assert [p.name for p in MARKDOWN if p.resolve() not in reached] == []

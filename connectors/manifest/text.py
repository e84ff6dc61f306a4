"""YAML read as *text with places*: every scalar stays the text that was written, every key knows its line.

YAML guesses types, and guesses wrong for codes: `01` would become 1, `no` False, `2020-01-01` a date. Here nothing is
guessed; the typed model asks for an integer or a date where it wants one. A key given twice is an error, since one of
the two would silently win.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from connectors.manifest.errors import ManifestError
from connectors.manifest.refusal import Location

NULLS = frozenset({"", "~", "null"})
"""Plain scalars that mean absent."""

_Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # the C parser where PyYAML was built with it: 8x faster


class TextLoader(_Loader):  # type: ignore[misc]
    """A safe loader without YAML's guesses at the type of a plain scalar."""

    yaml_implicit_resolvers: dict[str, list[Any]] = {}  # noqa: RUF012 - PyYAML's own protocol


@dataclass(frozen=True, slots=True)
class Document:
    """A YAML file: its data (mappings, lists, texts, None), and the line of every key and list item."""

    data: Any
    lines: dict[Location, int]

    def line(self, at: Location) -> int:
        """Return the line of `at`, or of the nearest enclosing key that is in the file."""
        path = self.place(at)
        return self.lines.get(path, 1)

    def place(self, at: Location) -> Location:
        """Return the longest part of `at` that the file has, leaving out steps that are no keys (union tags)."""
        path: Location = ()
        for step in at:
            if (*path, step) in self.lines:
                path = (*path, step)
        return path


def read(path: Path) -> Document:
    """Read a YAML file as text with places; raises `ManifestError` when it is no UTF-8, no YAML or repeats a key."""
    try:
        node = yaml.compose(path.read_text(encoding="utf-8-sig"), Loader=TextLoader)
    except OSError as error:
        raise ManifestError(str(path), 0, "", "the file cannot be read", str(error.strerror)) from error
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        raise ManifestError(str(path), line, "", "the file is not UTF-8", "save it as UTF-8") from error
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 0
        remedy = "check indentation, colons and quotes on this line and the one above"
        raise ManifestError(str(path), line, "", f"this is no YAML ({error.problem})", remedy) from error
    except yaml.YAMLError as error:
        raise ManifestError(str(path), 0, "", "this is no YAML (forbidden character)", "retype the text") from error
    lines: dict[Location, int] = {}
    return Document(_plain(node, (), lines, str(path)), lines)


def _plain(node: Any, at: Location, lines: dict[Location, int], file: str) -> Any:
    if isinstance(node, yaml.MappingNode):
        result: dict[str, Any] = {}
        for key_node, value_node in node.value:
            line = key_node.start_mark.line + 1
            key = str(key_node.value) if isinstance(key_node, yaml.ScalarNode) else "?"
            if key in result:
                first = lines[(*at, key)]
                remedy = f"it is on line {first} already; keep one of the two"
                raise ManifestError(file, line, dotted((*at, key)), f"the key {key!r} is given twice", remedy)
            lines[(*at, key)] = line
            result[key] = _plain(value_node, (*at, key), lines, file)
        return result
    if isinstance(node, yaml.SequenceNode):
        items = []
        for i, item in enumerate(node.value):
            lines[(*at, i)] = item.start_mark.line + 1
            items.append(_plain(item, (*at, i), lines, file))
        return items
    if node is None or (node.style is None and node.value in NULLS):
        return None
    return node.value


def dotted(at: Location) -> str:
    """Return a place as people write it: `datasets[0].key`."""
    text = ""
    for step in at:
        text += f"[{step}]" if isinstance(step, int) else f".{step}" if text else step
    return text

"""Reading web pages as a worker's browser shows them: tables by their columns, forms by their labels and controls.

Columns are recognised by `data-column` on header cells (and on read-only values of an edit page) and by the `name` of a
form's controls; all values are the texts that a person sees.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from selectolax.lexbor import LexborHTMLParser, LexborNode

ERRORS = ".error, .errors li"


@dataclass(frozen=True, slots=True)
class Control:
    """One field of a form.

    Attributes:
        name: its name, the column.
        label: the words beside it.
        value: the text that a person sees in it ("" = empty); of a select the chosen option's text.
        sent: what a browser sends for it as it stands.
        options: of a select, the options' texts and what is sent for each.
        hidden: a person does not see it (tokens, versions).
    """

    name: str
    label: str
    value: str
    sent: str
    options: Mapping[str, str] | None = None
    hidden: bool = False


@dataclass(frozen=True, slots=True)
class Form:
    """A form with its controls in their order; `action` as written in the page, None = the page's own address."""

    action: str | None
    controls: tuple[Control, ...]
    values: Mapping[str, str] = field(default_factory=dict)
    """Read-only values shown beside the form, by column."""

    def shown(self) -> dict[str, str]:
        """Column -> text that a person sees, of read-only values and controls."""
        return {**self.values, **{c.name: c.value for c in self.controls if not c.hidden}}

    def filled(self, columns: Mapping[str, str]) -> list[tuple[str, str]]:
        """Return what to send when these columns are typed in and all others stay; raises `NoOption`, `NoControl`."""
        missing = [name for name in columns if name not in {c.name for c in self.controls if not c.hidden}]
        if missing:
            raise NoControl(missing[0])
        return [(c.name, _typed(c, columns[c.name]) if c.name in columns else c.sent) for c in self.controls]


class NoOption(Exception):
    """A select does not offer the value; carries the control's label."""

    def __init__(self, label: str) -> None:
        self.label = label
        super().__init__(label)


class NoControl(Exception):
    """The form has no control for a column that is to be written; carries the column."""

    def __init__(self, column: str) -> None:
        self.column = column
        super().__init__(column)


@dataclass(frozen=True, slots=True)
class Listing:
    """The table of a list page.

    Attributes:
        columns: column names ("" = not a column of data, e.g. buttons).
        rows: texts of the cells.
        next: address of the next page.
        total: number of records that the page announces.
    """

    columns: tuple[str, ...]
    rows: list[list[str]]
    next: str | None
    total: int | None


def listing(tree: LexborHTMLParser, row_selector: str, next_selector: str) -> Listing:
    """Read the table of a list page; rows with another number of cells than the header are kept as they are."""
    first = tree.css_first("th[data-column]")
    header = first.parent.css("th, td") if first is not None and first.parent is not None else []
    columns = tuple(cell.attributes.get("data-column") or "" for cell in header)
    rows = [[_text(cell) for cell in row.css("td")] for row in tree.css(row_selector)]
    link, total = tree.css_first(next_selector), tree.css_first("[data-total]")
    announced = total.attributes.get("data-total") if total is not None else None
    return Listing(
        columns,
        rows,
        link.attributes.get("href") if link is not None else None,
        int(announced) if announced and announced.isdigit() else None,
    )


def edit_form(tree: LexborHTMLParser, columns: Sequence[str]) -> Form | None:
    """Return the form of a page that has most of these columns, None where no form has any."""
    wanted = set(columns)
    forms = [(sum(c.name in wanted for c in form.controls), form) for form in map(_form, tree.css("form"))]
    found, best = max(forms, key=lambda pair: pair[0], default=(0, None))
    if best is None or not found:
        return None
    read_only = {str(n.attributes["data-column"]): _text(n) for n in tree.css("[data-column]") if n.tag != "th"}
    return Form(best.action, best.controls, read_only)


def login_form(tree: LexborHTMLParser) -> tuple[Form, str, str] | None:
    """Return a page's login form with the names of its user and password fields, None where it has none."""
    for node in tree.css("form"):
        password = node.css_first("input[type=password]")
        user = node.css_first("input[type=text], input:not([type])")
        if password is not None and user is not None:
            return _form(node), str(user.attributes.get("name")), str(password.attributes.get("name"))
    return None


def errors(tree: LexborHTMLParser) -> list[str]:
    """Return the error messages that a page shows."""
    return [text for node in tree.css(ERRORS) if (text := _text(node))]


def _form(node: LexborNode) -> Form:
    labels = {label.attributes.get("for"): _text(label) for label in node.css("label[for]")}
    controls = [c for n in node.css("input, select, textarea") if (c := _control(n, labels)) is not None]
    return Form(node.attributes.get("action"), tuple(controls))


def _control(node: LexborNode, labels: Mapping[str | None, str]) -> Control | None:
    name, kind = node.attributes.get("name"), (node.attributes.get("type") or "text").lower()
    if not name or "disabled" in node.attributes or kind in {"submit", "button", "reset", "image", "file"}:
        return None
    label = labels.get(node.attributes.get("id")) or name
    if node.tag == "select":
        return _select(node, name, label)
    if kind in {"checkbox", "radio"} and "checked" not in node.attributes:
        return None
    value = node.text() if node.tag == "textarea" else node.attributes.get("value") or ""
    return Control(name, label.rstrip("：:*＊ "), value, value, hidden=kind == "hidden")


def _select(node: LexborNode, name: str, label: str) -> Control:
    options: dict[str, str] = {}
    chosen: str | None = None
    for option in node.css("option"):
        text = _text(option)
        value = option.attributes.get("value")
        options[text] = text if value is None else value
        if "selected" in option.attributes:
            chosen = text
    value = chosen if chosen is not None else next(iter(options), "")
    # The empty choice (请选择) is sent as an empty value; a person reads it as nothing.
    shown = value if options.get(value) else ""
    return Control(name, label.rstrip("：:*＊ "), shown, options.get(value, ""), options)


def _typed(control: Control, value: str) -> str:
    if control.options is None:
        return value
    if value == "":
        empty = [sent for sent in control.options.values() if sent == ""]
        if not empty:
            raise NoOption(control.label)
        return ""
    if value not in control.options:
        raise NoOption(control.label)
    return control.options[value]


def _text(node: LexborNode) -> str:
    return re.sub(r"[ \t\r\n]+", " ", node.text()).strip()

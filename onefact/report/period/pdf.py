"""The report as PDF: the same page, printed by WeasyPrint. No browser, no network."""

from __future__ import annotations

from pathlib import Path


class NoPrinter(Exception):
    """WeasyPrint cannot work here: it is not installed, or the system lacks Pango, which sets its text."""

    def __init__(self, why: str) -> None:
        super().__init__(
            f"不能生成 PDF：{why}。Debian/Ubuntu 请安装 libpango-1.0-0 libpangoft2-1.0-0 libharfbuzz-subset0 和中文字体 fonts-noto-cjk；"
            "也可以只生成网页和 Excel：onefact report --html --xlsx。"
        )


def write(page: str, path: Path) -> Path:
    """Print a page to a PDF file.

    Raises:
        NoPrinter: WeasyPrint or Pango is missing.
    """
    try:
        from weasyprint import HTML
    except ImportError as missing:
        raise NoPrinter("没有安装 weasyprint") from missing
    except OSError as missing:
        raise NoPrinter("系统缺少 Pango") from missing
    HTML(string=page, url_fetcher=_nothing).write_pdf(path)
    return path


def _nothing(url: str) -> dict[str, object]:
    """The page loads nothing; whatever asks for more is refused."""
    raise ValueError(f"the report loads nothing from outside: {url[:40]}")

"""`onefact model …`: the linkage models, training, and what their thresholds give."""

from __future__ import annotations

from pathlib import Path
from typing import cast

from linkage import svg
from linkage.model.schema import document
from linkage.model.train import Settings
from onefact.cli import show
from onefact.cli.session import Session
from schemas.entities import ENTITIES
from schemas.model import EntityType


def list_(session: Session) -> None:
    """List the models."""
    from onefact import models

    found = models.every(session.home)
    rows = [
        {
            "entity": f.model.entity, "version": f.model.version, "how": f.model.trained.get("how", ""),
            "records": f.model.trained.get("records"), "file": str(f.path or "shipped"), "counts": f.counts,
        }
        for f in found
    ]  # fmt: skip
    if session.as_json:
        session.emit(rows)
        return
    cells = [
        [_cn(r["entity"]), r["version"], r["how"], r["records"] or "", r["file"], "是" if r["counts"] else ""]
        for r in rows
    ]
    session.console.print(
        show.table("链接模型", ["实体", "版本", "来源", "训练记录", "文件", "生效"], cells, numeric=["训练记录"])
    )


def show_(session: Session, entity: str) -> None:
    """Show the levels and weights of the model that counts."""
    from onefact import models

    model = models.current(session.home, entity)
    if session.as_json:
        session.emit(document(model))
        return
    rows = [
        [
            comparison.name if i == 0 else "", level.name, _share(level.m), _share(level.u), f"{level.weight:+.2f}",
            "" if level.at_home is None else f"{level.at_home:+.2f}", level.why,
        ]
        for comparison in model.comparisons
        for i, level in enumerate(comparison.levels)
    ]  # fmt: skip
    headers = ["比较项", "等级", "m(同一)", "u(不同)", "权重", "同户权重", "说明"]
    title = f"{_cn(model.entity)}:模型 {model.version},先验 {model.prior:+.2f}"
    session.console.print(show.table(title, headers, rows, numeric=headers[2:6]))
    limits = model.thresholds
    session.console.print(
        f"阈值:复核 {limits.review:g},链接 {limits.link:g},确证 {limits.certain:g},差距 {limits.margin:g}。"
        f"分块规则:{'、'.join(rule.name for rule in model.blocking)}。"
    )


def train(session: Session, entity: str, out: Path | None, seed: int, pairs: int, population: int | None) -> None:
    """Train and say where the model is, and what did not go well."""
    from onefact import models
    from onefact.acting import acted

    settings = Settings(seed=seed, pairs=pairs, population=population)
    done, path = models.fit(session.home, cast("EntityType", entity), out, settings)
    acted(session.home, "train", "model", [entity], version=done.model.version)
    if session.as_json:
        session.emit({"file": str(path), "version": done.model.version, **done.model.trained})
        return
    session.console.print(f"Model {done.model.version} of {entity} is in {path}.", highlight=False, soft_wrap=True)
    for warning in done.warnings:
        session.console.print(f"Warning: {warning}.", highlight=False, soft_wrap=True)


def chart(session: Session, entity: str, out: Path) -> None:
    """Draw what link thresholds give, into an SVG or an HTML file by the name's ending."""
    from linkage.chart import draw
    from onefact import models

    model, found = models.thresholds(session.home, cast("EntityType", entity))
    picture = draw(model, found)
    html = out.suffix.lower() in {".html", ".htm"}
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(svg.page(picture, f"阈值图 {entity}") if html else picture, encoding="utf-8")
    precision, recall, pairs = found.at(model.thresholds.link)
    if session.as_json:
        session.emit(
            {"file": str(out), "link": model.thresholds.link, "precision": precision, "recall": recall, "pairs": pairs}
        )
        return
    session.console.print(
        f"The chart is in {out}. At the link threshold {model.thresholds.link:g}: expected precision {precision:.4f}, "
        f"recall {recall:.4f}, {pairs} pairs.",
        highlight=False,
        soft_wrap=True,
    )


def _cn(entity: str) -> str:
    return f"{ENTITIES[entity].cn} {entity}" if entity in ENTITIES else entity


def _share(value: float | None) -> str:
    return "" if value is None else f"{value:.3g}"

"""What a linkage model is: frozen dataclasses that say how records are blocked, compared and weighed.

Weights are log2 likelihood ratios (Fellegi and Sunter 1969): +1 doubles the odds that two records are one entity. They
are added, not multiplied, so that nothing saturates.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from math import log2
from typing import Any


class ModelInvalid(ValueError):
    """A model file that cannot be used, with the place in the file and what to do."""

    def __init__(self, model: str, place: str, what: str) -> None:
        self.model, self.place = model, place
        super().__init__(f"The linkage model {model} cannot be used: {place}: {what}")


@dataclass(frozen=True, slots=True)
class Level:
    """One level of agreement of a comparison (比较等级).

    Attributes:
        name: as the comparison kind names it.
        m: probability of this level among pairs that are one entity.
        u: probability among pairs that are not.
        weight: match weight in log2 units; log2(m / u) when trained.
        at_home: weight where the pair shares home, phone or household; members of a family are alike in surname and
            generation name, so the same likeness says less there. None = as `weight`.
        why: reason of a weight set by hand.
        fixed: the weight is a rule (a branch is not its head), which training leaves as it is.
    """

    name: str
    m: float | None
    u: float | None
    weight: float
    at_home: float | None = None
    why: str = ""
    fixed: bool = False


@dataclass(frozen=True, slots=True)
class TermFrequency:
    """How a common value counts less than a rare one (词频调整).

    Attributes:
        levels: levels that the correction applies to.
        floor: share of the people below which a value counts as no rarer.
        greatest: bound of the bonus, in log2 units.
    """

    levels: tuple[str, ...]
    floor: float
    greatest: float


@dataclass(frozen=True, slots=True)
class Comparison:
    """One comparison (比较项) with its levels, best first.

    Attributes:
        name: name of the comparison, also the prefix of the comparable columns it reads.
        kind: which comparison kind (`linkage.comparison.KINDS`).
        group: comparisons of one group repeat each other (a family shares phone, home and household): the strongest
            counts in full, the others at the model's `discount`.
    """

    name: str
    kind: str
    levels: tuple[Level, ...]
    group: str | None = None
    frequency: TermFrequency | None = None

    def weight(self, level: str) -> float:
        """Return the weight of a level, 0 for one that the model does not list."""
        return next((entry.weight for entry in self.levels if entry.name == level), 0.0)


@dataclass(frozen=True, slots=True)
class Blocking:
    """One blocking rule (分块规则): pairs that agree in all these columns are compared.

    Attributes:
        on: comparable columns.
        cap: a value shared by more records than this is a hub (a default value, the phone of an office): it proposes
            no pairs.
    """

    name: str
    on: tuple[str, ...]
    cap: int


@dataclass(frozen=True, slots=True)
class GuardRule:
    """A fact that members of one cluster may not contradict (不可矛盾项), whatever their weights.

    Attributes:
        on: comparable columns, the parts of the fact; the first is empty where nothing is known.
        agree: parts that must be equal, unknown ones counting as equal.
    """

    on: tuple[str, ...]
    agree: int


@dataclass(frozen=True, slots=True)
class Thresholds:
    """Where a weight decides (阈值), in log2 units.

    Attributes:
        review: from here on a pair is worth a look.
        link: from here on two records are one.
        certain: from here on evidence may also establish an entity that no identifier names.
        margin: a record that fits two established entities goes to the better one only if it is better by this much.
        established: records from which a group without an identifier counts as established; 0 = only identifiers do.
    """

    review: float
    link: float
    certain: float
    margin: float
    established: int = 0


@dataclass(frozen=True, slots=True)
class Model:
    """A linkage model of one entity; see `linkage/model/shipped/*.json`."""

    entity: str
    version: str
    prior: float
    """log2 odds that two records taken at random are one entity."""
    thresholds: Thresholds
    blocking: tuple[Blocking, ...]
    comparisons: tuple[Comparison, ...]
    guards: tuple[GuardRule, ...] = ()
    discount: float = 1.0
    """Share at which the weaker comparisons of a group count."""
    prior_at_home: float | None = None
    """log2 odds that two records that share a home, phone or household are one person rather than two of one family.
    Sharing a second and third of these says next to nothing more, since families share them all: at home a pair weighs
    at most this and the weights at home. None: not told apart."""
    trained: dict[str, Any] = field(default_factory=dict)
    """How, when and on what the weights were trained."""

    def comparison(self, name: str) -> Comparison:
        """Return a comparison by its name; raises `ModelInvalid` when there is none."""
        for entry in self.comparisons:
            if entry.name == name:
                return entry
        raise ModelInvalid(self.entity, "comparisons", f"there is no comparison {name!r}")

    def at(self, **thresholds: Any) -> Model:
        """Return the model with other thresholds."""
        return replace(self, thresholds=replace(self.thresholds, **thresholds))


def read(document: dict[str, Any]) -> Model:
    """Return the model that a JSON document describes.

    Raises:
        ModelInvalid: a key is missing, a number is none, or a probability is outside (0, 1].
    """
    name = str(document.get("entity", "?"))
    try:
        comparisons = tuple(_comparison(name, entry) for entry in document["comparisons"])
        blocking = tuple(Blocking(b["name"], tuple(b["on"]), int(b["cap"])) for b in document["blocking"])
        model = Model(
            entity=document["entity"],
            version=str(document["version"]),
            prior=float(document["prior"]),
            thresholds=Thresholds(**document["thresholds"]),
            blocking=blocking,
            comparisons=comparisons,
            guards=tuple(GuardRule(tuple(g["on"]), int(g["agree"])) for g in document.get("guards", ())),
            discount=float(document.get("discount", 1.0)),
            prior_at_home=None if document.get("prior_at_home") is None else float(document["prior_at_home"]),
            trained=dict(document.get("trained", {})),
        )
    except (KeyError, TypeError, ValueError) as error:
        if isinstance(error, ModelInvalid):
            raise
        raise ModelInvalid(name, "document", f"{type(error).__name__} {error}; see the shipped models") from error
    if not model.thresholds.review <= model.thresholds.link <= model.thresholds.certain:
        raise ModelInvalid(name, "thresholds", "they must rise: review <= link <= certain")
    return model


def _comparison(model: str, entry: dict[str, Any]) -> Comparison:
    place = f"comparison {entry.get('name')}"
    frequency = entry.get("term_frequency")
    levels = []
    for level in entry["levels"]:
        m, u = level.get("m"), level.get("u")
        for share in (m, u):
            if share is not None and not 0 < share <= 1:
                raise ModelInvalid(model, place, f"level {level['level']}: {share} is not a probability above 0")
        weight = level["weight"] if "weight" in level else log2(m / u)
        levels.append(
            Level(
                level["level"],
                m,
                u,
                float(weight),
                level.get("at_home"),
                level.get("why", ""),
                bool(level.get("fixed", False)),
            )
        )
    return Comparison(
        entry["name"],
        entry["kind"],
        tuple(levels),
        entry.get("group"),
        TermFrequency(tuple(frequency["levels"]), float(frequency["floor"]), float(frequency["greatest"]))
        if frequency
        else None,
    )


def document(model: Model) -> dict[str, Any]:
    """Return the JSON document of a model, the inverse of `read`."""
    return {
        "entity": model.entity,
        "version": model.version,
        "trained": model.trained,
        "prior": model.prior,
        **({} if model.prior_at_home is None else {"prior_at_home": model.prior_at_home}),
        "discount": model.discount,
        "thresholds": {name: getattr(model.thresholds, name) for name in Thresholds.__slots__},
        "blocking": [{"name": b.name, "on": list(b.on), "cap": b.cap} for b in model.blocking],
        "guards": [{"on": list(g.on), "agree": g.agree} for g in model.guards],
        "comparisons": [_written(c) for c in model.comparisons],
    }


def _written(comparison: Comparison) -> dict[str, Any]:
    written: dict[str, Any] = {"name": comparison.name, "kind": comparison.kind}
    if comparison.group:
        written["group"] = comparison.group
    if comparison.frequency:
        frequency = comparison.frequency
        written["term_frequency"] = {
            "levels": list(frequency.levels),
            "floor": frequency.floor,
            "greatest": frequency.greatest,
        }
    written["levels"] = [
        {
            key: value
            for key, value in (
                ("level", entry.name), ("m", entry.m), ("u", entry.u), ("weight", round(entry.weight, 3)),
                ("at_home", entry.at_home), ("fixed", entry.fixed or None), ("why", entry.why),
            )
            if value not in {None, ""}
        }
        for entry in comparison.levels
    ]  # fmt: skip
    return written

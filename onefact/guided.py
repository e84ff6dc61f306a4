"""Guided acts (情景办理): one thing that happened changes all the facts concerned at once.

A guide says what is asked, of whom, and what follows by itself. The forms and the facts are made from it, so that a phone
without network and the server make the same act of the same answers.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Final, Literal

from onefact.acts import Fact, read_from_number
from onefact.household import Card, Household
from schemas.entities import ENTITIES
from schemas.model import EntityType, Field

On = Literal["place", "person", "organisation"]


@dataclass(frozen=True, slots=True)
class Ask:
    """One question.

    Attributes:
        of: `new` (what the act brings into being), `self` (whom it is about), `mate` (another person of the household).
        known: field of the place that fills it in: `address`.
        hint: what to know before answering.
    """

    of: Literal["new", "self", "mate"]
    entity_type: EntityType
    field: str
    required: bool = False
    hint: str = ""

    @property
    def declared(self) -> Field:
        """The declaration of the field."""
        return ENTITIES[self.entity_type].field(self.field)

    @property
    def name(self) -> str:
        """The name of the input."""
        return f"{self.of}.{self.field}"


@dataclass(frozen=True, slots=True)
class Guide:
    """One thing that may happen.

    Attributes:
        on: where it starts.
        asks: what is asked, the ID number first.
        follows: (of, entity, field, value): what follows by itself; `{address}` and `{today}` are filled in.
        makes: the entity that comes into being.
    """

    kind: str
    title: str
    lead: str
    on: On
    asks: tuple[Ask, ...]
    follows: tuple[tuple[str, EntityType, str, str], ...] = ()
    makes: EntityType | None = None
    mate: str = ""


def _person(field: str, required: bool = False, hint: str = "") -> Ask:
    return Ask("new", "person", field, required, hint)


def _firm(of: Literal["new", "self"], field: str, required: bool = False, hint: str = "") -> Ask:
    return Ask(of, "organisation", field, required, hint)


VISITED: Final[tuple[str, EntityType, str, str]] = ("self", "person", "visited_on", "{today}")

GUIDES: Final[Mapping[str, Guide]] = {
    g.kind: g
    for g in (
        Guide(
            "move_in", "有人搬入", "先填证件号码：已在别处登记的人会自动接上原有信息，不会变成两个人。", "place",
            (
                _person("id_number", hint="18 位公民身份号码；没有证件的留空，填写出生日期"), _person("name", required=True),
                _person("sex"), _person("birth_date"), _person("phone"), _person("household_relation"),
            ),
            (("new", "person", "residence_address", "{address}"), ("new", "person", "visited_on", "{today}")), "person",
        ),
        Guide(
            "birth", "新生儿", "出生医学证明尚未换成身份号码的，可先不填号码。", "place",
            (
                _person("id_number"), _person("name", required=True), _person("sex", required=True),
                _person("birth_date", required=True), _person("guardian_name", required=True), _person("guardian_phone"),
            ),
            (("new", "person", "residence_address", "{address}"),), "person",
        ),
        Guide(
            "move_out", "搬出", "填写搬去的地址；登记到新住址后，各系统随之更新。", "person",
            (Ask("self", "person", "residence_address", required=True, hint="写到门牌或小区即可"),), (VISITED,),
        ),
        Guide(
            "death", "死亡", "死亡信息由卫健部门确认：这里登记后开出工单，确认前不会写入其他系统。", "person",
            (Ask("self", "person", "death_date", required=True),), (),
        ),
        Guide(
            "marriage", "结婚", "婚姻状况由婚姻登记机关确认：为双方各开一张工单。", "person", (),
            (("self", "person", "marital_status", "20"), ("mate", "person", "marital_status", "20"), VISITED), mate="配偶（同住）",
        ),
        Guide(
            "new_owner", "换了老板", "同一个店铺换了经营者：一次改好招牌、联系人和电话。", "organisation",
            (
                _firm("self", "contact_name", required=True), _firm("self", "phone", required=True), _firm("self", "sign_name"),
                _firm("self", "legal_representative", hint="由市场监管部门确认"),
            ),
        ),
        Guide(
            "replace_shop", "换了店铺", "原来的店铺关了，同一地址开了新店：一次登记两件事。", "organisation",
            (
                _firm("new", "uscc", hint="营业执照上的 18 位代码"), _firm("new", "name", required=True), _firm("new", "sign_name"),
                _firm("new", "contact_name", required=True), _firm("new", "phone", required=True),
            ),
            (("self", "organisation", "status", "02"), ("new", "organisation", "address", "{address}")), "organisation",
        ),
        Guide(
            "open_shop", "新开店铺", "在这个地址新开的店铺或单位。", "place",
            (
                _firm("new", "uscc", hint="营业执照上的 18 位代码"), _firm("new", "name", required=True), _firm("new", "sign_name"),
                _firm("new", "contact_name", required=True), _firm("new", "phone", required=True),
            ),
            (("new", "organisation", "address", "{address}"),), "organisation",
        ),
    )
}  # fmt: skip
"""Kind -> guide."""


DEAD: Final = "death_date"


def offered(card: Card) -> list[Guide]:
    """Return what may still happen to a record: nothing more to somebody who is dead, or whose death waits to be confirmed."""
    gone = any(v.field.name == DEAD and (v.value is not None or v.awaited is not None) for v in card.values)
    return [] if gone else [g for g in GUIDES.values() if g.on == card.entity_type]


def facts(
    guide: Guide, answers: Mapping[str, str], *, subject: str | None, address: str, today: date, mate: str | None = None
) -> list[Fact]:
    """Return the facts of a guided act.

    Args:
        guide: which.
        answers: name of the input -> what was typed.
        subject: master id of whom it is about, where the guide starts there.
        address: full text of the place.
        today: for what follows by itself.
        mate: master id of the other person concerned.
    """
    ids = {"new": "new", "self": subject, "mate": mate}
    told: dict[tuple[str, str], Fact] = {
        (a.of, a.field): Fact(a.entity_type, str(ids[a.of]), a.field, answers[a.name].strip())
        for a in guide.asks
        if answers.get(a.name, "").strip() and ids[a.of]
    }
    if number := answers.get("new.id_number", ""):
        for name, value in read_from_number(number).items():
            told.setdefault(("new", name), Fact("person", "new", name, value))
    for of, entity_type, name, value in guide.follows:
        if ids[of]:
            filled = value.format(address=address, today=today.isoformat())
            told.setdefault((of, name), Fact(entity_type, str(ids[of]), name, filled))
    return list(told.values())


def missing(guide: Guide, answers: Mapping[str, str]) -> list[Ask]:
    """Return the questions that have to be answered and are not."""
    given = dict(answers)
    for name, value in read_from_number(answers.get("new.id_number", "") or "").items():
        given[f"new.{name}"] = value
    return [a for a in guide.asks if a.required and not given.get(a.name, "").strip()]


def unchanged(door: Household, today: date, persons: Sequence[str] | None = None) -> list[Fact]:
    """Return the facts of "均无变化": what stands and is the worker's to say is said again with today's date.

    Nothing changes by it but the date: the values are those that stand, so that no system is written for their sake.
    """
    told: list[Fact] = []
    for card in door.cards:
        if persons is not None and card.entity_type == "person" and card.master_id not in persons:
            continue
        told += [
            Fact(card.entity_type, card.master_id, v.field.name, v.value, v.stamp)
            for v in card.values
            if v.worker and v.value is not None and v.field.name != "visited_on" and not v.disputed
        ]
        if card.entity_type == "person":
            told.append(Fact("person", card.master_id, "visited_on", today.isoformat()))
    return told

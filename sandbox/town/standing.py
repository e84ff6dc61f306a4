"""Facts that the departments keep about people: work, insurance, party, disability, aid, old age, health (各部门信息).

Prevalence follows age and sex, so that a record that contradicts them is a mistake and not the town's.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from sandbox.town import reference
from sandbox.town.draw import (
    Dice,
    Ints,
    Mask,
    Text,
    chance,
    dates,
    digits,
    from_characters,
    join,
    picks,
    plain,
    take,
    where,
)
from sandbox.town.households import CHILD, SPOUSE
from sandbox.town.organisations import Organisations
from sandbox.town.people import People
from sandbox.town.places import Places

_SKILLS: Final = (
    "水电维修",
    "书法",
    "广场舞",
    "心理疏导",
    "法律咨询",
    "医疗护理",
    "摄影",
    "合唱",
    "电脑维修",
    "矛盾调解",
    "急救",
    "英语",
)
_CHRONIC: Final = ("高血压", "2型糖尿病", "高血压,2型糖尿病", "冠心病", "慢性阻塞性肺疾病", "脑卒中")
_AID: Final = ("低保", "特困", "临时救助", "低保边缘")
_POVERTY: Final = ("因病", "因残", "缺劳力", "因学", "因灾")


@dataclass(frozen=True, slots=True)
class Who:
    """What every draw below needs about the people."""

    dice: Dice
    people: People
    columns: dict[str, Text]
    places: Places
    organisations: Organisations
    today: int
    foreign: Mask

    @property
    def count(self) -> int:
        """Residents and outsiders."""
        return self.people.count

    def luck(self, topic: str, probability: float | np.ndarray) -> Mask:
        """Draw a mask over the residents."""
        return chance(self.dice.on(topic), probability, self.count) & self.people.resident & ~self.foreign

    def words(self, topic: str, words: tuple[str, ...], weights: tuple[float, ...] | None = None) -> Text:
        """Draw a word for everyone, the first ones more often unless weights say otherwise."""
        share = weights or tuple(1 / (i + 2) for i in range(len(words)))
        return take(words, picks(self.dice.on(topic), share, self.count))

    def days_ago(self, topic: str, low: int, high: int) -> Text:
        """Draw a date so many days before today, never before birth."""
        drawn = self.today - self.dice.on(topic).integers(low, high, self.count)
        return dates(np.maximum(drawn, self.people.homes.born))

    def serial(self, prefix: str, width: int, topic: str) -> Text:
        """Numbers of a register: a prefix and a shuffled running number."""
        return join(prefix, digits(self.dice.on(topic).permutation(self.count) + 1, width))

    @property
    def community(self) -> Text:
        """The community they live in."""
        return take(self.places.addresses["community"], self.people.house)


def standing(who: Who) -> tuple[dict[str, Text], Ints]:
    """All columns of this module and, per person, the organisation of the town that employs them (-1 none)."""
    work, employer = _work(who)
    party = _party(who, work)
    return (
        {**_education(who), **work, **party, **_volunteers(who, party), **_permit(who), **_insurance(who, work)}
        | _old_age(who) | _disability(who) | _aid(who) | _veterans(who) | _health(who) | _family(who) | _youth(who, party)
        | _contact(who) | _justice(who) | _dates(who)
    ), employer  # fmt: skip


def _education(who: Who) -> dict[str, Text]:
    age, drawn = who.people.age, who.dice.on("education").random(who.count)
    young = np.select(
        [drawn < 0.02, drawn < 0.11, drawn < 0.50, drawn < 0.76, drawn < 0.86, drawn < 0.97],
        ["11", "14", "21", "31", "61", "71"],
        "41",
    )
    middle = np.select(
        [drawn < 0.01, drawn < 0.05, drawn < 0.24, drawn < 0.45, drawn < 0.57, drawn < 0.76],
        ["11", "14", "21", "31", "41", "61"],
        "71",
    )
    old = np.select(
        [drawn < 0.06, drawn < 0.15, drawn < 0.25, drawn < 0.45, drawn < 0.75], ["21", "31", "41", "61", "71"], "81"
    )
    code = np.where(age >= 60, old, np.where(age >= 42, middle, young))
    code = np.where(age < 22, np.where(age >= 18, "61", np.where(age >= 15, "71", "81")), code)
    return {"education": where((age >= 12) & who.people.resident, pa.array(code.astype(object), pa.string()))}


def _work(who: Who) -> tuple[dict[str, Text], Ints]:
    rng, age, homes = who.dice.on("work"), who.people.age, who.people.homes
    drawn = rng.random(who.count)
    pension = np.where(homes.male, 60, 55)
    labour = np.select([drawn < 0.80, drawn < 0.92, drawn < 0.97], ["就业", "灵活就业", "失业"], "未就业")
    status = np.select([age < 16, (age < 23) & (drawn < 0.8), age >= pension], ["", "在校学生", "退休"], labour)
    resident = who.people.resident
    employed = (status == "就业") & resident
    inside = rng.integers(0, len(who.organisations.house), who.count)
    employer = np.where(employed & (drawn < 0.45), inside, -1)
    name = where(
        employer >= 0,
        take(who.organisations.columns["name"], employer),
        who.words("employers", reference.lines("employers")),
    )
    rows = reference.rows("occupations")
    job = picks(rng, reference.weights("occupations"), who.count)
    works = np.isin(status, ("就业", "灵活就业")) & resident
    return {
        "employment_status": where(resident & (status != ""), pa.array(status.astype(object), pa.string())),
        "employer_name": where(employed, name),
        "occupation_code": where(works, take([r["code"] for r in rows], job)),
        "occupation": where(works, take([r["occupation"] for r in rows], job)),
    }, employer


def _party(who: Who, work: dict[str, Text]) -> dict[str, Text]:
    age = who.people.age
    drawn = who.dice.on("party").random(who.count)
    member = (age >= 19) & (drawn < np.where(age >= 60, 0.15, 0.095))
    league = (age >= 14) & (age <= 28) & (drawn > 0.45)
    minor = (age >= 30) & (drawn > 0.991)
    code = np.where(member, np.where((drawn < 0.004) & (age < 40), "02", "01"), np.where(league, "03", "13"))
    code = np.where(minor, np.array(["04", "05", "06", "07", "08", "09", "10"])[(drawn * 1e6).astype(int) % 7], code)
    here = who.people.resident & (age >= 6) & ~who.foreign
    member &= who.people.resident & ~who.foreign
    joined = who.people.homes.born + ((19 + 22 * who.dice.on("party dates").random(who.count)) * 365.25).astype(
        np.int64
    )
    branch_no = plain(who.dice.on("party branches").integers(1, 5, who.count))
    works = np.asarray(work["employer_name"].is_valid())
    branch = where(works, join(work["employer_name"], "党支部"), join(who.community, "第", branch_no, "党支部"))
    return {
        "political_status": where(here, pa.array(code.astype(object), pa.string())),
        "party_branch": where(member, branch),
        "party_join_date": where(member, dates(np.minimum(joined, who.today - 40))),
        "report_community": where(member & works & (drawn * 100 % 1 < 0.75), who.community),
        "league_branch": where((code == "03") & here, join(who.community, "团支部")),
    }


def _volunteers(who: Who, party: dict[str, Text]) -> dict[str, Text]:
    age = who.people.age
    member = np.asarray(party["party_branch"].is_valid())
    share = np.where((age >= 14) & (age < 78), np.where(member, 0.5, 0.11), 0)
    volunteer = who.luck("volunteers", share)
    skilled = volunteer | who.luck("skilled", np.where((age >= 18) & (age < 75), 0.06, 0))
    hours = (who.dice.on("hours").gamma(1.1, 40, who.count) + 1).astype(np.int64)
    return {
        "volunteer_no": where(volunteer, who.serial("420199", 12, "volunteer numbers")),
        "volunteer_hours": where(volunteer, join(plain(hours), ".5")),
        "skills": where(skilled, who.words("skills", _SKILLS)),
    }


def _permit(who: Who) -> dict[str, Text]:
    age, homes = who.people.age, who.people.homes
    floating = homes.floating & who.people.resident & ~who.foreign
    holds = floating & (age >= 16) & who.luck("permits", 0.72)
    reason = where(
        age < 16,
        "06",
        where(
            (age < 24) & (homes.role == CHILD),
            "04",
            who.words("inflow", ("01", "03", "09", "04", "08", "06", "07"), (50, 18, 8, 8, 6, 6, 2)),
        ),
    )
    rent = who.words("dwelling", ("02", "01", "05", "04", "99"), (70, 14, 9, 5, 2))
    return {
        "inflow_reason": where(floating, reason),
        "inflow_date": where(floating, dates(np.maximum(who.people.arrived, homes.born))),
        "permit_type": where(holds, "01"),
        "permit_no": where(holds, who.serial("420106", 12, "permit numbers")),
        "permit_expiry": where(holds, dates(who.today + who.dice.on("permit expiry").integers(-40, 365, who.count))),
        "dwelling_type": where(floating, rent),
    }


def _insurance(who: Who, work: dict[str, Text]) -> dict[str, Text]:
    def status(value: str) -> Mask:
        return np.asarray(pc.equal(work["employment_status"], value).fill_null(False))

    resident = who.people.resident & ~who.foreign
    retired, works = status("退休"), status("就业")
    social = where(retired, "领取待遇", where(works, "正常参保", where(status("灵活就业"), "灵活就业参保", "未参保")))
    medical = where(works | retired, "职工医保", where(who.luck("resident insurance", 0.94), "居民医保", "未参保"))
    return {
        "social_insurance_status": where(resident & (who.people.age >= 16), social),
        "medical_insurance_status": where(resident, medical),
    }


def _old_age(who: Who) -> dict[str, Text]:
    age, homes = who.people.age, who.people.homes
    elder = (age >= 60) & who.people.resident
    size = np.bincount(homes.household)[homes.household]
    kind = where(
        size == 1, "独居", where((size == 2) & (homes.spouse >= 0), "空巢", where(age >= 80, "高龄", "一般老人"))
    )
    weak = who.luck("care", np.select([age >= 85, age >= 75, age >= 60], [0.35, 0.14, 0.03], 0))
    return {
        "elder_type": where(elder, kind),
        "elder_allowance": where(elder & (age >= 80), where(who.luck("allowance", 0.93), "已领取", "未申请")),
        **_carers(who),
        "care_level": where(
            elder, where(weak, who.words("care levels", ("轻度失能", "中度失能", "重度失能")), "能力完好")
        ),
    }


def _carers(who: Who) -> dict[str, Text]:
    """The guardian of a minor, or the grown child who answers for an old person."""
    carer = np.where(who.people.age >= 75, who.people.grown_child, who.people.guardian)
    return {
        "guardian_name": take(who.columns["name"], carer),
        "guardian_phone": take(who.columns["phone"], carer),
    }


def _disability(who: Who) -> dict[str, Text]:
    age = who.people.age
    has = who.luck("disabled", np.select([age >= 60, age >= 30, age >= 3], [0.055, 0.022, 0.008], 0))
    has &= np.asarray(pc.equal(who.columns["id_type"], "111").fill_null(False))
    kind = who.words("disability types", ("4", "1", "2", "6", "5", "7", "3"), (46, 14, 16, 10, 7, 5, 2))
    grade = who.words("disability grades", ("3", "4", "2", "1"), (33, 32, 22, 13))
    return {
        "disability_no": where(has, join(who.columns["id_number"], kind, grade)),
        "disability_type": where(has, kind),
        "disability_grade": where(has, grade),
    }


def _aid(who: Who) -> dict[str, Text]:
    """Aid goes to households, so spouses and children of a recipient receive it too."""
    homes, rng = who.people.homes, who.dice.on("aid")
    households = chance(rng, 0.021, len(homes.starts))
    aided = households[homes.household] & who.people.resident & ~homes.floating & ~who.foreign
    number = join("JZ420106", digits(homes.household + 1, 8))
    poor = aided & who.luck("poverty", 0.45)
    return {
        "aid_no": where(aided, number),
        "aid_type": where(aided, take(_AID, (homes.household * 7) % 11 % 4)),
        "aid_amount": where(aided, join(plain(rng.integers(300, 1300, who.count)), ".5")),
        "poverty_no": where(poor, who.serial("FP420106", 8, "poverty numbers")),
        "poverty_reason": where(poor, who.words("poverty reasons", _POVERTY)),
    }


def _veterans(who: Who) -> dict[str, Text]:
    age, male = who.people.age, who.people.homes.male
    served = who.luck("veterans", np.where(age >= 22, np.where(male, 0.055, 0.003), 0))
    return {
        "veteran_no": where(served, who.serial("鄂A", 10, "veteran numbers")),
        "veteran_type": where(
            served, who.words("veteran types", ("退役士兵", "复员军人", "转业军官", "伤残军人", "参战退役人员"))
        ),
    }


def _health(who: Who) -> dict[str, Text]:
    age = who.people.age
    has_file = who.luck("health files", 0.93)
    ill = (
        who.luck("chronic", np.select([age >= 75, age >= 60, age >= 45, age >= 30], [0.62, 0.46, 0.2, 0.04], 0))
        & has_file
    )
    smi = who.luck("smi", np.where(age >= 18, 0.004, 0)) & has_file
    code = take(who.places.addresses["community_code"], who.people.house)
    return {
        "health_file_no": where(
            has_file, join(code, digits(who.dice.on("health file numbers").permutation(who.count) + 1, 7))
        ),
        "chronic_disease": where(ill, who.words("chronic diseases", _CHRONIC)),
        "followup_date": where(ill | smi, who.days_ago("followups", 2, 120)),
        "mental_disorder": where(has_file & (age >= 18), where(smi, "1", "0")),
    }


def _family(who: Who) -> dict[str, Text]:
    homes, age = who.people.homes, who.people.age
    children = np.zeros(len(homes.starts), dtype=np.int64)
    np.add.at(children, homes.household[homes.role == CHILD], 1)
    parent = ((homes.role <= SPOUSE) & who.people.resident) & (age >= 20)
    grown = parent & (age >= 52)
    number = np.where(parent, children[homes.household], 0) + np.where(grown, 1 + homes.household % 2, 0)
    woman = ~homes.male & who.people.resident & ~who.foreign
    status = where(number == 0, "未育", where(number == 1, "一孩", where(number == 2, "二孩", "多孩")))
    return {
        "children_count": where(who.people.resident & (age >= 20), plain(number)),
        "fertility_status": where(woman & (age >= 20) & (age < 50), status),
        "women_role": where(
            woman & (age >= 20) & who.luck("women roles", 0.03),
            who.words("women roles words", ("最美家庭", "巾帼志愿者", "妇女小组长", "单亲母亲")),
        ),
    }


def _youth(who: Who, party: dict[str, Text]) -> dict[str, Text]:
    age = who.people.age
    watched = who.luck("youth", np.where((age >= 6) & (age <= 25), 0.012, 0))
    away = who.luck("left behind", np.where(age < 16, 0.006, np.where(age >= 65, 0.008, 0)))
    league = np.asarray(party["league_branch"].is_valid())
    return {
        "youth_type": where(watched & ~league, where(age < 16, "05", "01")),
        "left_behind_type": where(away, where(age < 16, "03", "01")),
    }


def _contact(who: Who) -> dict[str, Text]:
    age = who.people.age
    bound = who.luck("wechat", np.where((age >= 16) & (age <= 76), 0.55, 0))
    bits = who.dice.on("wechat ids").integers(0, 36, (who.count, 22))
    letters = from_characters(np.frombuffer(b"abcdefghijklmnopqrstuvwxyz0123456789", np.uint8)[bits])
    grid = pc.utf8_slice_codeunits(take(who.places.addresses["grid_code"], who.people.house), 14, 15)
    return {
        "wechat_id": where(bound, join("oW42", letters)),
        "wechat_group": where(bound, join(who.community, "第", grid, "网格微邻里群")),
    }


def _justice(who: Who) -> dict[str, Text]:
    age = who.people.age
    under = who.luck("correction", np.where((age >= 18) & (age < 70), 0.004, 0))
    if who.people.residents >= 500 and not under.any():
        under[np.flatnonzero(who.people.resident & (age >= 30) & (age < 60))[:3]] = True
    end = who.today + who.dice.on("correction end").integers(20, 900, who.count)
    return {
        "correction_no": where(under, who.serial("JZ4201", 8, "correction numbers")),
        "correction_type": where(under, who.words("correction types", ("缓刑", "假释", "暂予监外执行", "安置帮教"))),
        "correction_end": where(under, dates(end)),
    }


def _dates(who: Who) -> dict[str, Text]:
    died = who.people.died
    return {
        "death_date": where(died >= 0, dates(np.maximum(died, 0))),
        "visited_on": where(who.luck("visits", 0.8) & (died < 0), who.days_ago("visit days", 1, 400)),
    }

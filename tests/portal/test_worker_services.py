"""The worker's services without a web: find, look, enter, settle, see what became of it."""

from __future__ import annotations

import dataclasses
import re
import shutil
import uuid
from concurrent.futures import ThreadPoolExecutor

import pytest
import sqlalchemy as sa
from portal_support import FIXTURES, FOREIGN, OWN, MakeHome, Portal, opened

from onefact import acts, alike, household, merges, reach, received, search, undoing, worklist
from onefact.acts import Act, ActConflict, ActRefused, Fact
from onefact.consolidate import consolidate
from onefact.pull import pull
from onefact.push import push
from warehouse.tables import ENTRY, SEARCH_KEY


@pytest.fixture(scope="module")
def portal(make_home: MakeHome, tmp_path_factory: pytest.TempPathFactory) -> Portal:
    """The four doors as they were collected, nothing entered yet."""
    home = make_home(tmp_path_factory.mktemp("doors"), {"doors": (FIXTURES / "doors.yaml").read_text(encoding="utf-8")})
    shutil.copytree(FIXTURES / "doors", home.systems / "doors")
    pull(home)
    consolidate(home)
    return opened(home)


def found(portal: Portal, text: str, grids: list[str] | None = None) -> list[str]:
    with portal.home.engine.connect() as connection:
        return [h.title for h in search.search(connection, text, grids)]


def an(entity: str, title: str, portal: Portal) -> str:
    with portal.home.engine.connect() as connection:
        [hit] = [h for h in search.search(connection, title, None) if h.entity_type == entity]
    return hit.master_id


@pytest.mark.parametrize(
    ("typed", "title"),
    [
        ("陈建国", "陈建国"), ("陈建", "陈建国"), ("chenjian", "陈建国"), ("CJG", "陈建国"), ("cjg", "陈建国"),
        ("420199196503120024", "李秀英"), ("120024", "李秀英"), ("13900000002", "李秀英"), ("0002", "李秀英"),
        ("３栋２单元 502", "武昌区中南路街道武珞路628号3栋2单元502室"), ("H3", "武昌区中南路街道民主路77号5栋1单元301室"),
        ("晨光", "武汉市武昌区晨光小吃店"), ("小吃店", "武汉市武昌区晨光小吃店"), ("王海涛", "武汉市武昌区民主路文具店"),
    ],
)  # fmt: skip
def test_one_box_finds_by_whatever_is_typed(portal: Portal, typed: str, title: str) -> None:
    assert title in found(portal, typed)


def test_a_worker_finds_only_in_the_own_grids(portal: Portal) -> None:
    assert found(portal, "王海涛", [OWN]) == []
    assert "王海涛" in found(portal, "王海涛", [FOREIGN])
    assert found(portal, "陈建国", []) == []


def test_the_whole_district_is_asked_for_the_first_keys_and_what_fits_exactly_is_among_them(
    portal: Portal, monkeypatch: pytest.MonkeyPatch
) -> None:
    every = found(portal, "1")
    monkeypatch.setattr(search, "WINDOW", 1)
    assert "陈建国" in found(portal, "陈建国")
    assert "李秀英" in found(portal, "13900000002")
    assert 0 < len(found(portal, "陈")) <= len(search.KEYS)
    assert found(portal, "1") == every == []  # one letter begins too much


@pytest.mark.parametrize("typed", ["", " ", "a", "%", "_", "'; --", "\\", "陈%", "\x00"])
def test_what_is_no_beginning_of_anything_finds_nothing(portal: Portal, typed: str) -> None:
    assert found(portal, typed) == []


def test_duplicates_are_told_with_their_reasons(portal: Portal) -> None:
    with portal.home.engine.connect() as connection:
        [one] = alike.alike(connection, "person", {"name": "陈健国", "phone": "13900000001"}, None)
        assert (one.title, one.reasons, one.certain) == ("陈建国", ("电话相同", "姓名同音不同字"), False)
        [same] = alike.alike(connection, "person", {"id_number": "420199196503120024"}, None)
        assert (same.title, same.certain) == ("李秀英", True)
        assert alike.alike(connection, "person", {"name": "陈健国", "phone": "13900000001"}, [FOREIGN]) == []
        shop = alike.alike(
            connection, "organisation", {"name": "新店", "address": "武昌区中南路街道武珞路628号3栋2单元501室"}, None
        )
        assert [s.title for s in shop] == ["武汉市武昌区晨光小吃店"]


def test_a_household_shows_who_is_behind_a_door_and_where_each_value_comes_from(portal: Portal) -> None:
    with portal.home.engine.connect() as connection:
        node = household.node_of(connection, "person", an("person", "陈建国", portal))
        assert node
        door = household.household(connection, portal.home, node)
    assert door
    assert [c.title for c in door.persons] == ["陈建国"]
    assert [c.title for c in door.organisations] == ["武汉市武昌区晨光小吃店"]
    phone = door.persons[0]["phone"]
    assert (phone.value, phone.system, phone.worker, phone.confidence) == ("13900000001", "门口采集", True, "中")
    assert door.persons[0]["name"].decides == "主管部门"
    assert {v.field.name for v in door.houses[0].asked} == {"status"}


def act(*facts: Fact, kind: str = "correct") -> Act:
    return Act(str(uuid.uuid4()), kind, facts)


def test_an_act_is_taken_once_reaches_the_systems_and_is_undone(portal: Portal) -> None:
    home, who = portal.home, an("person", "李秀英", portal)
    with home.engine.connect() as connection:
        before = household.card(connection, home, "person", who)
        assert before
        [where] = reach.reach(connection, home, [("person", who, "phone")], lambda *_: True)
    assert [(w.system_id, w.how) for w in where.ways] == [("doors", "batch")]
    fact = Fact("person", who, "phone", "139 1234 5678", before["phone"].stamp)
    one = act(fact)
    taken = acts.take(home, one, "worker")
    again = acts.take(home, one, "worker")
    assert (taken.repeated, again.repeated, again.lines) == (False, True, taken.lines)
    with pytest.raises(ActRefused, match="已用于"):
        acts.take(home, dataclasses.replace(one, facts=(Fact("person", who, "phone", "13900009999"),)), "worker")
    with pytest.raises(ActConflict) as conflict:  # another device saw the old state
        acts.take(home, act(dataclasses.replace(fact, value="13811112222")), "other")
    assert [(s.field, s.value) for s in conflict.value.fields] == [("phone", "13912345678")]

    def deliveries() -> list[tuple[str, str]]:
        with home.engine.connect() as connection:
            [line] = received.received(connection, home, acts.find(connection, one.act_id))
            return [(d.system_id, d.state) for d in line.deliveries]

    assert deliveries() == []
    consolidate(home)
    assert deliveries() == [("doors", "queued")]
    push(home)
    assert deliveries()[0][1] in {"sent", "received"}
    undone = undoing.undo(home, one.act_id, str(uuid.uuid4()), "worker")
    assert undone.undoes == one.act_id
    consolidate(home)
    with home.engine.connect() as connection:
        now = household.card(connection, home, "person", who)
    assert now
    assert now["phone"].value == "13900000002"
    with pytest.raises(ActRefused, match="已经撤销"):
        undoing.undo(home, one.act_id, str(uuid.uuid4()), "worker")


def test_a_field_of_an_authority_opens_a_ticket(portal: Portal) -> None:
    home, who = portal.home, an("person", "赵敏", portal)
    one = act(Fact("person", who, "name", "赵慧敏"))
    acts.take(home, one, "worker")
    consolidate(home)
    with home.engine.connect() as connection:
        [line] = received.received(connection, home, acts.find(connection, one.act_id))
        assert [d.state for d in line.deliveries] == ["ticket"]
        shown = household.card(connection, home, "person", who)
    assert shown
    assert (shown.title, shown["name"].waiting) == ("赵敏", "ticket")


def test_a_death_waits_for_its_authority_and_is_shown_as_waiting(portal: Portal) -> None:
    home, who = portal.home, an("person", "赵敏", portal)
    one = act(Fact("person", who, "death_date", "2026-10-20"), kind="death")
    acts.take(home, one, "neighbour")
    consolidate(home)
    with home.engine.connect() as connection:
        person = household.card(connection, home, "person", who)
    assert person
    assert (person["death_date"].value, person["death_date"].awaited) == (None, "2026-10-20")
    page = portal.signed_in("neighbour").get(f"/persons/{who}").text
    assert "待确认" in page
    assert "guides/marriage" not in page
    undoing.undo(home, one.act_id, str(uuid.uuid4()), "neighbour")
    assert "guides/marriage" in portal.signed_in("neighbour").get(f"/persons/{who}").text


def test_what_does_not_stand_is_refused_as_a_whole(portal: Portal) -> None:
    who = an("person", "陈建国", portal)
    with pytest.raises(ActRefused) as refused:
        acts.take(portal.home, act(Fact("person", who, "phone", "12"), Fact("person", who, "religion", "1")), "worker")
    assert [p.field for p in refused.value.problems] == ["phone", "religion"]
    with pytest.raises(ActRefused, match="不在您的网格内"):
        acts.take(portal.home, act(Fact("person", who, "phone", "13912340000")), "worker", lambda *_: False)
    with pytest.raises(ActRefused, match="证件号码"):
        acts.take(portal.home, act(Fact("person", "new", "name", "无名氏")), "worker")


def test_a_new_person_is_one_record_and_who_is_known_stays_one(portal: Portal) -> None:
    home = portal.home
    address = "武昌区中南路街道武珞路628号3栋2单元502室"
    baby = act(
        Fact("person", "new", "name", "李小满"), Fact("person", "new", "birth_date", "2026-10-20"), Fact("person", "new", "sex", "2"),
        Fact("person", "new", "residence_address", address), kind="birth",
    )  # fmt: skip
    made = acts.take(home, baby, "worker").created["new"]
    acts.take(home, act(Fact("person", made, "phone", "13900000077")), "worker")  # before any run has seen the person
    known = act(Fact("person", "new", "name", "王海涛"), Fact("person", "new", "id_number", "42019919921105003X"))
    other = acts.take(home, known, "worker").created["new"]
    consolidate(home)
    with home.engine.connect() as connection:
        person = household.card(connection, home, "person", made)
        assert person
        assert (person.master_id, person.title, person["phone"].value) == (made, "李小满", "13900000077")
        heir = household.card(connection, home, "person", other)
        assert heir
        assert heir.master_id == an("person", "王海涛", portal) != other
    assert "李小满" in found(portal, "lxm", [OWN])
    undoing.undo(home, baby.act_id, str(uuid.uuid4()), "worker")
    consolidate(home)
    assert "李小满" not in found(portal, "lxm")


def test_the_work_list_counts_by_kind_and_door(portal: Portal) -> None:
    home, who = portal.home, an("person", "陈建国", portal)
    acts.take(home, act(Fact("person", who, "phone", "13900001111")), "worker")
    consolidate(home)
    with home.engine.connect() as connection:
        mine = worklist.worklist(connection, home, [OWN])
        theirs = worklist.worklist(connection, home, [FOREIGN])
    assert mine.counts["sync"] == sum(t.kind == "sync" for t in mine.tasks) > 0
    [building] = mine.buildings("sync")
    assert building.building == "武珞路628号3栋"
    assert ("2单元501室", "陈建国") in [(d.door, d.tasks[0].title) for d in building.doors]
    assert not {t.master_id for t in theirs.tasks} & {t.master_id for t in mine.tasks}


ORDERS = """
INSERT INTO work_order (rule_id, kind, relation, entity_type, system_id, record_key, role, field, master_id, department, opened_at, opened_by, due_at)
SELECT :rule, 'grid', 'records', 'person', s, k, 'person', :field, CAST(:master AS uuid), '中南路街道', CAST(:now AS timestamptz), 'test', CAST(:now AS timestamptz)
FROM unnest(CAST(:systems AS text[]), CAST(:keys AS text[])) AS x(s, k)"""


def test_one_task_for_each_door_and_none_that_a_worker_cannot_settle(portal: Portal) -> None:
    home, who = portal.home, an("person", "赵敏", portal)
    with home.engine.begin() as connection:
        own = connection.execute(
            sa.text("SELECT record_key FROM crosswalk WHERE system_id = 'doors' AND master_id = :m"), {"m": who}
        ).scalar_one()
        for rule, field, systems, keys in (
            ("person.phone.phone", "phone", ["doors", "elsewhere"], [own, "9"]),  # two systems, one question
            ("person.residence.one_now", "residence_address", ["elsewhere"], ["9"]),
            ("person.permit.valid", "permit_expiry", ["elsewhere"], ["9"]),  # decided by a department
        ):
            order = {
                "rule": rule,
                "field": field,
                "systems": systems,
                "keys": keys,
                "master": who,
                "now": home.now().astimezone(),
            }
            connection.execute(sa.text(ORDERS), order)
        connection.execute(
            sa.text(
                "INSERT INTO form_task (filled_id, entity_type, master_id, field, grid, opened_at) SELECT 1, 'person', "
                "CAST(:m AS uuid), f, :g, now() FROM unnest(ARRAY['visited_on', 'marital_status', 'phone']) f"
            ),
            {"m": who, "g": FOREIGN},
        )

    def asked() -> list[str]:
        with home.engine.connect() as connection:
            tasks = worklist.worklist(connection, home, [FOREIGN])
        assert tasks.counts["check"] == len([d for b in tasks.buildings("check") for d in b.doors])
        return sorted(t.what for t in tasks.tasks if t.kind == "check")

    assert asked() == [
        "一表通缺：联系方式、走访时间", "同一人在同一系统内只应有一处现住址", "实有人口的联系方式应为可用的电话号码（2 个系统）",
    ]  # fmt: skip
    address = "武昌区中南路街道民主路77号5栋1单元302室"
    acts.take(home, act(Fact("person", who, "residence_address", address)), "neighbour")
    assert len(asked()) == 2, "what has been entered since is answered"
    consolidate(home)
    gap = [w for w in asked() if w.startswith("一表通")]
    assert gap == ["一表通缺：走访时间"], "the master has the phone by now"


def test_a_long_list_comes_in_portions_of_doors() -> None:
    def building(name: str, doors: int) -> worklist.Building:
        return worklist.Building(name, tuple(worklist.Door(f"{i}室", None, ()) for i in range(doors)))

    several = [building("1栋", 3), building("2栋", 4), building("3栋", 1)]
    whole = [(b.building, d.door) for b in several for d in b.doors]
    for most in (1, 2, 3, 7, 8, 20):
        told = [
            [(b.building, d.door) for b in worklist.portion(several, first, most) for d in b.doors]
            for first in range(0, 8, most)
        ]
        assert [line for page in told for line in page] == whole
        assert all(len(page) <= most for page in told)
    assert worklist.portion(several, 8, 5) == []


def test_only_touched_records_get_new_keys(portal: Portal) -> None:
    def keys() -> set[tuple[str, str]]:
        with portal.home.engine.connect() as connection:
            query = sa.select(sa.cast(SEARCH_KEY.c.master_id, sa.Text), sa.literal_column("ctid::text")).select_from(
                SEARCH_KEY
            )
            return {(r[0], r[1]) for r in connection.execute(query)}

    who, before = an("person", "王海涛", portal), keys()
    acts.take(portal.home, act(Fact("person", who, "phone", "13900003333")), "worker")
    consolidate(portal.home)
    assert {m for m, _ in keys() - before} == {who}


def test_an_order_is_shown_with_what_each_system_says_and_answered(portal: Portal) -> None:
    home, who, client = portal.home, an("person", "王海涛", portal), portal.signed_in("neighbour")
    rules = ("person.room.few_residents", "person.residence.one_now")
    with home.engine.begin() as connection:
        key = connection.execute(
            sa.text("SELECT record_key FROM crosswalk WHERE system_id = 'doors' AND master_id = :m"), {"m": who}
        ).scalar_one()
        for rule, field in zip(rules, ["residence_address"] * 2, strict=True):
            order = {"rule": rule, "field": field, "systems": ["doors"], "keys": [key], "master": who}
            connection.execute(sa.text(ORDERS), order | {"now": home.now().astimezone()})
    page = client.get(f"/persons/{who}").text
    assert "同一户室居住人数不应超过十人" in page
    assert "没有要补的" not in page
    said = client.get(f"/looks/person/{who}/{rules[0]}").text
    assert "门口采集" in said
    assert "民主路" in said
    for rule, what in zip(rules, ("true", "department"), strict=True):
        assert client.post(f"/looks/person/{who}/{rule}", data={"what": what, "words": "问过本人"}).status_code == 303
    assert "不应超过十人" not in client.get(f"/persons/{who}").text
    with home.engine.connect() as connection:
        query = sa.text(
            "SELECT rule_id, kind, closed_by, words, department FROM work_order WHERE master_id = :m ORDER BY order_id"
        )
        rows = [tuple(r) for r in connection.execute(query, {"m": who})]
    assert rows == [
        (rules[0], "grid", "neighbour", "情况属实：问过本人", "中南路街道"),
        (rules[1], "grid", "neighbour", "转部门：问过本人", "中南路街道"),
        (rules[1], "authority", None, None, "网格中心"),
    ]


def test_what_cannot_be_is_said_before_saving_and_nothing_typed_is_lost(portal: Portal) -> None:
    who, client = an("person", "王海涛", portal), portal.signed_in("neighbour")
    form = {"act_id": str(uuid.uuid4()), f"v|person|{who}|phone": "12345", f"v|person|{who}|death_date": "2026-12-01"}
    answer = client.post("/entry/preview", data=form)
    assert answer.status_code == 422
    assert "不能晚于今天" in answer.text
    assert 'value="12345"' in answer.text
    good = {"act_id": str(uuid.uuid4()), f"v|person|{who}|phone": "13900000123"}
    assert client.post("/entry/preview", data=good).status_code == 200
    assert 'value="13900000123"' in client.post("/entry/preview", data={**good, "edit": "1"}).text


def test_a_value_to_choose_is_named_in_the_page_and_not_held(portal: Portal) -> None:
    home, who, client = portal.home, an("person", "王海涛", portal), portal.signed_in("neighbour")
    with home.engine.begin() as connection:
        connection.execute(
            sa.text(
                "INSERT INTO candidate (entity_type, master_id, field, value, ref, systems) "
                "VALUES ('person', CAST(:m AS uuid), 'phone', '13812340987', 'doors|x|person|2999-01-01', 1)"
            ),
            {"m": who},
        )
    page = client.get(f"/persons/{who}").text
    assert "13812340987" not in page
    [chosen] = set(re.findall(r'value="(choice:[0-9a-f]{12})"', page))
    form = {"act_id": str(uuid.uuid4()), f"v|person|{who}|phone": chosen}
    preview = client.post("/entry/preview", data=form)
    assert (preview.status_code, "13812340987" in preview.text) == (200, False)
    assert client.post("/entry/save", data={**form, "kind": "correct"}).status_code == 303
    with home.engine.connect() as connection:
        query = sa.select(ENTRY.c.value).where(ENTRY.c.master_id == who, ENTRY.c.field == "phone")
        assert "13812340987" in connection.execute(query).scalars().all()


def test_a_merge_is_listed_with_who_and_why_and_taken_back_on_its_page(portal: Portal) -> None:
    home, steward = portal.home, portal.signed_in("steward")
    one, other = an("person", "王海涛", portal), an("person", "赵敏", portal)
    assert steward.post("/merges", data={"one": one, "other": other, "reason": " "}).status_code == 409
    assert portal.signed_in("worker").post("/merges", data={"one": one, "other": other}).status_code == 403
    joined = steward.post("/merges", data={"one": one, "other": other, "reason": "同一人，旧证已注销"})
    assert joined.status_code == 303
    consolidate(home)

    def stand() -> list[merges.Merged]:
        with home.engine.connect() as connection:
            return [m for m in merges.merged(connection) if {m.old_id, m.new_id} == {one, other}]

    [done] = stand()
    assert (done.actor, done.reason, done.waiting) == ("steward", "同一人，旧证已注销", False)
    assert "同一人，旧证已注销" in steward.get("/merges").text
    assert steward.post(f"/merges/{done.old_id}/undo").status_code == 303
    assert [m.waiting for m in stand()] == [True]
    with home.engine.connect() as connection:
        assert [j.verdict for j in merges.judged(connection)] == ["withdrawn", "positive"]
    consolidate(home)
    assert stand() == []
    assert {an("person", "王海涛", portal), an("person", "赵敏", portal)} == {one, other}


def test_an_undo_names_nobody_elses_act_and_is_done_once(portal: Portal) -> None:
    home, person = portal.home, portal.ids("person")[OWN]
    mine, other = (
        acts.take(home, Act(str(uuid.uuid4()), "check", (Fact("person", person, "visited_on", day),)), actor)
        for day, actor in (("2026-10-01", "steward"), ("2026-10-02", "neighbour"))
    )
    with pytest.raises(ActRefused, match="另一次录入"):
        undoing.undo(home, mine.act_id, other.act_id, "steward")
    newest = acts.take(
        home, Act(str(uuid.uuid4()), "check", (Fact("person", person, "visited_on", "2026-10-03"),)), "steward"
    )
    ids = [str(uuid.uuid4()) for _ in range(6)]

    def undo(new_id: str) -> bool:
        try:
            return undoing.undo(home, newest.act_id, new_id, "steward").undoes == newest.act_id
        except ActRefused:
            return False

    with ThreadPoolExecutor(6) as devices:
        assert sum(devices.map(undo, ids)) == 1
    with home.engine.connect() as connection:
        done = acts.find(connection, newest.act_id).undone_by
    assert undoing.undo(home, newest.act_id, str(done), "steward").repeated

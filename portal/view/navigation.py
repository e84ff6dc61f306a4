"""The navigation (导航): which pages a role is shown; a page appears where its rule lets the role in."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from portal.access.rules import Rule
from portal.security.accounts import Account


@dataclass(frozen=True, slots=True)
class Item:
    """One entry.

    Attributes:
        route: route name.
        label: what it is called.
        icon: id in `static/icons.svg`.
        lead: what one finds there, for the start page.
        main: also in the bar at the foot of a phone's screen.
    """

    route: str
    label: str
    icon: str
    lead: str = ""
    main: bool = False


ITEMS: Final = (
    Item("home", "首页", "home", main=True),
    Item("tasks", "任务", "tasks", "待核查、冲突、待同步、退回", main=True),
    Item("search", "查找", "search", "姓名、拼音首字母、证件号、电话、地址、单位", main=True),
    Item("settle", "冲突与重复", "settle", "两个取值或两个人，择一或合并", main=True),
    Item("outbox.own", "谁已收到", "send", "我录入的内容到了哪些系统", main=True),
    Item("assist", "照单录入", "form", "只有网页表单的系统，照单填写后确认"),
    Item("bulk", "批量导入", "sheet", "下载模板，上传表格，错误行退回"),
    Item("forms", "一表通", "form", "任何部门的表，用已有数据先填好"),
    Item("systems", "对接系统", "systems", "四十个系统的收发情况和健康状况", main=True),
    Item("outbox", "发件箱", "send", "每一处变更发往哪里、是否已收到", main=True),
    Item("tickets", "纠错工单", "ticket", "请权威部门更正的内容和期限"),
    Item("quality", "数据质量", "quality", "按国标六个维度评分，逐条可查", main=True),
    Item("trace", "溯源", "trace", "一个值从哪里来，送到哪里去"),
    Item("merges", "合并与拆分", "settle", "哪些编号合并过，谁定的；可以撤销"),
    Item("burden", "减负", "burden", "少填了多少项"),
    Item("map", "字段与系统", "map", "哪个系统有哪些数据项"),
    Item("log", "封存日志", "log", "谁看过、谁改过；日志可验证未被改动", main=True),
    Item("exports", "导出审批", "sheet", "大批量导出须另一人批准，下载一次"),
    Item("accounts", "账号", "people", "人员、角色、网格、锁定", main=True),
    Item("programs", "接口令牌", "systems", "别的程序凭什么进来，做什么，到何时", main=True),
    Item("subscriptions", "变更订阅", "send", "主数据变更时通知您的程序"),
)


def navigation(routes: Iterable[str], rules: Mapping[str, Rule], account: Account | None) -> list[Item]:
    """Return the entries for an account: of the pages that exist, those whose rule lets it in."""
    there = set(routes)
    shown = [i for i in ITEMS if i.route in there and i.route in rules and rules[i.route].allows(account)]
    # Who has tasks begins with them: the start page shows the same.
    return (
        [i for i in shown if i.route != "home"]
        if any(i.route == "tasks" for i in shown) and account and account.role == "worker"
        else shown
    )

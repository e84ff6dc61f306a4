"""The words of acts (操作类别) for people; an act that is not here is shown as it is named."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

ACTS: Final[Mapping[str, str]] = {
    "read": "查看", "export": "导出", "enter": "录入", "undo": "撤回录入", "pull": "拉取", "consolidate": "归集", "push": "回写",
    "rebuild": "重建", "replay": "重放", "reconcile": "核对", "merge": "合并", "unmerge": "撤销合并", "split": "拆出记录",
    "review": "复核判定", "reopen": "撤回判定", "retry": "重试投递", "cancel": "撤销投递", "typed": "确认人工录入", "hold": "暂停系统", "release": "放行系统",
    "grant": "授权", "revoke": "撤销授权", "ticket": "办理纠错工单", "quality": "质量检查", "dismiss": "关闭质量工单",
    "train": "训练模型", "link": "全量链接", "report": "生成审计报告", "sample": "抽样", "login": "登录", "logout": "退出",
    "account": "账号管理", "token": "接口令牌", "checkpoint": "签发检查点", "seal": "密封流水", "hash": "更换算法", "expire": "到期删除",
    "cut": "日志截断", "log": "查看日志", "rotate": "轮换密钥", "approve": "审批导出",
}  # fmt: skip

OUTCOMES: Final[Mapping[str, str]] = {"done": "完成", "refused": "被拒", "failed": "失败"}

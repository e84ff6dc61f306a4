"""Dirt on names of people (姓名), one function per class of domain README §1.9; the character tables are our own."""

from __future__ import annotations

from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from sandbox.lens.dirt.spell import Rng, attach, by_distinct, table
from sandbox.town.draw import Text, join, picks, take, where

_TRADITIONAL: Final = table(
    "张張 刘劉 陈陳 杨楊 黄黃 吴吳 赵趙 孙孫 马馬 郑鄭 谢謝 韩韓 冯馮 叶葉 蒋蔣 苏蘇 吕呂 卢盧 钟鍾 谭譚 贺賀 "
    "龚龔 严嚴 邹鄒 万萬 许許 邓鄧 罗羅 龙龍 华華 国國 军軍 丽麗 兰蘭 凤鳳 红紅 东東 伟偉 强強 杰傑 云雲 飞飛 "
    "鹏鵬 燕鷰 娴嫻 静靜 颖穎 莲蓮 桥橋 庆慶 爱愛 宝寶 银銀 汉漢 学學 宇宇 泽澤 涛濤 浩浩 辉輝 刚剛 亚亞 诗詩"
)
HOMOPHONES: Final = table(
    "钰玉 嘉佳 琪琦 颖莹 瑶遥 晨辰 阳扬 宇雨 浩皓 轩萱 涵函 怡宜 婷亭 倩茜 伟玮 峰锋 杰捷 俊骏 静婧 敏闵 燕艳 娟涓 "
    "红虹 芳方 丽莉 霞夏 志智 建健 国果 强蔷 军君 梅玫 英瑛 文雯 子紫 梓子 思斯 雪学 佳嘉 玉钰"
)
_SHAPES: Final = table(
    "未末 末未 晴睛 睛晴 博搏 玮炜 炜玮 丹舟 鸟乌 洁浩 浩洁 佳住 俊峻 峻俊 琳林 彬杉 斌武 雨两 欣欢 欢欣 娜娟 莉菊 "
    "宇字 梓样 涵函 妍研 婷停 杰态 峰锋 锋峰 磊品 鑫金 明朋 朋明 刚钢 钢刚 荣苿 芬芳 芳芬 秀季 季秀 兰三 平乎 民氏 永水 "
    "水永 天夫 夫天 玉王 桂佳 珍诊 英央 建健 志忠 忠志 军车 强张"
)
"""Characters that a hand or an eye takes for each other (形近字)."""

_RARE: Final = "[玥煜昕宸汐柠瑶菡翀淼焱垚喆睿萱]"
_DOTS: Final = ("•", "．", "・", ".", "")


def middle_dot_variant(values: Text, rng: Rng) -> Text:
    """The middle dot of minority names written as another dot, or left out: 阿依古丽•买买提."""
    dots = take(_DOTS, picks(rng, [5, 3, 2, 2, 1], len(values)))
    parts = pc.split_pattern(values, "·", max_splits=1)
    dotted = np.asarray(pc.match_substring(values, "·").fill_null(False))
    whole = pc.if_else(pa.array(dotted), parts, pa.scalar(["", ""], pa.list_(pa.string())))
    return where(dotted, join(pc.list_element(whole, 0), dots, pc.list_element(whole, 1)))


def space_in_short_name(values: Text, rng: Rng) -> Text:  # noqa: ARG001
    """A wide blank in names of two characters, so that columns look even: 张　三."""
    return pc.replace_substring_regex(values, "^([一-鿿])([一-鿿])$", "\\1\u3000\\2")


def traditional_form(values: Text, rng: Rng) -> Text:  # noqa: ARG001
    """Written in traditional characters: 張偉."""
    return by_distinct(values, lambda name: name.translate(_TRADITIONAL))


def homophone(values: Text, rng: Rng) -> Text:  # noqa: ARG001
    """A character of the given name that sounds the same: 钰 for 玉, 嘉 for 佳."""
    return by_distinct(values, lambda name: name[:1] + name[1:].translate(HOMOPHONES))


def similar_shape(values: Text, rng: Rng) -> Text:  # noqa: ARG001
    """The last character of the given name taken for one that looks like it: 李未 for 李末."""
    return by_distinct(values, lambda name: name[:1] + name[1:-1] + name[1:][-1:].translate(_SHAPES))


def character_left_out(values: Text, rng: Rng) -> Text:  # noqa: ARG001
    """A name of three characters typed with two: 张国 for 张建国."""
    return pc.replace_substring_regex(values, "^([一-鿿])[一-鿿]([一-鿿])$", r"\1\2")


def parts_swapped(values: Text, rng: Rng) -> Text:  # noqa: ARG001
    """Given name before family name: JOHN SMITH for SMITH JOHN."""
    return pc.replace_substring_regex(values, "^([A-Z]+) ([A-Z ]+)$", r"\2 \1")


def rare_character_lost(values: Text, rng: Rng) -> Text:  # noqa: ARG001
    """A character that an old system cannot store, kept as a question mark."""
    return pc.replace_substring_regex(values, _RARE, "?")


def head_of_household_note(values: Text, rng: Rng) -> Text:  # noqa: ARG001
    """A remark in the name's cell: 王伟(户主)."""
    return attach(values, "(户主)")

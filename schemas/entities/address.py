"""标准地址: the fields of a standard address (domain README §1.6, §1.7; DB42/T 2175-2024, GA/T 2000.32)."""

from schemas.model import Entity, Field

ADDRESS = Entity(
    "address",
    "标准地址",
    (
        Field("standard_code", "标准地址编码", "text", 40, sensitivity=1, authority="ybss", identifies=True, inventory="a.code"),
        Field("full_text", "地址全称", "address", 200, mandatory="M", sensitivity=1, authority="ybss",
              standard="31000/16.2", inventory="a.full"),
        Field("province", "省", "text", 20, sensitivity=1, authority="derived"),
        Field("city", "市", "text", 30, sensitivity=1, authority="derived"),
        Field("district", "区县", "text", 30, sensitivity=1, authority="derived"),
        Field("street", "街道(乡镇)", "text", 40, sensitivity=1, authority="ybss"),
        Field("community", "社区(村)", "text", 60, sensitivity=1, authority="grassroots_gov"),
        Field("community_code", "社区代码", "region", 12, sensitivity=1, authority="grassroots_gov",
              inventory="a.comm"),
        Field("grid_code", "网格编码", "text", 20, sensitivity=1, authority="sg_etong", inventory="a.grid"),
        Field("road", "路街巷", "text", 60, sensitivity=1, authority="ybss", inventory="a.road"),
        Field("road_no", "门牌号", "text", 20, sensitivity=1, authority="ybss"),
        Field("compound", "小区(院落)", "text", 100, sensitivity=1, authority="ybss", standard="31000/9.1",
              inventory="a.estate"),
        Field("building", "楼栋", "text", 20, sensitivity=1, authority="ybss", inventory="a.bldg"),
        Field("unit", "单元", "text", 20, sensitivity=1, authority="ybss", inventory="a.unit"),
        Field("floor", "楼层", "text", 20, sensitivity=1, authority="ybss"),
        Field("room", "户室", "text", 20, sensitivity=1, authority="ybss", inventory="a.room"),
        Field("longitude", "经度", "decimal", 12, scale=8, sensitivity=1, authority="ybss", group="position",
              standard="31000/9.18", inventory="a.xy"),
        Field("latitude", "纬度", "decimal", 12, scale=8, sensitivity=1, authority="ybss", group="position",
              standard="31000/9.19"),
    ),
)  # fmt: skip
"""Standard addresses; a flat is a leaf of the tree, a street or a building an inner node."""

"""The compiled patterns of address elements: words (named places) and numbers (doors, buildings, rooms).

Every pattern is anchored at a position, bounded in length and without nested repetition, so reading a text takes
time linear in its length whatever it contains.
"""

import re
from typing import Final

from schemas.address.numerals import HAN_DIGITS

_HAN: Final = "〇\u3400-\u9fff"
_C: Final = f"[{HAN_DIGITS}]{{1,6}}"
_N: Final = f"(?:[0-9]{{1,5}}|{_C})"

_STREET: Final = (
    r"街道办事处|街道办|街道|街办事处|街办|办事处"
    r"|(?:民族|[满回苗壮蒙彝藏瑶侗土]族)*(?:(?<![下城])乡|(?<![小])镇)(?![镇路街巷道里卫]|府(?!前)|[东南西北中][路街大]|中心小?学|[初高]?中学|小学|企业|海)|苏木(?![路街])"
)
_COMMUNITY: Final = (
    r"社区居民委员会|社区居委会|社区村委会|社区居委|居民委员会|居委会|社区(?!(?:医院|卫生|服务|学院|活动|大学)(?![路街]))"
    r"|村民委员会|村委会(?!旁|对)|村民?委|行政村|中心村|嘎查"
    r"|(?<![新农度渔亚奥乡假])(?<!中关)村(?![0-9一二三四五六七八九十]{1,2}区)(?![路街巷道口里镇居庄屯东西南北中]?[路街大巷]|信用|级|屯|镇银行|口|村|镇|街道|社区|居)"
)
_ROAD: Final = (
    r"(?:快速|高速|环城|高架)?(?:大道(?!街道|社区|村)(?:[东南西北中](?=[0-9甲乙特]))?|大街(?!道|社区)|公路|国道|省道|县道|乡道|胡同|步行街|商业街|支路|辅路|环路(?!社区)"
    r"|路(?!街道|办事处|街办|桥镇|桥区|社区|口|村|镇|居|北?社区|灯|由|局|段小|公交|车)|街(?!道|街道|口|办|社区|镇|村|自然村|坊|居|心)|巷(?!口|镇|街道|社区|村)|弄(?!堂|口|镇|村|社区)|弄堂|夹道|里弄|支弄"
    r"|(?<=[东南西北城])[一二三四五]?环(?![路球保境城卫]|[东南西北])|[线道](?=[0-9 ]|$))"
    r"(?:[东南西北中一二三四0-9]段(?!路))?"
)
_ROAD_TAIL: Final = rf"(?:[东南西北中上下前后]?(?:[0-9]{{1,3}}|{_C})?(?:巷|胡同|支路|支弄|弄(?!堂?[0-9])|条|支巷|里(?=[0-9])|街(?![道口])|路(?!口)|横路|横街|横巷))"

WORD: Final = re.compile(
    rf"(?P<stem>(?:[^\x00-\x7f镇乡村街]{{0,5}}[A-Z]{{0,2}}[0-9]{{1,4}}号?(?=[路街道线巷]|大[街道]|[国省县乡]道)|[^\x00-\x7f镇乡村街路巷道区号社]{{0,4}}[0-9]{{1,4}}(?=社区|居委|居民委))?[{_HAN}A-Z]{{0,16}}?)"
    rf"(?=[街办镇乡苏民满回苗壮蒙彝藏瑶侗土社居村行中嘎大公国省县胡步商支辅环路巷弄夹里线道快高组])(?:(?P<street>{_STREET})|(?P<community>{_COMMUNITY})|(?P<road>{_ROAD})|(?P<lane>里(?=[0-9甲乙]))|(?P<group>(?<=[0-9{HAN_DIGITS}])组(?!团)|组(?=[0-9 ]|$)))"
)
"""A named place up to its earliest suffix; the suffix decides the element."""

SUBROAD: Final = re.compile(
    rf"(?:(?:[0-9]{{1,3}}|{_C})(?:巷|支路|支弄|弄(?!堂)|条|支巷|里|胡同|横路|横街|横巷|街(?![道口])|路(?!口))|[东南西北中一二三四][段](?!路))(?:[东南西北](?=[0-9]))?"
)
"""A numbered branch directly behind a road: 武珞路二巷."""

GROUP: Final = re.compile(
    rf"(?:第?(?:[0-9]{{1,3}}|{_C})(?:村民)?(?:组(?!团)|小组|社(?!区)|队|生产队)|[{_HAN}]{{1,3}}组(?=[0-9 ]|$)|[{_HAN}]{{1,4}}?(?:村民小组|村民组|生产队)(?=[0-9 ]|$))"
)
"""A village group (村民小组), which takes the place of a road in a village."""

HAMLET_GROUP: Final = re.compile(
    rf"(?P<village>[{_HAN}]{{2,4}}?)(?P<group>第?(?:[0-9]{{1,3}}|{_C})(?:村民)?(?:组(?!团)|小组|生产队))"
)
"""A village named without 村 before one of its groups: 赵庄1组."""

ORGANISATION_BUILDING: Final = re.compile(r"([0-9]{1,5}号)((?:办公|教学|宿舍|住宅|综合|商业|公寓|实验)楼)")
"""A door plate with the only building behind it: 643号综合楼."""

ZONE: Final = re.compile(
    rf"[{_HAN}]{{0,8}}?(?:经济技术开发区|高新技术产业开发区|高新技术产业园区|高新技术开发区|新技术开发区|旅游度假区|经济开发区|技术开发区"
    rf"|风景名胜区|综合保税区|保税港区|保税区|高新区|经开区|开发区|风景区|度假区|自贸区|新区(?![大路])|管理区|管委会)(?!街道|街办|办事处|社区)"
)
"""A functional zone (功能区), which stands at county level though it is not a county."""

ESTATE_IN: Final = re.compile(
    r"小区|大厦|公寓|花苑|家园|新村|商城|[^新老]市场|新区|园区|开发区|化工区|农发区|保税[东南西北]?区|科创园|工业园区?|工业区|科技园|产业园|创业园|软件园|大学(?![东南西北中]?[路街]|城)|学院(?![东南西北中]?路)|医院|广场(?=.{2})|花园(?=.{2})|公司|山庄|新城(?=.{3})"
)
"""Ends of estates and companies inside the stem of a road: the road begins behind them."""

ESTATE_END: Final = re.compile(r".*[区园城苑厦寓场村庄院店司厂校府](?=[^东南西北路]..)")
"""In an unusually long stem, the last character that usually ends an estate."""

CAMPUS: Final = re.compile(r"(?:大学|学院|医院|公司|[厂所])(?!路)")
"""Organisations after which communities are named: 华中科技大学社区."""

SIDE: Final = re.compile(r"(?:[左右][边侧]?|[东西南北中](?=[户室]|$))[户室]?(?=$|[ (])")
"""The flat of a storey by its side, as people say it: 五楼左."""

JUNCTION: Final = re.compile(
    rf"(?:[东南西北]{{0,2}}(?:侧|边|面)?)?(?:[与和及跟、/]|(?<=[路街道])-) ?(?P<other>[{_HAN}0-9]{{1,12}}?(?:大道|大街|路|街|巷|线|道))?(?:的)?(?P<at>(?:交叉路口|交叉口|交汇处|交界处|交叉处|交会处|相交处|十字路口|丁字路口|路口|交口|交汇口|口)[东南西北]{{0,2}}[侧角边面]?(?:约?[0-9]{1, 4}米)?)?"
)
"""A crossing (路口): 与四明东路交叉口."""

ASSIST: Final = re.compile(
    r"(?:(?:正|斜)?对[面过]|旁边?|附近|隔壁|边上|侧面|(?<=.)背后|后面|前面|楼下|楼上|门前|大?门口|[东南西北]{1,2}[侧面](?!门)|[路道街]?口[东南西北]?|[东南西北]{1,2}边|[往向][东南西北](?:约|行)?[0-9]+(?:米|公里)(?:路[东南西北])?|[进往向][东南西北里前]|[东南西北]{1,2}(?:约|行)?[0-9]+(?:米|公里)(?:路[东南西北])?|[0-9]+米(?:处|路[东南西北])?|内[侧]?(?=$| )|[丁十]字路口|交叉路口|交叉口|交汇处|十字路口|(?<![出进])入口(?:处|$)|(?<!进)出口(?:处|$))"
)
"""Auxiliary words (辅助定位词) which say where beside a place, not which place."""

PLAIN_NUMBER: Final = re.compile(
    r"[0-9]{1,5}(?:(?P<building>[栋幢](?![楼门]))|(?P<unit>单元(?![号室]))|(?P<floor>层)|(?P<room>室)"
    r"|(?P<no>号(?![0-9A-Z\-#之附甲乙丙丁院楼栋幢座室房铺店门面户仓车档摊柜商库公办教宿住综实写单])))"
)
"""The commonest numbered elements, all of which `NUMBER` reads alike."""

NUMBER: Final = re.compile(
    rf"(?:(?P<alley>[0-9]{{1,5}}(?:-[0-9]{{1,5}})?弄(?:[0-9]{{1,4}}支弄)?)"
    rf"|(?P<building>(?:第|[东南西北甲乙丙丁新老旧]|(?<![A-Z])[A-Z]{{1,3}}-?)?(?:{_N}(?:[-/](?:[0-9]{{1,3}}|[A-Z](?=[栋幢座])))?[A-Z]{{0,2}}|(?<=[A-Z])|[甲乙丙丁](?=[栋幢座]))(?:号?楼栋|号楼(?!层)|号(?:办公|教学|宿舍|住宅|综合|商业|公寓|实验)楼|#楼|号栋|号幢|号座|栋(?:楼(?![下上前后]))?|幢(?:楼(?![下上前后]))?|撞|懂|[座#](?!机))"
    rf"|[东南西北中]座|[A-Z][0-9]{{0,2}}楼(?![层下上])|[0-9]{{1,3}}楼(?=(?:[0-9]{{1,2}}|{_C})(?:层|单元|门|楼)))"
    rf"|(?P<unit>(?:第)?(?:{_N}|[A-Z]|[甲乙丙丁东西中](?=单元))(?:单元号?|门洞|号门(?!面|口|店|市)|门(?![面口市诊店头卫])|梯|栋门))"
    rf"|(?P<floor>(?:地下|负|(?<![0-9A-Z])-(?=[0-9{HAN_DIGITS}]))(?:{_N})(?:层|楼)?|第?{_N}(?:-{_N})?(?:层|楼(?![盘宇梯房号]))|[0-9]{{1,2}}F(?![A-Z0-9])|F[0-9]{{1,2}}(?:层|楼|(?![0-9A-Z-]))|B[1-4](?:层|楼|(?![0-9A-Z-]|$))|底层|底楼|顶楼|顶层|夹层|首层|架空层)"
    rf"|(?P<room>(?:(?<![A-Z])[A-Z]{{1,3}}-?|-)?(?:[0-9]{{1,5}}|[{HAN_DIGITS}]{{2,5}}|{_C}(?=[室房户]))(?:[-、,/.][0-9A-Z]{{1,5}}){{0,3}}[A-Z]?(?:号?(?:室|房间|房(?![产地屋])|户(?![外部])|商?铺(?!面)|门面房?|铺面|店面房?|店铺|店(?=$|[ (])|摊位?|档口?|柜台?|仓库?|车库|档位|写字间)|单元室|办公室))"
    rf"|(?P<no>(?:附|特|临时?|甲|乙|(?<=[路街巷弄号])[丙丁新旧老东西南北]|(?<![A-Z])[A-Z]{{1,2}}-?)?(?:甲|乙|特)?(?:[0-9]{{1,5}}(?:(?:-|、|/|\.|之|,)(?:[A-Z]?[0-9]{{1,5}}|[一二三四五六七八九十]))*[A-Z甲乙丙丁]?|{_C})(?:号院?(?!楼|线|大院门)|#)(?:[甲乙丙丁](?![栋幢座级字])|[A-Z](?![A-Z0-9座栋幢区楼]))?(?:-(?:[0-9]{{1,4}}号?)(?![0-9-])|之(?:[0-9]{{1,3}}|[一二三四五六七八九十]{{1,2}})号?|附[0-9{HAN_DIGITS}]{{1,4}}号?|(?<=号)附[0-9]{{1,4}})?)"
    rf"|(?P<bare>(?:(?<![A-Z])[A-Z]{{1,3}}-?)?[0-9]{{1,6}}(?:[A-Z](?![A-Z]))?(?:[-/](?:[A-Z]{{0,2}}[0-9]{{1,5}}(?:[A-Z](?![A-Z]))?|[A-Z](?![A-Z])))*(?![0-9])))"
)
"""A numbered element at a position; the group name says what its own characters make it."""

CANDIDATE: Final = re.compile(
    rf"[0-9A-Z{HAN_DIGITS}附特甲乙丙丁新旧老临东西南北中第负地底顶夹首架\-]"
    rf"(?:(?<=[0-9])|(?<=[A-Z])(?=[0-9A-Z座栋幢楼单门#\-])|(?<=[{HAN_DIGITS}])(?=[{HAN_DIGITS}]{{0,5}}[号楼层栋幢座撞懂单门室房户铺店梯])"
    rf"|(?<=[附特甲乙丙丁新旧老临东西南北中第负\-])(?=[0-9{HAN_DIGITS}甲乙特座单栋幢时])|(?<=地)下|(?<=[底顶夹首])[层楼]|(?<=架)空层)"
)
"""Where a numbered element may begin; one leading character class, so that the scan skips names at full speed."""

FIRST_DIGIT: Final = re.compile(r"[0-9]")
LONG_DIGITS: Final = re.compile(r"[0-9]{7}|[0-9]-[0-9]{3,8}")
"""A cheap sign that a phone number may be present."""

NOT_UNIT: Final = re.compile(
    r"(?:期|区|组|社(?!区医院|区卫生|区服务|区活动)|居委会|居民委员会|队|组团|号线|号?(?:大街|路|道|巷|条|胡同|支弄|支路|街(?!$)|国道|省道|公路|线|桥|公馆|厅|矿)|号地|度|中(?!心)|小(?!区)|[Cc]?[Mm]|公里|米|号站|村|团|营|连|师|局|厂|院|分|支|所|代|航|克|元|年|季|天|工作|维|号码头|号仓|门口|医院|大学|学校|S店|公社|大队|分场|分公司|里(?=[\u4e00-\u9fff]{2})|街区|坊|世|色|环|味|点|弄)"
)
"""What behind a bare number says that it is part of a name: 二期, 3区, 7组团, 4S店."""

NAME_BEHIND: Final = re.compile(
    rf"(?![栋幢座层楼室])[{_HAN}]{{0,4}}?(?:小区|花园|华庭|华府|雅居|雅苑|新苑|家园|家苑|嘉园|嘉苑|佳苑|新村|宿舍|大院|大厦|公寓|公馆|广场|庄园|山庄|新城|名城|名都|豪庭"
    rf"|[苑庭府轩阁](?=[0-9A-Z第{HAN_DIGITS} ]|$)|创意园|产业园|科技园|文化园|市场|商城|中心(?=[0-9A-Z第{HAN_DIGITS} ]|$))(?![路街巷])"
)
"""An estate's name behind a number that belongs to it (701华庭, 1818中心)."""

ESTATE_OF_ROAD: Final = re.compile(
    rf"(?:小区|花园|家园|新村|宿舍|公寓|公馆|华庭|华府|雅居|雅苑|新苑|嘉园|佳苑|大院|花苑|[苑庭]|市场|菜场|商城|大厦|商厦|广场|写字楼|商务中心|国际大厦)(?:[0-9A-Z第{HAN_DIGITS} ]|$)"
)
"""What behind a road's name makes it the name of an estate: 新华路小区."""

NO_NAME_BEHIND: Final = re.compile(
    rf"[对旁附隔边楼内外侧左右进往]|[门前后东西南北](?:[侧边面门户楼口]|$)|[{_HAN}]?(?:$|[^{_HAN}])|[{_HAN}]{{0,20}}(?:公司|经营部|商行|门市|工作室)"
)
"""What behind a number at the beginning of a text says that it is no part of a name."""

NOT_NUMERAL: Final = re.compile(r"[路街巷镇乡村峡县桥湾岭沟塘坪]|社区|居委会|小区|新村|大道|公园|中学|小学")
"""What behind a number in characters and its word says that both are a name: 三门路, 十八梯社区, 三十铺镇."""

NOT_PLATE: Final = re.compile(
    r"大街|路(?!口)|街(?!$|口)|公路|国道|线|桥|公馆|矿|码头|仓|院区|厅|馆|地块|高架|干线|渠|闸|井|楼层|铁路|水库"
)
"""What behind 号 says that the number is part of a name: 3号大街, 2号线."""

NUMBERED_ROAD: Final = re.compile(rf"[{_HAN}]{{2,5}}?(?=[0-9]{{1,3}}号|[GSXY]?[0-9]{{3}}$)")
"""The place before a numbered road written without a break: 下沙12号大街."""

LODGING: Final = re.compile(r"(?:市场|商城|广场|大厦|商厦|中心|[^新]城|大楼|商场|物流园|批发部)$")
"""Estates whose numbered parts are shops and offices, not buildings."""

HAMLET_NOT: Final = re.compile(
    r"小区|花园|[苑园庄府城厦寓区场院校厂司店墅坊]$|(?<![家屋])湾$|新村|公寓|宿舍|中心|广场|市场|国际|大楼|单位|家属|[里坊]$|公馆|名邸|[期区]$|[路街]$|[一二三四五六七八九十]村$"
)
"""Names which are estates or organisations; other names in a village are hamlets (自然村) with door plates."""

NOT_TOWNSHIP: Final = re.compile(
    r"[东南西北中上下大小新老前后内外环一二三四五六七八九十山湖江河港]{0,3}(?:路|条|大?街|巷|大?道|桥|站|里|弄|苑|步行街|商业街)|大厦|广场|花园|小区|新村|公寓|酒店|宾馆|公司|市场|家园|园|城|府|庄|山庄|中学|小学|医院|工业|开发|[0-9]|对面|附近|国际|银行|商|[期区]"
)
"""What behind a township's name says that another place is named after it."""

PHONE: Final = re.compile(
    r"(?<![0-9])(?:\(?\+?86\)?-?)?(?:1[3-9][0-9]{9}|0[1-9][0-9]{1,2}-?[0-9]{7,8}|400-?[0-9]{3}-?[0-9]{4})(?![0-9])"
)
LEAD: Final = re.compile(
    r" ?(?:(?:收货|收件|详细|联系|现住|家庭|户籍|注册|经营|通讯|办公|单位|居住)?(?:地址|住址|住所|电话)|手机号?码?|住址)[ :]*"
)
"""A field name copied along with the address."""

BRACKET: Final = re.compile(r"\(([^()]{0,60})\)?|\)")
SHOP_PLATE: Final = re.compile(r"[0-9]{1,5}(?:-[0-9]{1,4})?号(?=(?:门面|商铺|铺面|店面|店铺|铺|店|车库|仓库?)[房位]?$)")
"""A door plate whose kind of premises is said behind it (建设路12号门面)."""

PREMISES: Final = re.compile(
    r"(?:[一二三四五1-5](?:楼|层))?(?:[临沿]街|临路|底层)?(?:商铺|门面|门面房|铺面|店面|店面房|店铺|底商|商业用房|(?:地下)?(?:车库|停车场)|地下室|仓库|厂房)"
)
"""Words for a kind of premises, which are no name."""

PREMISES_BEHIND: Final = re.compile(r"(?<=..)(?:地下车库|地下停车场|地下室|临街商铺|底商|门面房?)$")
"""Premises named directly behind an estate: 阳光花园地下车库."""

STREET_OFFICE: Final = re.compile(
    rf"街(?=[^\x00-\x7f与和及跟、交路街巷]{{1,7}}(?:大道|路|街|巷|村|社区)(?:[东南西北中][路街]?)?(?:[0-9{HAN_DIGITS}东南西北]|$))"
)
"""街 for 街道 behind the name of one: another road follows it (大石街朝阳东路)."""

WING: Final = re.compile("[A-Z][区室]")
"""Part of a storey: 12层A区, 23层F室."""

VILLAGE_AHEAD: Final = re.compile(rf"[{_HAN}]{{1,6}}?(?:村(?![路街巷道])|社区)")
"""A village or community behind 街: the 街 is an office (六指街甘棠村), since roads are written behind communities."""

MALL: Final = re.compile(r"(?:百货(?:大楼|大厦)?|商场|商城|商厦|超市|卖场|广场|购物中心|商业中心|奥特莱斯|天地|城)$")
"""Places whose B1 is a basement and no building."""

NOISE: Final = re.compile(r"电话?联系?|请?送货上门|收$")
"""Words to the courier."""

REMARK_HEADS: Final = re.compile(r"[电送收对过旁附隔侧边背后前楼门口进往向东南西北米里内交十入出面]")
"""Cheap signs that the slower pattern is worth trying."""

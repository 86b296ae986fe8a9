"""Which legacy encoding a file that is not UTF-8 is in.

charset-normalizer weighs the parts of the file that are not ASCII, and its opinion is joined with a count of
characters that are frequent in the languages of each encoding, because files with ten foreign characters, or with
few among much ASCII, are too little for it alone. Work is bounded by a sample.
"""

import codecs
import re
from collections.abc import Callable

LABELS = {
    "utf-8": "UTF-8",
    "utf-16-le": "UTF-16LE",
    "utf-16-be": "UTF-16BE",
    "utf-32-le": "UTF-32LE",
    "utf-32-be": "UTF-32BE",
    "gb18030": "GB18030 (GBK)",
    "big5": "Big5",
    "cp932": "Shift-JIS",
    "euc_jp": "EUC-JP",
    "cp949": "EUC-KR",
    "koi8_r": "KOI8-R",
    "cp1251": "Windows-1251",
    "cp1252": "Windows-1252 (Latin-1)",
    "latin_1": "Latin-1",
}
"""Names for people."""

_SAMPLE_BYTES = 16_384
_FOREIGN_BYTE = re.compile(rb"[\x80-\xff]")
_ASCII_BEFORE = 64
"""How much of a line before its first foreign byte goes into the sample."""
_LEAST_SCORE = 0.25
_NORMALIZER_BONUS = 0.15

_FREQUENT_SIMPLIFIED = frozenset(
    "的一是不了人我在有他这个们中来上大为和国地到以说时要就出会可也你对生能而子那得于着下自之年过发后作里用道行所然家种事成方多经么去法学如都同"
    "现当没动面起看定天分还进好小部其些主样理心她本前开但因只从想实日军者意无力它与长把机十民第公此已工使情明性知全三又关点正业外将两高间由问很最重"
    "并物手应战向头文体政美相见被利什二等产或新己制身果加西斯月话合回特代内信表化老给世位次度门任常先海通教儿原东声提立及比员解水名真论处走义各入几"
    "口认条平系气题活尔更别打女变四神总何电数安少报才结反受目太量再感建务做接必场件计管期市直德资命山金指克许统区保至队形社便空决治展马科司五基眼书"
    "非则听白却界达光放强即像难且权思王象完设式色路记南品住告类求据程北边死张该交规万取拉格望觉术领共确传师观清今切院让识候带导争运"
    "配置文件测试编码服务器用户错误输入输出默认值这里注释数据库连接字符串参数函数返回如果请"
)
_FREQUENT_TRADITIONAL = frozenset(
    "的一是不了人我在有他這個們中來上大為和國地到以說時要就出會可也你對生能而子那得於著下自之年過發後作裡用道行所然家種事成方多經麼去法學如都同"
    "現當沒動面起看定天分還進好小部其些主樣理心她本前開但因只從想實日軍者意無力它與長把機十民第公此已工使情明性知全三又關點正業外將兩高間由問很最重"
    "並物手應戰向頭文體政美相見被利什二等產或新己制身果加西斯月話合回特代內信表化老給世位次度門任常先海通教兒原東聲提立及比員解水名真論處走義各入幾"
    "口認條平系氣題活爾更別打女變四神總何電數安少報才結反受目太量再感建務做接必場件計管期市直德資命山金指克許統區保至隊形社便空決治展馬科司五基眼書"
    "非則聽白卻界達光放強即像難且權思王象完設式色路記南品住告類求據程北邊死張該交規萬取拉格望覺術領共確傳師觀清今切院讓識候帶導爭運"
    "設定檔案測試編碼伺服器使用者錯誤輸入輸出預設值註解資料庫連線字串參數函式返回如果請"
)
_FREQUENT_JAPANESE = frozenset(
    "日一国会人年大十二本中長出三時行見月後前生五間上東四今金九入学高円子外八六下来気小七山話女北午百書先名川千水半男西電校語土木聞食車何南万毎白天"
    "設定値文字列漢表示処理実用変更数関接続作成新部分情報使手自動同方場合内的者目体全理対問題機能"
)
_FREQUENT_HANGUL = frozenset(
    "이다는을의에가하고지로한은를도기사자인그나어아리시서들해있니라정대수게여보일스과마만부면것전으적제장주상구원안요오소성신우동공세조까연미었유국모무비"
    "생해중등선트습경위방용때문관개계설파입력출오류값테처음말내될된했않없"
)
_CYRILLIC_BY_FREQUENCY = "оеаинтсрвлкмдпуяыьгзбчйхжшюцщэфъё"


def guess_legacy_encoding(data: bytes) -> str | None:
    """Return Python's name of the encoding that `data`, which is not valid UTF-8, is most probably in.

    None if nothing fits, or if the data is UTF-8 with some damage. The whole of `data` decodes in what is returned.
    """
    sample = _foreign_sample(data)
    if _is_damaged_utf8(sample):
        return None
    scores: dict[str, float] = {}
    for encoding, score in _SCORES.items():
        # The sample may end within a character; hence the incremental decoder, which is not told that this is the end.
        decoder = codecs.getincrementaldecoder(encoding)()
        try:
            scores[encoding] = score(decoder.decode(sample))
        except UnicodeDecodeError:
            continue
    favourite = _normalizer_favourite(sample, list(scores))
    if favourite is not None:
        scores[favourite] += _NORMALIZER_BONUS
    for encoding in sorted(scores, key=lambda name: scores[name], reverse=True):
        if scores[encoding] >= _LEAST_SCORE and _decodes(data, encoding):
            return encoding
    return None


def _foreign_sample(data: bytes) -> bytes:
    """Return the parts of the lines that hold bytes above 0x7F, up to a bound.

    Each part begins before the first such byte of its line, so at the start of a character, and ends with the line or,
    for the last part only, at the bound.
    """
    pieces: list[bytes] = []
    room = _SAMPLE_BYTES
    match = _FOREIGN_BYTE.search(data)
    while match and room > 0:
        first = match.start()
        line_start = data.rfind(b"\n", max(0, first - _ASCII_BEFORE), first) + 1
        start = line_start or max(0, first - _ASCII_BEFORE)
        end = data.find(b"\n", first)
        end = len(data) if end == -1 else end
        pieces.append(data[start : min(end, start + room)])
        room -= len(pieces[-1]) + 1
        match = _FOREIGN_BYTE.search(data, end)
    return b"\n".join(pieces)


def _is_damaged_utf8(sample: bytes) -> bool:
    """Tell whether most of the foreign bytes are proper UTF-8 characters."""
    text = sample.decode("utf-8", "surrogateescape")
    n_escaped = sum(1 for character in text if "\udc80" <= character <= "\udcff")
    n_proper = sum(1 for character in text if character > "\x7f") - n_escaped
    return n_proper >= 2 * n_escaped


def _normalizer_favourite(sample: bytes, encodings: list[str]) -> str | None:
    if not encodings:
        return None
    # Imported here: it takes 30 ms, and most files are UTF-8.
    from charset_normalizer import from_bytes

    best = from_bytes(sample, cp_isolation=encodings, threshold=0.5).best()
    return best.encoding if best is not None and best.encoding in encodings else None


def _decodes(data: bytes, encoding: str) -> bool:
    try:
        data.decode(encoding)
    except UnicodeDecodeError:
        return False
    return True


def _mean(weigh: Callable[[str], float]) -> Callable[[str], float]:
    def score(text: str) -> float:
        weights = [weigh(character) for character in text if character > "\x7f"]
        return sum(weights) / len(weights) if weights else 0.0

    return score


def _is_cjk_punctuation(character: str) -> bool:
    return "\u3000" <= character <= "\u303f" or "\uff01" <= character <= "\uff5e" or character in "“”‘’—…·"


def _is_kana(character: str) -> bool:
    return "\u3041" <= character <= "\u30fe"


def _is_han(character: str) -> bool:
    return "\u4e00" <= character <= "\u9fff"


def _first_byte(character: str, encoding: str) -> int:
    return character.encode(encoding, "replace")[0]


def _weigh_simplified(character: str) -> float:
    if character in _FREQUENT_SIMPLIFIED:
        return 1.3
    if _is_cjk_punctuation(character):
        return 0.8
    if _is_han(character):
        encoded = character.encode("gb18030")
        is_in_gb2312 = len(encoded) == 2 and encoded[1] >= 0xA1
        return (0.7 if 0xB0 <= encoded[0] <= 0xD7 else 0.1) if is_in_gb2312 else -0.3
    return -0.2


def _weigh_traditional(character: str) -> float:
    if character in _FREQUENT_TRADITIONAL:
        return 1.3
    if _is_cjk_punctuation(character):
        return 0.8
    if _is_han(character):
        return 0.7 if _first_byte(character, "big5") <= 0xC6 else 0.1
    return -0.2


def _weigh_japanese(character: str) -> float:
    if _is_kana(character):
        return 1.2
    if character in _FREQUENT_JAPANESE:
        return 1.2
    if _is_cjk_punctuation(character):
        return 0.8
    if "\uff61" <= character <= "\uff9f":
        return -0.1
    if _is_han(character):
        return 0.6 if 0xB0 <= _first_byte(character, "euc_jp") <= 0xCF else 0.0
    return -0.2


def _weigh_korean(character: str) -> float:
    if character in _FREQUENT_HANGUL:
        return 1.3
    if "\uac00" <= character <= "\ud7a3":
        # EUC-KR proper has the 2,350 syllables in use; cp949 adds the rest.
        return 0.7 if len(character.encode("euc_kr", "ignore")) == 2 else -0.3
    if _is_cjk_punctuation(character):
        return 0.8
    return -0.1


def _score_cyrillic(text: str) -> float:
    total = 0.0
    count = 0
    before = " "
    for character in text:
        if character > "\x7f":
            count += 1
            total += _weigh_cyrillic(character, before)
        before = character
    return total / count if count else 0.0


def _weigh_cyrillic(character: str, before: str) -> float:
    if not ("\u0410" <= character <= "\u044f" or character in "Ёё"):
        return 0.5 if character in "«»—–№“”„…" else -0.5
    if "a" <= before.lower() <= "z":
        return -0.5
    if character.isupper() and before.islower():
        return -1.0
    rank = _CYRILLIC_BY_FREQUENCY.find(character.lower())
    weight = 1.2 - 0.04 * (rank if rank >= 0 else len(_CYRILLIC_BY_FREQUENCY))
    return weight if character.islower() or not before.isalpha() else 0.9 * weight


def _score_western(text: str) -> float:
    total = 0.0
    count = 0
    run = 0
    before = " "
    for character in text:
        if character > "\x7f":
            run += 1
            count += 1
            total += _weigh_western(character, before, run)
        else:
            run = 0
        before = character
    return total / count if count else 0.0


def _weigh_western(character: str, before: str, run: int) -> float:
    if run >= 3:
        return -0.5
    if character in "äöüÄÖÜßéèàçêâîôûëïñáíóúãõåæøÉÀÅØ":
        return -0.2 if character.isupper() and before.islower() else 1.0 - 0.2 * (run - 1)
    if character in "€£©®°±²³µ·–—…“”‘’„«»§½¼¡¿ºª•™×":
        return 0.6
    if character.isalpha():
        return -0.2 if character.isupper() and before.islower() else 0.5
    return -1.0 if character < "\u00a0" else 0.0


_SCORES: dict[str, Callable[[str], float]] = {
    "gb18030": _mean(_weigh_simplified),
    "big5": _mean(_weigh_traditional),
    "cp932": _mean(_weigh_japanese),
    "euc_jp": _mean(_weigh_japanese),
    "cp949": _mean(_weigh_korean),
    "koi8_r": _score_cyrillic,
    "cp1251": _score_cyrillic,
    "cp1252": _score_western,
    "latin_1": _score_western,
}

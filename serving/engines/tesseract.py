"""Tesseract: printed text by the operating system's language files. In process, by tesserocr."""

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from tesserocr import PSM, RIL, PyTessBaseAPI, iterate_level

from models.card import Card
from models.tasks import Line
from serving.images import Image
from serving.pages import Page, page_of
from serving.wire import EngineUnavailableError, UnsupportedError

SYSTEM = Path("/usr/share/tesseract-ocr")
ORIENTATION = "osd"
TIMEOUT_MS = 60_000
READERS = 4  # sets of languages held loaded, some 40 MB each
DPI = 150  # pictures carry none that could be trusted; it only silences a guess

POOR, FAIR = 0.70, 0.85  # below: try it turned by 90 and 180 degrees; try it at twice the size
DOUBLE_PIXELS = 2_000_000  # what is larger gains nothing from doubling

# ISO 639-1 and Tesseract's own code, where that is not the ISO 639-2 one a user might give as well.
PAIRS = """
af:afr am:amh ar:ara as:asm az:aze be:bel bg:bul bn:ben bo:bod br:bre bs:bos ca:cat co:cos cs:ces cy:cym da:dan de:deu
dv:div dz:dzo el:ell en:eng eo:epo es:spa et:est eu:eus fa:fas fi:fin fo:fao fr:fra fy:fry ga:gle gd:gla gl:glg gu:guj
he:heb hi:hin hr:hrv ht:hat hu:hun hy:hye id:ind is:isl it:ita iu:iku ja:jpn jv:jav ka:kat kk:kaz km:khm kn:kan ko:kor
ku:kmr ky:kir la:lat lb:ltz lo:lao lt:lit lv:lav mi:mri mk:mkd ml:mal mn:mon mr:mar ms:msa mt:mlt my:mya ne:nep nl:nld
no:nor oc:oci or:ori pa:pan pl:pol ps:pus pt:por qu:que ro:ron ru:rus sa:san sd:snd si:sin sk:slk sl:slv sq:sqi sr:srp
su:sun sv:swe sw:swa ta:tam te:tel tg:tgk th:tha ti:tir to:ton tr:tur tt:tat ug:uig uk:ukr ur:urd uz:uzb vi:vie yi:yid
yo:yor zh:chi_sim zh-cn:chi_sim zh-tw:chi_tra
"""
CODES = dict(pair.split(":") for pair in PAIRS.split())


def engine(card: Card) -> "Tesseract":
    return Tesseract()


class Tesseract:
    def __init__(self) -> None:
        self._folder = _data_folder()
        installed = {file.stem for file in self._folder.glob("*.traineddata")}
        self._turns = ORIENTATION in installed
        self._installed = sorted(installed - {ORIENTATION})
        self._readers: dict[tuple[str, ...], PyTessBaseAPI] = {}
        self._reader(tuple(self._installed))

    def close(self) -> None:
        for reader in self._readers.values():
            reader.End()
        self._readers.clear()

    def read(self, image: Image, languages: Sequence[str]) -> Sequence[Line]:
        """Straightened first; a poor reading is tried again turned, and larger. The surest of them counts."""
        reader = self._reader(self._codes(languages))
        page = page_of(image)
        lines = _lines(reader, page, PSM.AUTO)
        if lines and _sureness(lines) < POOR and self._turns:
            lines = max(lines, _lines(reader, page, PSM.AUTO_OSD), key=_sureness)
        if lines and _sureness(lines) < FAIR and page.grey.width * page.grey.height < DOUBLE_PIXELS:
            lines = max(lines, _lines(reader, page.doubled(), PSM.AUTO), key=_sureness)
        return lines

    def _codes(self, languages: Sequence[str]) -> tuple[str, ...]:
        if not languages:
            return tuple(self._installed)
        codes = []
        for language in languages:
            code = CODES.get(language.lower()) or CODES.get(language.lower().partition("-")[0], language)
            if code not in self._installed:
                package = "tesseract-ocr-" + code.replace("_", "-").lower()
                known = code in CODES.values()
                repair = f" On the box: apt install {package}" if known else ""
                raise UnsupportedError(f"This language is not installed for reading.{repair}", "languages")
            codes.append(code)
        return tuple(sorted(set(codes)))

    def _reader(self, codes: tuple[str, ...]) -> PyTessBaseAPI:
        """The one used longest ago makes room."""
        reader = self._readers.pop(codes, None)
        if reader is None:
            if len(self._readers) >= READERS:
                self._readers.pop(next(iter(self._readers))).End()
            reader = PyTessBaseAPI(path=f"{self._folder}/", lang="+".join(codes))
            reader.SetVariable("debug_file", os.devnull)
        self._readers[codes] = reader
        return reader


def _data_folder() -> Path:
    """Raises `EngineUnavailableError`: without language files there is nothing to read with."""
    given = os.environ.get("TESSDATA_PREFIX")
    folders = [Path(given)] if given else sorted(SYSTEM.glob("*/tessdata"), reverse=True)
    for folder in folders:
        if any(file.stem != ORIENTATION for file in folder.glob("*.traineddata")):
            return folder
    raise EngineUnavailableError(
        "Tesseract's language files are missing on this machine: apt install tesseract-ocr"
        + (f" (looked in TESSDATA_PREFIX={given})" if given else "")
    )


def _lines(reader: PyTessBaseAPI, page: Page, mode: int) -> list[Line]:
    reader.SetPageSegMode(mode)
    reader.SetImage(page.grey)
    reader.SetSourceResolution(DPI)
    try:
        if not reader.Recognize(TIMEOUT_MS):
            return []
        return list(_found(reader, page))
    finally:
        reader.Clear()


def _found(reader: PyTessBaseAPI, page: Page) -> Iterator[Line]:
    found = reader.GetIterator()
    if found is None:
        return
    for line in iterate_level(found, RIL.TEXTLINE):
        if line.Empty(RIL.TEXTLINE):
            continue
        text = line.GetUTF8Text(RIL.TEXTLINE).strip()
        box = line.BoundingBox(RIL.TEXTLINE)
        if text and box is not None:
            yield Line(text, round(line.Confidence(RIL.TEXTLINE) / 100, 4), page.original(box))


def _sureness(lines: Sequence[Line]) -> float:
    """Of the whole page, by length of line."""
    letters = sum(len(line.text) for line in lines)
    return sum(line.confidence * len(line.text) for line in lines) / letters if letters else 0.0

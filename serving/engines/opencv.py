"""OpenCV 4: faces (Haar), standing people (HOG) and QR codes; what it needs lies in its wheel."""

from collections.abc import Iterator, Sequence
from math import exp
from pathlib import Path

import cv2
import cv2.data
import numpy as np
from numpy.typing import NDArray

from models.card import Card
from models.tasks import Box, Detection
from serving.images import Image
from serving.wire import EngineUnavailableError

FACES = "haarcascade_frontalface_default.xml"
FACE_NEIGHBOURS = 5
SMALLEST_FACE = (30, 30)
PERSON_WINDOW = (64, 128)
# Of the distance from the support vectors' plane. Lines of text on a page reach 0.74.
LEAST_PERSON_WEIGHT = 0.8
SEEN_SIDE = 1280  # larger pictures are searched at this size: the search takes seconds beyond it
CODE_SIDE = 2560  # codes are small and their modules must stay apart

Grey = NDArray[np.uint8]


def engine(card: Card) -> "OpenCV":
    return OpenCV()


class OpenCV:
    """`confidence` is the logistic of HOG's weight for people; Haar and the code reader have no such figure."""

    def __init__(self) -> None:
        cv2.setNumThreads(1)
        self._faces = cv2.CascadeClassifier(str(Path(cv2.data.haarcascades) / FACES))
        if self._faces.empty():
            raise EngineUnavailableError("OpenCV's face file is missing: install opencv-python-headless 4 again")
        self._people = cv2.HOGDescriptor()
        self._people.setSVMDetector(cv2.HOGDescriptor.getDefaultPeopleDetector())
        self._codes = cv2.QRCodeDetector()

    def close(self) -> None:
        """Nothing but memory is held."""

    def detect(self, image: Image, threshold: float) -> Sequence[Detection]:
        grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
        codes = sorted(self._code(grey), key=lambda code: (code.box[1], code.box[0]))  # OpenCV's order varies
        found = [*self._face(grey), *self._person(grey), *codes]
        return [one for one in found if one.confidence is None or one.confidence >= threshold]

    def _face(self, grey: Grey) -> Iterator[Detection]:
        small, scale = _at_most(grey, SEEN_SIDE)
        boxes = self._faces.detectMultiScale(small, minNeighbors=FACE_NEIGHBOURS, minSize=SMALLEST_FACE)
        for x, y, width, height in boxes:
            yield Detection("face", None, _box((x, y, x + width, y + height), scale, grey))

    def _person(self, grey: Grey) -> Iterator[Detection]:
        small, scale = _at_most(grey, SEEN_SIDE)
        if small.shape[1] < PERSON_WINDOW[0] or small.shape[0] < PERSON_WINDOW[1]:
            return
        boxes, weights = self._people.detectMultiScale(small, winStride=(8, 8))
        for (x, y, width, height), weight in zip(boxes, np.ravel(weights), strict=True):
            if weight >= LEAST_PERSON_WEIGHT:
                confidence = round(1 / (1 + exp(-float(weight))), 4)
                yield Detection("person", confidence, _box((x, y, x + width, y + height), scale, grey))

    def _code(self, grey: Grey) -> Iterator[Detection]:
        small, scale = _at_most(grey, CODE_SIDE)
        _, texts, corners, _ = self._codes.detectAndDecodeMulti(small)
        if corners is None:
            return
        for text, points in zip(texts, corners, strict=True):
            left, top = points.min(axis=0)
            right, bottom = points.max(axis=0)
            yield Detection("qr code", None, _box((left, top, right, bottom), scale, grey), text or None)


def _at_most(grey: Grey, side: int) -> tuple[Grey, float]:
    """The picture, made smaller if it must be, and how many of its pixels one of these is."""
    scale = max(grey.shape) / side
    if scale <= 1:
        return grey, 1.0
    size = (max(1, round(grey.shape[1] / scale)), max(1, round(grey.shape[0] / scale)))
    return cv2.resize(grey, size, interpolation=cv2.INTER_AREA), scale


def _box(edges: Sequence[float], scale: float, grey: Grey) -> Box:
    height, width = grey.shape
    left, top, right, bottom = (round(float(edge) * scale) for edge in edges)
    return max(0, left), max(0, top), min(width, right), min(height, bottom)

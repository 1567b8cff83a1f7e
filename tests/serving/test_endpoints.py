"""The endpoints as any client sees them: plain HTTP against real servers."""

import base64
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

from models.tasks import AudioFormat
from serving.wav import wav_file
from tests.running import wait_until
from tests.serving.conftest import Server, Servers

SOUND = wav_file(bytes(range(256)) * 125, 16_000)  # one second
SPEECH = {"model": "tts-1", "input": "Good morning.", "voice": "nova", "unknown": [1]}


def translate(server: Server, text: object, **more: object) -> httpx.Response:
    return server.http.post("/translate", json={"q": text, "source": "en", "target": "shout", **more})


def shape(response: httpx.Response) -> dict[str, str]:
    error = response.json()["error"]
    assert set(error) == {"message", "type", "param", "code"}
    return error


def test_health_names_the_model_and_its_engine(tiny_server: Server):
    assert tiny_server.http.get("/health").json() == {"status": "ok", "model": "tiny", "engine": "tiny"}
    assert [model["id"] for model in tiny_server.http.get("/v1/models").json()["data"]] == ["tiny"]


def test_only_what_the_engine_offers_is_there(tiny_server: Server):
    for path in ("/v1/audio/speech", "/v1/ocr", "/detect", "/nothing"):
        response = tiny_server.http.post(path, json=SPEECH)
        assert (response.status_code, shape(response)["code"]) == (404, "no_such_endpoint")


def test_another_method_is_told_the_right_one(tiny_server: Server):
    response = tiny_server.http.get("/translate")
    assert (response.status_code, response.headers["allow"]) == (405, "POST")
    assert shape(response)["message"] == "Method Not Allowed"


def test_speech_is_openai_s(servers: Servers):
    response = servers("espeak").http.post("/v1/audio/speech", json=SPEECH)
    assert (response.status_code, response.headers["content-type"]) == (200, "audio/mpeg")
    assert 0.5 < float(response.headers["x-audio-duration-s"]) < 3
    assert response.content[:3] == b"ID3"


@pytest.mark.parametrize("format", AudioFormat)
def test_speech_comes_in_every_format(servers: Servers, format: AudioFormat):
    response = servers("espeak").http.post("/v1/audio/speech", json=SPEECH | {"response_format": format})
    assert (response.status_code, response.headers["content-type"]) == (200, format.media_type)


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"speed": 0}, "speed"),
        ({"speed": -1}, "speed"),
        ({"speed": "fast"}, "speed"),
        ({"speed": 4.1}, "speed"),
        ({"input": ""}, "input"),
        ({"input": 7}, "input"),
        ({"input": "a" * 20_001}, "input"),
        ({"response_format": "exe"}, "response_format"),
        ({"voice": None}, "voice"),
    ],
)
def test_a_wrong_field_is_named(servers: Servers, change: dict, field: str):
    response = servers("espeak").http.post("/v1/audio/speech", json=SPEECH | change)
    assert (response.status_code, shape(response)["param"]) == (400, field)


@pytest.mark.parametrize(
    "body",
    [b"", b"null", b"[]", b'"x"', b"{", b"\xff\xfe", b"[" * 100_000, b'{"q":' + b"9" * 5000 + b"}", b'{"q":1e400}'],
)
def test_a_body_that_is_no_request_is_refused(tiny_server: Server, body: bytes):
    response = tiny_server.http.post("/translate", content=body, headers={"content-type": "application/json"})
    assert response.status_code == 400
    assert shape(response)["type"] == "invalid_request_error"


def test_a_body_over_the_limit_is_refused_while_it_comes(tiny_server: Server):
    def endless():
        for _ in range(100):
            yield b" " * (64 << 10)

    response = tiny_server.http.post("/translate", content=endless())
    assert (response.status_code, shape(response)["code"]) == (413, "BAD_MEDIA")
    response = tiny_server.http.post("/v1/audio/transcriptions", files={"file": bytes(31 << 20)})
    assert response.status_code == 413


def test_a_transcription_is_openai_s_verbose_json(tiny_server: Server):
    response = tiny_server.http.post(
        "/v1/audio/transcriptions", files={"file": ("a.wav", SOUND)}, data={"language": "en", "model": "whisper-1"}
    )
    assert response.json() == {
        "task": "transcribe",
        "text": "1.00 s of sound",
        "language": "en",
        "duration": 1.0,
        "confidence": 0.5,
        "words": [{"word": "sound", "start": 0.0, "end": 1.0}],
    }


@pytest.mark.parametrize(
    ("files", "data", "status"),
    [
        ({}, {"language": "en"}, 415),  # httpx sends no multipart without a file
        ({"other": ("a.wav", SOUND)}, {}, 400),
        ({"file": ("a.wav", b"")}, {}, 400),
        ({"file": ("a.wav", b"#EXTM3U\n")}, {}, 415),
        ({"file": ("a.wav", SOUND[:44])}, {}, 400),
        ([("file", ("a.wav", SOUND)), ("file", ("b.wav", SOUND))], {}, 400),
        ({"file": ("../../etc/passwd\0", SOUND)}, {}, 200),
        ({"file": ("a" * 10_000, SOUND)}, {}, 400),
    ],
)
def test_a_form_is_read_or_refused(tiny_server: Server, files, data: dict, status: int):
    response = tiny_server.http.post("/v1/audio/transcriptions", files=files, data=data)
    assert response.status_code == status
    assert status == 200 or shape(response)


@pytest.mark.parametrize(
    "body", [b"", b"--x", b"--x\r\n\r\n--x--", b"--x\r\nContent-Disposition: form-data\r\n\r\na\r\n--x--"]
)
def test_a_broken_form_is_refused(tiny_server: Server, body: bytes):
    for kind in ("multipart/form-data; boundary=x", "multipart/form-data"):
        response = tiny_server.http.post("/v1/audio/transcriptions", content=body, headers={"content-type": kind})
        assert response.status_code == 400
        assert shape(response)


def test_a_translation_is_libretranslate_s(tiny_server: Server):
    assert translate(tiny_server, "hello").json() == {"translatedText": "HELLO", "alternatives": [], "confidence": 0.75}
    several = translate(tiny_server, ["a", "b"], source="auto").json()
    assert several["translatedText"] == ["A", "B"]
    assert several["detectedLanguage"] == [{"language": "en"}] * 2
    assert tiny_server.http.get("/languages").json() == [{"code": "en", "name": "English", "targets": ["shout"]}]


def test_a_refusal_names_its_field(tiny_server: Server):
    response = translate(tiny_server, "hello", target="whisper")
    assert response.status_code == 415
    assert shape(response) == {
        "message": "There is only shout.",
        "type": "invalid_request_error",
        "param": "to_language",
        "code": "UNSUPPORTED_MEDIA_TYPE",
    }


def test_an_engine_that_fails_does_not_tell_what_it_was_given(tiny_server: Server):
    response = translate(tiny_server, "fail my-secret")
    assert (response.status_code, shape(response)["message"]) == (500, "The engine failed.")
    assert "ValueError" in tiny_server.log()
    assert "my-secret" not in tiny_server.log()


def test_an_engine_that_cannot_work_says_when_to_ask_again(tiny_server: Server):
    response = translate(tiny_server, "away")
    assert (response.status_code, response.headers["retry-after"]) == (503, "5")


def test_a_caller_who_leaves_takes_his_waiting_work_along(tiny_server: Server, tmp_path: Path):
    gate = tmp_path / "gate"
    with ThreadPoolExecutor() as pool:
        first = pool.submit(translate, tiny_server, f"hold {gate}")
        wait_until(lambda: translated(tiny_server, "before the gate", 0.05) is None, 5, "the engine at work")
        assert translated(tiny_server, "left before his turn", 0.05) is None
        gate.touch()
        assert first.result().status_code == 200
    assert translate(tiny_server, "seen left before his turn").json()["translatedText"] == "0"


def translated(server: Server, text: str, patience_s: float) -> httpx.Response | None:
    body = {"q": text, "source": "en", "target": "shout"}
    try:
        return server.http.post("/translate", json=body, timeout=patience_s)
    except httpx.TimeoutException:
        return None


def test_a_full_queue_answers_503_at_once(tiny_server: Server, tmp_path: Path):
    gate, busy = tmp_path / "gate", threading.Event()
    answers: list[httpx.Response] = []

    def call() -> None:
        answers.append(translate(tiny_server, f"hold {gate}"))
        busy.set()

    with ThreadPoolExecutor(20) as pool:
        for _ in range(20):
            pool.submit(call)
        assert busy.wait(10)
        refused = answers[0]
        gate.touch()
    assert (refused.status_code, shape(refused)["code"]) == (503, "busy")
    assert int(refused.headers["retry-after"]) >= 1
    assert sorted(answer.status_code for answer in answers) == [200] * 17 + [503] * 3


def test_detection_takes_a_file_or_localai_s_json(servers: Servers, samples: Path):
    http, picture = servers("opencv").http, (samples / "code.png").read_bytes()
    by_file = http.post("/v1/detection", files={"image": picture}, data={"threshold": "0.1"})
    encoded = base64.b64encode(picture).decode()
    by_json = http.post("/v1/detection", json={"model": "x", "image": encoded, "threshold": 0.1})
    by_uri = http.post("/v1/detection", json={"image": f"data:image/png;base64,{encoded}"})
    assert by_file.json() == by_json.json() == by_uri.json()
    first = by_file.json()["detections"][0]
    assert set(first) == {"x", "y", "width", "height", "confidence", "class_name", "text"}


@pytest.mark.parametrize("image", ["http://127.0.0.1/a.png", "file:///etc/passwd", "not base64!", 7, None, ""])
def test_detection_fetches_nothing(servers: Servers, image: object):
    response = servers("opencv").http.post("/v1/detection", json={"image": image})
    assert (response.status_code, shape(response)["param"]) == (400, "image")


@pytest.mark.parametrize("threshold", ["-1", "nan", "2", "high"])
def test_a_threshold_is_a_share(servers: Servers, samples: Path, threshold: str):
    files = {"image": (samples / "code.png").read_bytes()}
    response = servers("opencv").http.post("/v1/detection", files=files, data={"threshold": threshold})
    assert (response.status_code, shape(response)["param"]) == (400, "threshold")


def test_identify_answers_in_percent(servers: Servers):
    guesses = servers("langid").http.post("/detect", json={"q": "Where is the train station?"}).json()
    assert guesses[0]["language"] == "en"
    assert 50 < guesses[0]["confidence"] <= 100

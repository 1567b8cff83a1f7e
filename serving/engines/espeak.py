"""espeak-ng: the operating system's voice. Runs as a program of its own per call, so it can always be stopped."""

import subprocess
from collections.abc import Sequence

from models.card import Card
from serving.wav import wav_file
from serving.wire import EngineUnavailableError, RefusedError, UnsupportedError

PROGRAM = "espeak-ng"
TIMEOUT_S = 60
WORDS_PER_MINUTE = 175
SLOWEST = 80  # espeak-ng speaks no slower
SPEED_MIN, SPEED_MAX = 0.25, 4.0
RATE_HZ = 22_050
HEADER_BYTES = 44  # its sizes are wrong on stdout, as the program cannot know them yet
DEFAULT_LANGUAGE = "en"

# OpenAI's names as variants of the chosen language, near in sex and pitch.
VARIANTS = {
    "alloy": "f5",
    "ash": "m1",
    "ballad": "m5",
    "cedar": "m8",
    "coral": "f2",
    "echo": "m3",
    "fable": "m2",
    "marin": "Annie",
    "nova": "f3",
    "onyx": "m7",
    "sage": "f4",
    "shimmer": "f1",
    "verse": "m4",
}


def engine(card: Card) -> "Espeak":
    return Espeak()


class Espeak:
    def __init__(self) -> None:
        self._languages = _languages()

    def close(self) -> None:
        """Nothing outlives a call."""

    def voices(self) -> Sequence[str]:
        return [*VARIANTS, *sorted(self._languages)]

    def speak(self, text: str, voice: str, language: str | None, speed: float) -> bytes:
        if not SPEED_MIN <= speed <= SPEED_MAX:
            raise RefusedError(f"The speed is {SPEED_MIN} to {SPEED_MAX}.", "speed")
        samples = _spoken(_plain(text), self._voice(voice, language), speed)[HEADER_BYTES:]
        if not samples.strip(b"\0"):
            raise RefusedError("There is nothing in this text that can be spoken.", "text")
        return wav_file(samples[: len(samples) & ~1], RATE_HZ)

    def _voice(self, voice: str, language: str | None) -> str:
        """In espeak's words. A language code is a voice too, and then the language asked for does not matter."""
        if voice.lower() in self._languages:
            return voice.lower()
        if voice not in VARIANTS:
            raise UnsupportedError("There is no such voice here.", "voice")
        code = (language or DEFAULT_LANGUAGE).lower()
        if code not in self._languages:
            raise UnsupportedError("No voice here speaks this language.", "language")
        return f"{code}+{VARIANTS[voice]}"


def _languages() -> frozenset[str]:
    """The codes of `--voices`: the second column, and those in brackets at the end."""
    try:
        listed = subprocess.run([PROGRAM, "--voices"], capture_output=True, text=True, timeout=TIMEOUT_S, check=True)
    except (FileNotFoundError, subprocess.SubprocessError) as error:
        raise EngineUnavailableError("espeak-ng does not run on this machine: apt install espeak-ng") from error
    codes: set[str] = set()
    for line in listed.stdout.splitlines()[1:]:
        codes.add(line.split()[1])
        codes.update(other.split()[0] for other in line.split("(")[1:])
    return frozenset(codes)


def _plain(text: str) -> str:
    """Control characters would be commands to espeak, and double brackets its phonemes."""
    printable = "".join(letter if letter.isprintable() or letter == "\n" else " " for letter in text)
    while "[[" in printable:
        printable = printable.replace("[[", "[ [")
    return printable


def _spoken(text: str, voice: str, speed: float) -> bytes:
    """By stdin, never as an argument; markup (`-m`) stays off, so that XML is read out like any text."""
    words_per_minute = max(SLOWEST, round(WORDS_PER_MINUTE * speed))
    argv = [PROGRAM, "-v", voice, "-s", str(words_per_minute), "-b", "1", "--stdin", "--stdout"]
    try:
        done = subprocess.run(argv, input=text.encode(errors="replace"), capture_output=True, timeout=TIMEOUT_S)
    except subprocess.TimeoutExpired as error:
        raise EngineUnavailableError(f"espeak-ng did not end within {TIMEOUT_S} s.") from error
    if done.returncode != 0:
        raise EngineUnavailableError(f"espeak-ng ended with code {done.returncode}.")
    return done.stdout

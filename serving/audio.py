"""Sound in and out of its formats, by the `ffmpeg` program.

The program gets its input as an anonymous file in memory on stdin, and the one demuxer that the first bytes ask for:
there is no name, playlist or reference it could follow to another file or to a network.
"""

import asyncio
import os
from asyncio.subprocess import DEVNULL, create_subprocess_exec
from collections.abc import Sequence

from models.media import AUDIO_KINDS, audio_kind
from models.tasks import AudioFormat, Speech
from serving.wav import read_wav
from serving.wire import BadMediaError, EngineUnavailableError, UnsupportedError

RATE_HZ = 16_000
SAMPLE_BYTES = 2
BUDGET_S = 7_200
TIME_LIMIT_S = 120.0
LARGEST_ALLOCATION = 256 << 20

FFMPEG = ("ffmpeg", "-hide_banner", "-loglevel", "quiet", "-nostdin", "-max_alloc", str(LARGEST_ALLOCATION))
FROM_PIPE = ("-protocol_whitelist", "pipe")
# An mp4's index may stand at its end, so it must be seekable; references to other files stay off.
FROM_FILE = ("-protocol_whitelist", "file", "-enable_drefs", "0", "-use_absolute_path", "0")
INPUTS = {
    "wav": (*FROM_PIPE, "-f", "wav", "-i", "pipe:0"),
    "mp3": (*FROM_PIPE, "-f", "mp3", "-i", "pipe:0"),
    "flac": (*FROM_PIPE, "-f", "flac", "-i", "pipe:0"),
    "ogg": (*FROM_PIPE, "-f", "ogg", "-i", "pipe:0"),
    "webm": (*FROM_PIPE, "-f", "matroska", "-i", "pipe:0"),
    "aac": (*FROM_PIPE, "-f", "aac", "-i", "pipe:0"),
    "mp4": (*FROM_FILE, "-f", "mov", "-i", "/dev/stdin"),
}
# stdout is a file too, so that headers that are written last (lengths, seek tables) are right.
ENCODERS = {
    AudioFormat.MP3: ("-c:a", "libmp3lame", "-q:a", "2", "-f", "mp3", "/dev/stdout"),
    AudioFormat.OPUS: ("-c:a", "libopus", "-b:a", "48k", "-f", "ogg", "/dev/stdout"),
    AudioFormat.AAC: ("-c:a", "aac", "-b:a", "96k", "-f", "adts", "/dev/stdout"),
    AudioFormat.FLAC: ("-c:a", "flac", "-f", "flac", "/dev/stdout"),
}
# One second above the budget tells a sound of just the budget from a longer one.
DECODED = ("-t", str(BUDGET_S + 1), "-ac", "1", "-ar", str(RATE_HZ), "-f", "s16le", "/dev/stdout")


async def encode(wav: bytes, format: AudioFormat) -> Speech:
    duration_s = read_wav(wav).duration_s
    audio = wav if format is AudioFormat.WAV else await _ffmpeg(wav, (*INPUTS["wav"], "-y", *ENCODERS[format]))
    return Speech(audio, format, duration_s)


async def decode(audio: bytes) -> bytes:
    """16 kHz mono signed 16-bit little-endian samples."""
    if not audio:
        raise BadMediaError("The file is empty.")
    kind = audio_kind(audio)
    if kind is None:
        raise UnsupportedError(f"This is no sound in a known format ({', '.join(AUDIO_KINDS)}).")
    if kind == "wav":
        await asyncio.to_thread(read_wav, audio)
    samples = await _ffmpeg(audio, (*INPUTS[kind], "-map", "0:a:0", "-vn", "-sn", "-dn", "-y", *DECODED))
    if len(samples) > BUDGET_S * RATE_HZ * SAMPLE_BYTES:
        raise BadMediaError(f"The sound is longer than {BUDGET_S // 60} minutes.")
    return samples


async def duration_s(audio: bytes) -> float:
    return len(await decode(audio)) / (RATE_HZ * SAMPLE_BYTES)


async def _ffmpeg(data: bytes, arguments: Sequence[str]) -> bytes:
    """What the program wrote. It is killed when the caller leaves or the time is over."""
    given, made = os.memfd_create("given"), os.memfd_create("made")
    try:
        with os.fdopen(os.dup(given), "wb") as file:
            file.write(data)
        os.lseek(given, 0, os.SEEK_SET)
        code = await _exit_code((*FFMPEG, *arguments), given, made)
        size = os.fstat(made).st_size
        if code != 0 or not size:
            raise BadMediaError("The sound cannot be decoded: the file is broken or holds none.")
        return os.pread(made, size, 0)
    finally:
        os.close(given)
        os.close(made)


async def _exit_code(argv: Sequence[str], stdin: int, stdout: int) -> int:
    try:
        process = await create_subprocess_exec(*argv, stdin=stdin, stdout=stdout, stderr=DEVNULL)
    except FileNotFoundError as error:
        raise EngineUnavailableError("ffmpeg is missing on this machine: apt install ffmpeg") from error
    try:
        async with asyncio.timeout(TIME_LIMIT_S):
            return await process.wait()
    except TimeoutError as error:
        raise BadMediaError("The sound takes too long to decode.") from error
    finally:
        if process.returncode is None:
            process.kill()
            await asyncio.shield(process.wait())

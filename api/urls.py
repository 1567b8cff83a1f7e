"""Every URL of the box, who may call it, what it takes and what it answers. Routing and OpenAPI are made from this."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

from pydantic import BaseModel

from api.principal import Who
from api.routes import auth, chat, conversations, docs, files, health, translate, vision, voice

Endpoint = Callable[[Any], Awaitable[Any]]

V1 = "/api/v1"


@dataclass(frozen=True)
class Url:
    """`body` is JSON, or a form where `file` names its file; `answers` is the JSON of a 2xx, or a media type."""

    method: str
    path: str
    endpoint: Endpoint
    who: Who
    summary: str
    body: type[BaseModel] | None = None
    query: type[BaseModel] | None = None
    file: str | None = None
    answers: type[BaseModel] | str | None = None
    status: int = 200
    headers: tuple[str, ...] = field(default=())


GET, POST, PATCH, DELETE, SOCKET = "GET", "POST", "PATCH", "DELETE", "WEBSOCKET"
EVENTS = "text/event-stream"
KEY, LAST = "Idempotency-Key", "Last-Event-ID"

URLS = (
    Url(GET, "/health/live", health.live, Who.ANYBODY, "Is the process alive", answers=health.Alive),
    Url(GET, "/health/ready", health.ready, Who.ANYBODY, "Is the box ready", answers=health.Ready),
    Url(GET, "/docs", docs.page, Who.ANYBODY, "This description as a page", answers="text/html"),
    Url(GET, "/docs/{name}", docs.asset, Who.ANYBODY, "The page's own files", answers="application/octet-stream"),
    Url(GET, f"{V1}/openapi.json", docs.openapi, Who.ANYBODY, "This description", answers="application/json"),
    # accounts
    Url(
        POST, f"{V1}/auth/register", auth.register, Who.ANYBODY, "Claim the box, or register where that is open",
        body=auth.Registration, answers=auth.Registered, status=201,
    ),
    Url(POST, f"{V1}/auth/login", auth.login, Who.ANYBODY, "Log in", body=auth.Login, answers=auth.TokenPair),
    Url(
        POST, f"{V1}/auth/refresh", auth.refresh, Who.ANYBODY, "A new pair of tokens for a refresh token, once",
        body=auth.RefreshRequest, answers=auth.TokenPair,
    ),
    Url(POST, f"{V1}/auth/logout", auth.logout, Who.USER, "End this session at once", status=204),
    Url(GET, f"{V1}/auth/me", auth.me, Who.USER, "Who am I", answers=auth.User),
    Url(
        POST, f"{V1}/users", auth.add_user, Who.ADMIN, "Add an account",
        body=auth.NewUser, answers=auth.User, status=201,
    ),
    # chat
    Url(
        POST, f"{V1}/chat/message", chat.message, Who.USER, "Say something, get the whole answer",
        body=chat.ChatRequest, answers=chat.ChatAnswer, headers=(KEY,),
    ),
    Url(
        POST, f"{V1}/chat/stream", chat.stream, Who.USER, "Say something, get the answer as it is written",
        body=chat.ChatRequest, answers=EVENTS, headers=(KEY, LAST),
    ),
    Url(SOCKET, f"{V1}/chat/stream", chat.socket, Who.USER, "The same over a WebSocket"),
    Url(
        GET, f"{V1}/chat/messages/{{message_id}}/stream", chat.resume, Who.USER, "Go on reading an answer",
        query=chat.OffsetQuery, answers=EVENTS, headers=(LAST,),
    ),
    Url(POST, f"{V1}/chat/messages/{{message_id}}/stop", chat.stop, Who.USER, "Stop an answer", status=204),
    Url(
        GET, f"{V1}/chat/history", conversations.history, Who.USER, "Messages, newest first",
        query=conversations.HistoryQuery, answers=conversations.History,
    ),
    Url(
        DELETE, f"{V1}/chat/history", conversations.delete_history, Who.USER, "Delete messages for good",
        query=conversations.DeleteQuery, answers=conversations.Deleted,
    ),
    Url(
        GET, f"{V1}/chat/conversations", conversations.list_conversations, Who.USER, "List or search conversations",
        query=conversations.ConversationQuery, answers=conversations.ConversationList,
    ),
    Url(
        GET, f"{V1}/chat/conversations/{{conversation_id}}", conversations.get_conversation, Who.USER,
        "One conversation", answers=conversations.ConversationItem,
    ),
    Url(
        PATCH, f"{V1}/chat/conversations/{{conversation_id}}", conversations.change_conversation, Who.USER,
        "Change its title or personality", body=conversations.ConversationChange,
        answers=conversations.ConversationItem,
    ),
    Url(
        DELETE, f"{V1}/chat/conversations/{{conversation_id}}", conversations.delete_conversation, Who.USER,
        "Delete it for good", answers=conversations.Deleted,
    ),
    # the senses
    Url(
        POST, f"{V1}/voice/synthesize", voice.synthesize, Who.USER, "Text to speech",
        body=voice.SynthesisRequest, answers=voice.Synthesis,
    ),
    Url(
        POST, f"{V1}/voice/transcribe", voice.transcribe, Who.USER, "Speech to text",
        body=voice.TranscriptionForm, file="audio", answers=voice.Transcription,
    ),
    Url(
        POST, f"{V1}/translate/text", translate.text, Who.USER, "Translate a text",
        body=translate.TranslationRequest, answers=translate.TranslationAnswer,
    ),
    Url(
        GET, f"{V1}/translate/languages", translate.languages, Who.USER, "What is installed",
        answers=translate.Languages,
    ),
    Url(
        POST, f"{V1}/translate/detect", translate.detect, Who.USER, "Which language is this",
        body=translate.DetectionRequest, answers=translate.Guesses,
    ),
    Url(
        POST, f"{V1}/vision/analyze", vision.analyze, Who.USER, "What is in a picture",
        body=vision.AnalysisForm, file="image", answers=vision.Analysis,
    ),
    Url(
        POST, f"{V1}/vision/detect", vision.detect, Who.USER, "Find objects",
        body=vision.DetectionForm, file="image", answers=vision.Objects,
    ),
    Url(
        POST, f"{V1}/vision/ocr", vision.ocr, Who.USER, "Read the text",
        body=vision.ReadingForm, file="image", answers=vision.Reading,
    ),
    Url(
        POST, f"{V1}/vision/vqa", vision.vqa, Who.USER, "Ask about a picture",
        body=vision.QuestionForm, file="image", answers=vision.VisualAnswer,
    ),
    Url(
        GET, f"{V1}/files/{{file_id}}", files.fetch, Who.ANYBODY, "A file, by its signed link",
        query=files.LinkQuery, answers="application/octet-stream",
    ),
)  # fmt: skip

"""The only place that knows all the parts: it makes them from the settings and closes them in reverse."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

from appliance.assistant.answers import Answers
from appliance.assistant.chat import Chat
from appliance.assistant.conversations import Conversations
from appliance.assistant.messages import Messages
from appliance.assistant.skillset import all_skills
from appliance.engines import Engines
from appliance.identity.accounts import Accounts
from appliance.identity.claim import ClaimCode
from appliance.identity.console import Console
from appliance.identity.links import Links
from appliance.identity.passwords import Passwords
from appliance.identity.sessions import Sessions
from appliance.identity.tokens import AccessTokens
from appliance.senses.translation import Translator
from appliance.senses.vision import Vision
from appliance.senses.voice import Voice
from appliance.settings import Settings
from appliance.store.cursors import Cursors
from appliance.store.database import Database
from appliance.store.files import Files
from appliance.store.keys import load_keys


@dataclass(frozen=True)
class Box:
    """The parts that the entrances talk to."""

    settings: Settings
    accounts: Accounts
    sessions: Sessions
    claim: ClaimCode
    console: Console
    conversations: Conversations
    chat: Chat
    voice: Voice
    translator: Translator
    vision: Vision
    files: Files
    links: Links
    engines: Engines


@asynccontextmanager
async def open_runtime(settings: Settings) -> AsyncIterator[Box]:
    """Raises `StorageError` when the store cannot be opened, with what to do."""
    settings.data.mkdir(mode=0o700, parents=True, exist_ok=True)
    keys = load_keys(settings.data)
    async with AsyncExitStack() as stack:
        database = await Database.open(settings.data / "yu.db", keys.derive("database"))
        stack.push_async_callback(database.aclose)
        engines = Engines(settings)
        stack.push_async_callback(engines.aclose)
        claim = ClaimCode(settings.data / "claim-code")
        accounts = Accounts(database, Passwords(), claim, settings.identity.registration)
        access = AccessTokens(keys.derive("access tokens"), settings.identity.access_token_s)
        files = Files(settings.data / "files", keys.derive("files"), database)
        links = Links(keys.derive("links"))
        answers = Answers(engines.chat, all_skills(), settings.chat, settings.limits.answer_tokens)
        chat = Chat(Messages(database), answers, keys.derive("prefix caches"), settings.chat, settings.limits)
        stack.push_async_callback(chat.aclose)
        await chat.recover()
        if not await accounts.has_admin():
            claim.offer()
        else:
            claim.withdraw()
        yield Box(
            settings=settings,
            accounts=accounts,
            sessions=Sessions(database, access, settings.identity.refresh_token_s),
            claim=claim,
            console=Console(settings.run_folder / "console.token"),
            conversations=Conversations(database, Cursors(keys.derive("cursors"))),
            chat=chat,
            voice=Voice(engines.speak, engines.transcribe, files, links, settings.limits),
            translator=Translator(engines.translate, engines.identify, settings.limits),
            vision=Vision(engines.detect, engines.read),
            files=files,
            links=links,
            engines=engines,
        )

"""What `yu up` shows: a line for each process while the box starts, then the welcome, then the news."""

from collections.abc import Callable, Iterable
from contextlib import ExitStack

from rich.console import Console
from rich.live import Live
from rich.spinner import Spinner
from rich.table import Table

from appliance.cli.console import plain
from appliance.supervisor.child import News, State
from appliance.supervisor.programs import API, Program

MARKS = {State.READY: "[green]✓[/]", State.DIED: "[yellow]✗[/]", State.DOWN: "[red]✗[/]"}


class Screen:
    """On a terminal the lines change in place; elsewhere each change is a line, without control codes."""

    def __init__(self, console: Console, programs: Iterable[Program], welcome: Callable[[], Iterable[str]]) -> None:
        self._console = console
        self._news = {program.name: News(program, State.STARTING) for program in programs}
        self._welcome = welcome
        self._welcomed = False
        self._spinner = Spinner("dots")
        self._stack = ExitStack()
        self._live: Live | None = None

    def __enter__(self) -> "Screen":
        if self._console.is_terminal:
            live = Live(get_renderable=self._table, console=self._console, transient=True, refresh_per_second=8)
            self._live = self._stack.enter_context(live)
        else:
            for news in self._news.values():
                self.line(sentence(news))
        return self

    def __exit__(self, *problem: object) -> None:
        self._stack.close()

    def tell(self, news: News) -> None:
        self._news[news.program.name] = news
        if news.state is not State.STARTING and (self._live is None or news.state is not State.READY):
            self.line(sentence(news))
        if not self._welcomed and self._is_up():
            self._welcomed = True
            self._stack.close()
            self._live = None
            for line in self._welcome():
                self.line(line)
            for waited in self._news.values():
                if waited.state is State.STARTING:
                    self.line(sentence(waited))

    def line(self, text: str) -> None:
        self._console.print(plain(text), markup=False, soft_wrap=True)

    def _is_up(self) -> bool:
        """The language model is not waited for: people can begin without it."""
        settled = all(news.state is not State.STARTING for news in self._news.values() if not news.program.slow)
        return settled and self._news[API].state is State.READY

    def _table(self) -> Table:
        table = Table.grid(padding=(0, 1))
        for news in self._news.values():
            table.add_row(MARKS.get(news.state, self._spinner), plain(sentence(news)))
        return table


def sentence(news: News) -> str:
    name = name_of(news.program)
    if news.state is State.STARTING:
        return f"{name}: starting{', usually 30-90 s' if news.program.slow else ''}"
    if news.state is State.READY:
        return f"{name}: ready after {news.after_s:.1f} s"
    fate = f"again in {news.after_s:.0f} s" if news.state is State.DIED else "left down: it ended too often"
    words = (
        f" {news.last_words[:200]}" if news.exit_code and news.exit_code > 0 else ""
    )  # killed, it said nothing about it
    return f"{name}: ended with {_code(news.exit_code)}, {fate}.{words} (log: {news.log})"


def name_of(program: Program) -> str:
    if program.name == API:
        return "API"
    return f"language model ({program.name})" if program.slow else program.name


def _code(exit_code: int | None) -> str:
    return f"signal {-exit_code}" if exit_code is not None and exit_code < 0 else f"code {exit_code}"

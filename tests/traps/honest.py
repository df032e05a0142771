"""Generated sites, honest ones of every habit. A seed decides all of it.

Written before there was a detector, so that it is judged by sites that it was not made for.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import NamedTuple

MONTHS = "January February March April May June July August September October November December".split()  # noqa: SIM905
_SYLLABLES = "ba ce di fo gu ha je ki lo mu na pe ri so tu va we xi yo zu bra cle dri flo gru".split()  # noqa: SIM905


@dataclass(frozen=True)
class Web:
    """A site as a function: `page(target)` is the HTML at a path with its query, None for a 404. `real(target)` names the page
    that a target shows, whatever it is called, None for a trap; `pages` are the names of all that have to be found. `owner` names the
    trap that a target belongs to."""

    seed: int
    habits: str
    page: Callable[[str], str | None]
    real: Callable[[str], str | None]
    pages: frozenset[str]
    owner: Callable[[str], str] = lambda target: ""


def words(chance: random.Random, count: int) -> list[str]:
    """So many invented words, no two alike."""
    found: dict[str, None] = {}
    while len(found) < count:
        found["".join(chance.choices(_SYLLABLES, k=chance.randint(2, 4)))] = None
    return list(found)


def anchors(hrefs: Iterable[str | tuple[str, str]]) -> str:
    """Links, each with its text or with its last part."""
    pairs = (each if isinstance(each, tuple) else (each, each.rstrip("/").rpartition("/")[2] or "home") for each in hrefs)
    return "\n".join(f'<a href="{href.replace("&", "&amp;")}">{text}</a>' for href, text in pairs)


def html(title: str, *parts: str) -> str:
    """A page."""
    return f"<!doctype html><html><head><title>{title}</title></head><body>\n" + "\n".join(parts) + "\n</body></html>"


# -- honest sites --------------------------------------------------------------------------------------------------------


class Habits(NamedTuple):
    """How a site does things."""

    item: str  # how numbered pages are named
    lists: str  # how lists are
    archive: str  # how archives are
    text: str  # what a numbered page says
    neighbours: bool  # numbered pages link to the ones before and after
    related: int  # and to so many others
    per_list: int
    tags: bool
    footer: bool  # that is another one each time
    first: int  # number


ITEMS = ("/item/{n}", "/p/{n}.html", "/product?id={n}", "/view.php?cat={w}&id={n}", "/{w}/{n}", "/node/{n}/show", "/article-{n}-{w}.html")
LISTS = ("/list?page={k}", "/list/page/{k}", "/all/{k}/", "/index.php?start={o}", "/browse?sort=name&page={k}")
ARCHIVES = ("/archive/{y}/{m:02}/", "/{y}/{m}", "/by-date?year={y}&month={m}", "/news/{y}-{m:02}", "/calendar/{y}/{m}", "")
TEXTS = ("sentences", "sentences", "few words", "same but the number", "the number alone", "data")


def habits_of(chance: random.Random) -> Habits:
    """The habits of a site, by chance."""
    return Habits(
        item=chance.choice(ITEMS),
        lists=chance.choice(LISTS),
        archive=chance.choice(ARCHIVES),
        text=chance.choice(TEXTS),
        neighbours=chance.random() < 0.5,
        related=chance.choice((0, 0, 3, 8)),
        per_list=chance.choice((10, 20, 50)),
        tags=chance.random() < 0.4,
        footer=chance.random() < 0.3,
        first=chance.choice((1, 1, 100, 73421)),
    )


class Honest:
    """A site with numbered pages, lists of them, and archives by date: all that is linked exists, and it ends."""

    def __init__(self, seed: int, items: int, habits: Habits | None = None) -> None:
        self.chance = chance = random.Random(f"honest {seed}")
        self.habits = habits or habits_of(chance)
        self.items = items
        self.vocabulary = words(chance, chance.choice((40, 400, 4000)))
        self.categories = self.vocabulary[:7]
        self.tags = self.vocabulary[7:37]
        start = date(chance.randint(1995, 2010), chance.randint(1, 12), 1)
        years = chance.randint(2, 18)
        quiet = chance.choice((0.0, 0.0, 0.3, 0.6))
        months = [start + timedelta(days=31 * index) for index in range(12 * years)]
        self.months = list(dict.fromkeys((month.year, month.month) for month in months))
        busy = [month for month in self.months if chance.random() >= quiet] or self.months
        self.month_of = sorted(chance.choices(busy, k=items))
        self._by_month: dict[tuple[int, int], list[int]] = {month: [] for month in self.months}
        for number, month in enumerate(self.month_of):
            self._by_month[month].append(number)
        self.targets: dict[str, Callable[[], str]] = {"/": self._home}
        self._name_items()
        self._name_lists()
        self._name_archive()
        if self.habits.tags:
            for tag in self.tags:
                self.targets[f"/tag/{tag}"] = lambda tag=tag: self._tag(tag)  # type: ignore[misc]
        self.extra: Callable[[int], Sequence[str | tuple[str, str]]] = lambda number: ()

    def _name_items(self) -> None:
        self.item_names = []
        for number in range(self.items):
            word = self.categories[number % 7]
            name = self.habits.item.format(n=self.habits.first + number, w=word)
            self.item_names.append(name)
            self.targets[name] = lambda number=number: self._item(number)  # type: ignore[misc]

    def _name_lists(self) -> None:
        step = self.habits.per_list
        self.list_names = [self.habits.lists.format(k=k + 1, o=k * step) for k in range(-(-self.items // step))]
        for index, name in enumerate(self.list_names):
            self.targets[name] = lambda index=index: self._list(index)  # type: ignore[misc]

    def _name_archive(self) -> None:
        self.month_names = {month: self.habits.archive.format(y=month[0], m=month[1]) for month in self.months if self.habits.archive}
        self.years = sorted({year for year, _ in self.month_names})
        for month, name in self.month_names.items():
            self.targets[name] = lambda month=month: self._month(month)  # type: ignore[misc]
        for year in self.years:
            self.targets[f"/years/{year}"] = lambda year=year: self._year(year)  # type: ignore[misc]

    # -- pages -----------------------------------------------------------------------------------------------------------

    def _frame(self, title: str, number: int, *parts: str) -> str:
        nav = anchors(["/", (self.list_names[0], "all"), *([(f"/years/{self.years[-1]}", "by date")] if self.years else [])])
        footer = [f"<p>made in 0.{number % 997:03} s at 12:{number % 60:02}</p>"] if self.habits.footer else []
        return html(title, f"<nav>{nav}</nav>", *parts, anchors(self.extra(number)), *footer)

    def _home(self) -> str:
        more = [f"/tag/{tag}" for tag in self.tags] if self.habits.tags else []
        more += [f"/years/{year}" for year in self.years]
        return self._frame("Welcome", 0, "<h1>Welcome</h1>", anchors([*self.item_names[:5], self.list_names[0], *more]))

    def _said(self, number: int) -> str:
        chance = random.Random(number * 31 + self.items)
        shown = self.habits.first + number
        match self.habits.text:
            case "sentences":
                return "".join(
                    f"<p>{' '.join(chance.choices(self.vocabulary, k=14)).capitalize()}.</p>" for _ in range(chance.randint(2, 6))
                )
            case "few words":
                return f"<p>{' '.join(chance.choices(self.vocabulary, k=5))}</p>"
            case "same but the number":
                return f"<p>This is page {shown}. Lorem ipsum dolor sit amet, consectetur adipisici elit, sed eiusmod tempor.</p>"
            case "data":
                return f"<table><tr><td>Temperature<td>{chance.randint(-20, 40)}<tr><td>Pressure<td>{chance.randint(950, 1050)}</table>"
            case _:
                return f"<p>{shown}</p>"

    def _item(self, number: int) -> str:
        chance = random.Random(number)
        near = [self.item_names[each] for each in (number - 1, number + 1) if 0 <= each < self.items] if self.habits.neighbours else []
        other = [self.item_names[chance.randrange(self.items)] for _ in range(self.habits.related)]
        tags = [f"/tag/{self.tags[(number + step) % len(self.tags)]}" for step in (0, 7)] if self.habits.tags else []
        title = f"Item {self.habits.first + number}"
        if self.habits.text == "sentences":
            title += " " + " ".join(chance.choices(self.vocabulary, k=3))
        return self._frame(title, number, f"<h1>{title}</h1>", self._said(number), anchors([*near, *other, *tags]))

    def _list(self, index: int) -> str:
        step = self.habits.per_list
        shown = range(index * step, min(self.items, (index + 1) * step))
        near = [
            (self.list_names[each], text)
            for each, text in ((index - 1, "previous"), (index + 1, "next"))
            if 0 <= each < len(self.list_names)
        ]
        links = anchors((self.item_names[number], f"Item {self.habits.first + number}") for number in shown)
        return self._frame(f"All, page {index + 1}", index, links, anchors(near))

    def _month(self, month: tuple[int, int]) -> str:
        at = self.months.index(month)
        near = [
            (self.month_names[self.months[each]], MONTHS[self.months[each][1] - 1])
            for each in (at - 1, at + 1)
            if 0 <= each < len(self.months)
        ]
        shown = self._by_month[month]
        links = anchors((self.item_names[number], f"Item {self.habits.first + number}") for number in shown) if shown else "<p>Nothing.</p>"
        return self._frame(f"{MONTHS[month[1] - 1]} {month[0]}", at, links, anchors(near))

    def _year(self, year: int) -> str:
        links = anchors((name, MONTHS[month - 1]) for (of, month), name in self.month_names.items() if of == year)
        near = [f"/years/{each}" for each in (year - 1, year + 1) if each in self.years]
        return self._frame(str(year), year, f"<h1>{year}</h1>", links, anchors(near))

    def _tag(self, tag: str) -> str:
        at = self.tags.index(tag)
        shown = range(at, min(self.items, 40 * len(self.tags)), len(self.tags))
        return self._frame(tag, at, f"<h1>{tag}</h1>", anchors(self.item_names[number] for number in shown))

    # -- as a web --------------------------------------------------------------------------------------------------------

    def page(self, target: str) -> str | None:
        """See `Web.page`."""
        made = self.targets.get(target)
        return made() if made is not None else None

    def web(self, seed: int) -> Web:
        """This site alone."""
        return Web(seed, str(self.habits), self.page, lambda target: target if target in self.targets else None, frozenset(self.targets))


def honest(seed: int, items: int = 10_000) -> Web:
    """An honest site."""
    return Honest(seed, items).web(seed)

"""Generated calendars and archives by day that hold something, often only here and there, and come to an end. A seed decides all of it."""

from __future__ import annotations

import random
from calendar import monthrange
from collections.abc import Callable
from itertools import pairwise

from honest import MONTHS, Web, anchors, html, words

_ENTRIES = ("/event/{w}", "/event/{n}", "/event.php?id={n}", "/termine/{w}.html", "/{y}/{m:02}/{d:02}/{w}/")
_POSTS = ("/{y}/{m:02}/{d:02}/{w}/", "/{y}/{m:02}/{d:02}/{w}.html", "/{w}-{n}.html", "/?p={n}", "/post/{w}", "/article/{n}")
_DAYS = (
    "{at}/{y}/{m}/{d}",
    "{at}/{y}/{m:02}/{d:02}/",
    "{at}/{y}-{m:02}-{d:02}",
    "{at}?year={y}&month={m}&day={d}",
    "{at}?date={y}-{m:02}-{d:02}",
)


class _Dated:
    """Pages by month and by day, some days with entries that no other page links to."""

    def __init__(self, seed: int, name: str) -> None:
        self.chance = random.Random(f"{name} {seed}")
        self.vocabulary = words(self.chance, 400)
        self.pages: dict[str, Callable[[], str]] = {}
        self.start, self.years = self.chance.randint(1999, 2018), self.chance.randint(2, 5)
        self.months = [(self.start + at // 12, at % 12 + 1) for at in range(12 * self.years)]
        self.count = 0

    def entries(self, form: str, day: tuple[int, int, int], count: int) -> list[tuple[str, str]]:
        """So many new entries of a day: names and titles."""
        found = []
        for _ in range(count):
            self.count += 1
            title = " ".join(self.chance.choices(self.vocabulary, k=4))
            name = form.format(
                y=day[0], m=day[1], d=day[2], n=100 + self.count, w=f"{title.replace(' ', '-')}-{'abcdefghij'[self.count % 10] * 2}"
            )
            text = "".join(f"<p>{' '.join(self.chance.choices(self.vocabulary, k=12)).capitalize()}.</p>" for _ in range(3))
            self.pages[name] = lambda title=title, text=text: html(title, f"<h1>{title}</h1>", text, anchors(["/"]))  # type: ignore[misc]
            found.append((name, title))
        return found

    def web(self, seed: int, habits: str) -> Web:
        """As a web."""

        def page(target: str) -> str | None:
            made = self.pages.get(target)
            return made() if made is not None else None

        return Web(seed, habits, page, lambda target: target if target in self.pages else None, frozenset(self.pages))


def sparse(seed: int, share: float) -> Web:
    """A calendar of events: every day has a page, a `share` of them an entry that only this page links to."""
    made = _Dated(seed, f"sparse {share}")
    chance = made.chance
    at = chance.choice(("/cal", "/calendar", "/events", "/termine"))
    form, entry = chance.choice(_DAYS), chance.choice(_ENTRIES)
    empty = chance.choice(("", "No events", "<p>There is nothing on this day.</p>"))
    chained = chance.random() < 0.5  # month after month; otherwise the years list them
    neighbours = chance.random() < 0.5  # days lead to the next one
    told = chance.random() < 0.3  # a day says more than the name of its entry

    def month_of(month: tuple[int, int]) -> str:
        return f"{at}/{month[0]}/{month[1]:02}/"

    def add_month(index: int, month: tuple[int, int]) -> None:
        days = [form.format(at=at, y=month[0], m=month[1], d=day) for day in range(1, monthrange(*month)[1] + 1)]
        for number, name in enumerate(days):
            found = made.entries(entry, (*month, number + 1), chance.choice((1, 1, 2))) if chance.random() < share else []
            title = f"{number + 1} {MONTHS[month[1] - 1]} {month[0]}"
            said = f"<p>{' '.join(chance.choices(made.vocabulary, k=8))}</p>" if found and told else "" if found else empty
            near = [days[each] for each in (number - 1, number + 1) if neighbours and 0 <= each < len(days)]
            made.pages[name] = lambda title=title, said=said, found=found, near=near: html(  # type: ignore[misc]
                title, f"<h1>{title}</h1>", said, anchors(found), anchors(near), anchors([month_of(month)])
            )
        near = [month_of(made.months[each]) for each in (index - 1, index + 1) if chained and 0 <= each < len(made.months)]
        title = f"{MONTHS[month[1] - 1]} {month[0]}"
        made.pages[month_of(month)] = lambda: html(title, f"<h1>{title}</h1>", anchors(days), anchors(near))

    for index, month in enumerate(made.months):
        add_month(index, month)
    first = chance.choice((0, len(made.months) - 1))
    linked = [month_of(made.months[first])] if chained else [f"{at}-{made.start + year}" for year in range(made.years)]
    if not chained:
        for year, name in enumerate(linked):
            of = [month_of(month) for month in made.months if month[0] == made.start + year]
            made.pages[name] = lambda of=of: html("Year", anchors(of))  # type: ignore[misc]
    made.pages["/"] = lambda: html("Home", "<h1>Welcome</h1>", anchors(linked))
    return made.web(seed, f"{form} {entry} {chained=} {neighbours=} {told=} {empty=} {at=}")


def blog(seed: int) -> Web:
    """A blog of which each day that has posts has a page; only this one links to them."""
    made = _Dated(seed, "blog")
    chance = made.chance
    at = chance.choice(("", "", "/archive", "/blog"))
    form, entry = chance.choice(_DAYS[1:3] if not at else _DAYS), chance.choice(_POSTS)
    share, most = chance.choice((0.1, 0.3, 0.9)), chance.choice((1, 1, 4))
    way = chance.choice(("years list months", "home lists months", "next day", "all days on one page", "previous month"))
    told = chance.choice(("titles", "excerpts", "posts"))
    days: dict[tuple[int, int], list[str]] = {month: [] for month in made.months}
    for month in made.months:
        for day in range(1, monthrange(*month)[1] + 1):
            if chance.random() >= share:
                continue
            name = form.format(at=at, y=month[0], m=month[1], d=day)
            days[month].append(name)
            found = made.entries(entry, (*month, day), chance.randint(1, most))
            said = {
                "titles": "",
                "excerpts": "".join(f"<p>{' '.join(chance.choices(made.vocabulary, k=9))}</p>" for _ in found),
                "posts": "".join(made.pages[post]() for post, _ in found),
            }[told]
            made.pages[name] = lambda name=name, said=said, found=found: html(  # type: ignore[misc]
                f"Archive {name}", f"<h1>{name}</h1>", said, anchors(found), anchors(after.get(name, [])), anchors(["/"])
            )
    every = [name for month in made.months for name in days[month]]
    after = {name: [follows] for name, follows in pairwise(every)} if way == "next day" else {}
    months = {month: f"{at or '/by-month'}/{month[0]}/{month[1]:02}/" for month in made.months if days[month]}
    listed = list(months.values())
    for index, (month, name) in enumerate(months.items() if "month" in way else ()):
        near = [listed[index - 1]] if way == "previous month" and index else []
        made.pages[name] = lambda month=month, near=near: html("Month", anchors(days[month]), anchors(near))  # type: ignore[misc]
    linked = {
        "years list months": sorted({f"/in-{month[0]}" for month in months}),
        "home lists months": listed, "next day": every[:1], "all days on one page": ["/archives"], "previous month": listed[-1:],
    }[way]  # fmt: skip
    if way == "years list months":
        for name in linked:
            made.pages[name] = lambda name=name: html(name, anchors(of for month, of in months.items() if name == f"/in-{month[0]}"))  # type: ignore[misc]
    made.pages["/archives"] = lambda: html("All days", anchors(every))
    if way != "all days on one page":
        del made.pages["/archives"]
    made.pages["/"] = lambda: html("Home", "<h1>Welcome</h1>", anchors(linked))
    return made.web(seed, f"{form} {entry} {share=} {most=} {way=} {told=}")

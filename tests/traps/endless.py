"""What hangs on sites that never ends: calendars, session ids, growing paths, filters, searches, one page under any name. A seed decides
all of it.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from urllib.parse import parse_qsl, urlencode

from honest import MONTHS, Honest, Web, anchors, html


@dataclass
class Trap:
    """Something without an end: which targets are its own, what they show, and where the pages of the site link to it. `shows` names
    the real page at a target that is a trap only by its name."""

    name: str
    owns: Callable[[str], bool]
    page: Callable[[str], str | None]
    entry: Callable[[int], Sequence[str | tuple[str, str]]]
    rewrite: Callable[[str, random.Random], str] | None = None
    shows: Callable[[str], str] | None = None


def _split(target: str) -> tuple[str, list[tuple[str, str]]]:
    path, _, query = target.partition("?")
    return path, parse_qsl(query, keep_blank_values=True)


def _linked(chance: random.Random, make: Callable[[int], Sequence[str]]) -> Callable[[int], Sequence[str]]:
    """From the home page alone, from some pages, or from all."""
    among = chance.choice((0, 0, 10, 1))
    return lambda number: make(number) if number == 0 or (among and number % among == 0) else ()


def _decor(chance: random.Random, vocabulary: Sequence[str]) -> str:
    """What every page of a trap has in common: nothing, a heading, or a paragraph."""
    return chance.choice(("", f"<h2>{chance.choice(vocabulary)}</h2>", f"<p>{' '.join(chance.choices(vocabulary, k=20))}</p>"))


def calendar(chance: random.Random, vocabulary: Sequence[str]) -> Trap:
    """A month links to the next one and the one before, perhaps to its days."""
    name = chance.choice(("/cal", "/calendar", "/events", f"/{vocabulary[-1]}"))
    style = chance.choice(("path", "path", "query", "dashed", "one key"))
    days = style != "one key" and chance.random() < 0.5
    decor, empty = _decor(chance, vocabulary), chance.choice(("", "No events", "nothing"))
    numbers = chance.random() < 0.3  # no names of months
    fresh = chance.random() < 0.5  # pages of the site link to different months

    def href(year: int, month: int, day: int = 0) -> str:
        match style:
            case "path":
                return f"{name}/{year}/{month}" + (f"/{day}" if day else "")
            case "query":
                return f"{name}?year={year}&month={month}" + (f"&day={day}" if day else "")
            case "dashed":
                return f"{name}/{year}-{month:02}" + (f"-{day:02}" if day else "")
            case _:
                return f"{name}?date={year}-{month:02}"

    def page(target: str) -> str:
        digits = "".join(each if each.isdigit() else " " for each in target.removeprefix(name)).split()
        year, month, day = (*(int(each) for each in digits), 0, 0)[:3]
        title = f"{year}-{month}" if numbers else f"{MONTHS[(month - 1) % 12]} {year}"
        at = year * 12 + month - 1
        near = [(href(each // 12, each % 12 + 1), text) for each, text in ((at - 1, "previous"), (at + 1, "next"))]
        if day:
            return html(f"{day} {title}", decor, f"<h1>{day} {title}</h1><p>{empty}</p>", anchors([(href(year, month), "month")]))
        length = 28 + (month * 7 + year) % 4
        cells = "".join(
            f"<td>{anchors([(href(year, month, each), str(each))]) if days else each} {empty}</td>" for each in range(1, length + 1)
        )
        return html(title, decor, f"<h1>{title}</h1><table>{cells}</table>", anchors(near))

    entry = _linked(chance, lambda number: [href(2024 + (number // 12 % 9 if fresh else 0), 1 + (number % 12 if fresh else 4))])
    return Trap(f"calendar {style}{' days' if days else ''}", lambda target: target.startswith((f"{name}/", f"{name}?")), page, entry)


def calendar_of_forms(chance: random.Random, vocabulary: Sequence[str]) -> Trap:
    """An empty calendar by day, each with a link of its own: to be exported, to a form for a new event, to what is forbidden."""
    name, way = chance.choice(("/cal", "/events")), chance.choice(("export", "form", "form of the day", "forbidden"))

    def page(target: str) -> str | None:
        path, _, query = target.partition("?")
        if path == f"{name}/add":
            return html("Add an event", "<h1>Add an event</h1><form></form>") if way != "forbidden" else None
        year, month, day = (*map(int, path.removeprefix(f"{name}/").split("/")), 0)[:3]
        if query:
            return f"BEGIN:VCALENDAR\nUID:{target}\nEND:VCALENDAR"
        if day:
            own = {
                "export": f"{target}?ical=1", "form of the day": f"{name}/add?date={year}-{month:02}-{day:02}"
            }.get(way, f"{name}/add?slot={year * 400 + month * 31 + day}")  # fmt: skip
            return html(f"{day} {MONTHS[month - 1]} {year}", "<p>No events</p>", anchors([own, f"{name}/{year}/{month}"]))
        at = year * 12 + month - 1
        near = [f"{name}/{each // 12}/{each % 12 + 1}" for each in (at - 1, at + 1)]
        return html(f"{MONTHS[month - 1]} {year}", anchors(f"{name}/{year}/{month}/{each}" for each in range(1, 29)), anchors(near))

    return Trap(f"calendar {way}", lambda target: target.startswith(f"{name}/"), page, lambda number: [] if number else [f"{name}/2026/5"])


def _token(chance: random.Random, style: str) -> str:
    match style:
        case "hex":
            return f"{chance.getrandbits(64):016x}"
        case "digits":
            return str(chance.randrange(10**9, 10**10))
        case "letters":
            return "".join(chance.choices("abcdefghijklmnopqrstuvwxyz", k=12))
        case _:
            return "".join(chance.choices("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789", k=20))


def session(chance: random.Random, vocabulary: Sequence[str]) -> Trap:
    """A section in which every link has a new session id."""
    key = chance.choice(("sid", "PHPSESSID", "session", "jsessionid", "token", "s"))
    style = chance.choice(("hex", "hex", "digits", "letters", "mixed"))
    if key == "s":
        style = "hex"
    rooms = ["/account", "/account/help", "/account/orders"][: chance.randint(1, 3)]
    decor, echoed = _decor(chance, vocabulary), chance.random() < 0.5
    separator = ";" if key == "jsessionid" else "?"

    def href(room: str) -> str:
        return f"{room}{separator}{key}={_token(chance, style)}"

    def page(target: str) -> str:
        path, _, value = target.partition(separator)
        said = f"<p>Your session is {value.partition('=')[2]}</p>" if echoed else ""
        return html(
            f"Account {path.rpartition('/')[2]}", decor, f"<h1>Welcome to {path[1:]}</h1>{said}", anchors(href(room) for room in rooms)
        )

    entry = _linked(chance, lambda number: [href(rooms[number % len(rooms)])])
    return Trap(f"session {key} {style}", lambda target: target.startswith("/account"), page, entry)


def everywhere(chance: random.Random, vocabulary: Sequence[str]) -> Trap:
    """Every link of the whole site has a new session id: the pages are real, their names never end."""
    key = chance.choice(("sid", "PHPSESSID", "osCsid"))
    style = chance.choice(("hex", "mixed"))

    def owns(target: str) -> bool:
        return f"{key}=" in target

    def rewrite(href: str, chance: random.Random) -> str:
        return f"{href}{'&' if '?' in href else '?'}{key}={_token(chance, style)}"

    def shows(target: str) -> str:
        path, pairs = _split(target)
        kept = [pair for pair in pairs if pair[0] != key]
        return f"{path}?{urlencode(kept)}" if kept else path

    return Trap(f"everywhere {key}", owns, lambda target: None, lambda number: (), rewrite, shows)


def growing(chance: random.Random, vocabulary: Sequence[str]) -> Trap:
    """Relative links on pages that answer under every path below them."""
    root, count = f"/{chance.choice(vocabulary)}x", chance.randint(1, 3)
    parts = chance.sample(list(vocabulary), count)
    leaf = chance.random() < 0.3
    decor = _decor(chance, vocabulary) or "<p>here</p>"

    def page(target: str) -> str:
        return html("Section", decor, "<h1>Section</h1>", anchors([f"{part}/" for part in parts] + (["info.html"] if leaf else [])))

    entry = _linked(chance, lambda number: [f"{root}/{parts[0]}/"])
    return Trap(f"growing {count}{' leaf' if leaf else ''}", lambda target: target.startswith(f"{root}/"), page, entry)


def facets(chance: random.Random, vocabulary: Sequence[str], listed: Sequence[str] = ()) -> Trap:
    """Filters that can be put on each other in every combination, over a few of the site's pages."""
    name = chance.choice(("/shop", "/filter/all", "/catalog.php"))
    keys = chance.sample(("color", "size", "brand", "sort", "material", "view", "price"), chance.randint(3, 6))
    values = {key: chance.sample(list(vocabulary), chance.randint(3, 6)) for key in keys}
    if "price" in values:
        values["price"] = ["0-10", "10-50", "50-100"]
    products = list(listed[: chance.randint(0, 12)])
    ordered, told, decor = chance.random() < 0.5, chance.random() < 0.6, _decor(chance, vocabulary)

    def href(pairs: list[tuple[str, str]]) -> str:
        return f"{name}?{urlencode(sorted(pairs) if ordered else pairs)}" if pairs else name

    def page(target: str) -> str | None:
        path, pairs = _split(target)
        if path != name or any(value not in values.get(key, ()) for key, value in pairs):
            return None
        chosen = dict(pairs)
        others = [
            href([*((k, v) for k, v in pairs if k != key), (key, value)])
            for key in keys
            for value in values[key]
            if chosen.get(key) != value
        ]
        shown = [product for product in products if (hash_of(product, target)) % 3]
        said = f"<p>{len(shown)} products: {', '.join(f'{k} {v}' for k, v in pairs)}</p>" if told else ""
        return html("Shop", decor, said, anchors(shown), anchors(others))

    def owns(target: str) -> bool:
        return target == name or target.startswith(f"{name}?")

    first = [(keys[0], values[keys[0]][0])]
    entry = _linked(chance, lambda number: [name if number == 0 else href(first)])
    return Trap(f"facets {len(keys)} keys", owns, page, entry)


def hash_of(*parts: str) -> int:
    """A number that these texts decide, the same in every process."""
    return random.Random("|".join(parts)).getrandbits(30)


def search(chance: random.Random, vocabulary: Sequence[str], listed: Sequence[str] = ()) -> Trap:
    """A search that says again what was asked, and offers further searches."""
    name, key = chance.choice(("/search", "/find", "/s")), chance.choice(("q", "query", "term"))
    in_path = chance.random() < 0.2
    found = chance.choice((0, 0, 5)) if listed else 0
    decor, fresh = _decor(chance, vocabulary), chance.random() < 0.5

    def href(text: str) -> str:
        return f"{name}/{text.replace(' ', '-')}" if in_path else f"{name}?{urlencode({key: text})}"

    def page(target: str) -> str:
        path, pairs = _split(target)
        asked = path.removeprefix(f"{name}/").replace("-", " ") if in_path else dict(pairs).get(key, "")
        own = random.Random(target)
        more = [f"{asked} {own.choice(vocabulary)}" if len(asked) < 60 else own.choice(vocabulary) for _ in range(3)]
        results = [own.choice(listed) for _ in range(found)]
        said = f"<h1>Results for {asked}</h1>" + ("" if results else "<p>Nothing was found.</p>")
        return html(f"{asked} - search", decor, said, anchors(results), anchors((href(text), text) for text in more))

    entry = _linked(chance, lambda number: [href(vocabulary[number * 7 % len(vocabulary) if fresh else 0])])
    return Trap(
        f"search {'path' if in_path else 'query'} {found} found", lambda target: target.startswith((f"{name}?", f"{name}/")), page, entry
    )


def same_body(chance: random.Random, vocabulary: Sequence[str]) -> Trap:
    """One and the same page under names without end."""
    style = chance.choice(("number", "number", "token", "word", "query"))
    root, width = f"/{chance.choice(vocabulary)}-more", chance.randint(1, 3)
    text = " ".join(chance.choices(vocabulary, k=chance.choice((6, 60))))

    def href(own: random.Random, at: int) -> str:
        match style:
            case "number":
                return f"{root}/{at}"
            case "query":
                return f"{root}?n={at}"
            case "token":
                return f"{root}/{_token(own, 'hex')}"
            case _:
                return f"{root}/{own.choice(vocabulary)}-{own.choice(vocabulary)}-{own.choice(vocabulary)}"

    def page(target: str) -> str:
        own = random.Random(target)
        digits = target.rpartition("/")[2].rpartition("=")[2]
        at = int(digits) if digits.isdigit() else 0
        hrefs = [href(own, at + step + 1) for step in range(width)]
        return html("More", f"<h1>More</h1><p>{text}</p>", anchors((each, "more") for each in hrefs))

    entry = _linked(chance, lambda number: [href(random.Random(5), 1)])
    return Trap(f"same body {style}", lambda target: target.startswith((f"{root}/", f"{root}?")), page, entry)


def beyond_the_end(chance: random.Random, vocabulary: Sequence[str]) -> Trap:
    """A list that offers a next page after its last one."""
    name, last = f"/{chance.choice(vocabulary)}-log", chance.randint(0, 5)
    entries = {f"{name}-entry/{word}" for word in vocabulary[: last * 5]}
    told = chance.random() < 0.5

    def page(target: str) -> str | None:
        if target in entries:
            word = target.rpartition("/")[2]
            return html(word, f"<p>{' '.join(random.Random(word).choices(vocabulary, k=9))}</p>")
        number = int(_split(target)[1][0][1])
        shown = sorted(entries)[number * 5 : number * 5 + 5]
        said = "" if shown else "<p>There are no entries on this page of the log, sorry.</p>"
        return html(f"Log, page {number}" if told else "Log", said, anchors(shown), anchors([(f"{name}?page={number + 1}", "next")]))

    entry = _linked(chance, lambda number: [f"{name}?page=0"])
    return Trap(f"beyond the end, {last} pages", lambda target: target.startswith(name), page, entry)


KINDS: dict[str, Callable[..., Trap]] = {
    "calendar": calendar, "session": session, "growing": growing, "facets": facets, "search": search, "same body": same_body,
    "beyond the end": beyond_the_end, "everywhere": everywhere, "calendar of forms": calendar_of_forms,
}  # fmt: skip
USUAL = ("calendar", "session", "growing", "facets", "search", "same body")


def trapped(seed: int, pages: int = 1000, kinds: Sequence[str] | None = None) -> Web:
    """A site of about so many real pages and five traps, by chance of the usual kinds."""
    chance = random.Random(f"trapped {seed}")
    habits = Honest(seed, 10).habits
    if "calendar" in habits.archive:
        habits = habits._replace(archive="")
    # Lists and archives are pages as well: as many numbered ones as leave room for them.
    items = pages - (len(Honest(seed, pages, habits).targets) - pages)
    base = Honest(seed, items, habits)
    while len(base.targets) < pages:
        items += max(1, (pages - len(base.targets)) * 3 // 4)
        base = Honest(seed, items, habits)
    chosen = kinds if kinds is not None else chance.sample(USUAL, 5)
    traps = [
        KINDS[kind](chance, base.vocabulary, base.item_names[:60]) if kind in ("search", "facets") else KINDS[kind](chance, base.vocabulary)
        for kind in chosen
    ]
    base.extra = lambda number: [link for trap in traps for link in trap.entry(number)]
    renamed = next((trap for trap in traps if trap.rewrite is not None), None)

    def page(target: str) -> str | None:
        if renamed is not None and renamed.shows is not None and renamed.owns(target):
            target, tokens = renamed.shows(target), random.Random(target)
        else:
            tokens = random.Random(target)
        trap = next((trap for trap in traps if trap is not renamed and trap.owns(target)), None)
        if trap is not None:
            return trap.page(target)
        made = base.page(target)
        if made is None or renamed is None or renamed.rewrite is None:
            return made
        pieces = made.split('<a href="')
        changed = [pieces[0]]
        for piece in pieces[1:]:
            href, quote, rest = piece.partition('"')
            changed.append(renamed.rewrite(href, tokens).replace("&amp;", "&").replace("&", "&amp;") + quote + rest)
        return '<a href="'.join(changed)

    def real(target: str) -> str | None:
        shown = renamed.shows(target) if renamed is not None and renamed.shows is not None else target
        return shown if shown in base.targets else None

    said = f"{', '.join(trap.name for trap in traps)}; {base.habits}"

    def owner(target: str) -> str:
        return next((trap.name for trap in traps if trap.owns(target)), "")

    return Web(seed, said, page, real, frozenset(base.targets), owner)

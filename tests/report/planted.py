"""A site with sixty faults that a seed draws, and what has to be said of each. Written before there was a report, so that it is judged by
sites that it was not made for.

What only looks like a fault is planted beside them (`Plants.innocent`): a report that names more than the sixty is as wrong as one that
names less.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from html import escape
from itertools import pairwise
from typing import Any

from crawler.model import ErrorKind, PageError
from crawler.testing import answer, redirect
from crawler.testing.fakes import as_response

HERE = "https://site.test"
FAULTS = 60
SETTINGS: dict[str, Any] = {"scope": "domain", "respect_nofollow": True}
"""How the site has to be crawled."""

_SYLLABLES = "ba ce di fo gu ha je ki lo mu na pe ri so tu va we xi yo zu bra cle dri flo gru".split()  # noqa: SIM905
_MONTHS = "January February March April May June July August September October November December".split()  # noqa: SIM905


@dataclass(frozen=True)
class Fault:
    """One fault: the kind of finding it is, the URLs it is about in their order, and what else has to be said of it.

    `broken`: `facts` are status and error kind. `chain` and `loop`: the URLs are the hops. `title`, `body`: the group, sorted. `skipped`:
    `facts` are reason and rule, the URLs those it holds for. `no title`, `no description`, `thin`, `script`, `orphan`, `slow`: one URL.
    """

    kind: str
    urls: tuple[str, ...]
    facts: tuple[Any, ...] = ()


@dataclass
class Plants:
    """The site (`story`: answers by path or URL, for a fake fetcher), its faults, and what its broken links look like: by target the
    set of (page, text of the link, redirect on the way or None). `consequences` are findings that no fault is without: the bodies that
    are the same have the same title, and the end of a loop is an error."""

    story: dict[str, Any] = field(default_factory=dict)
    faults: list[Fault] = field(default_factory=list)
    consequences: list[Fault] = field(default_factory=list)
    innocent: Counter[str] = field(default_factory=Counter)
    found_on: dict[str, set[tuple[str, str, str | None]]] = field(default_factory=dict)
    in_sitemap: list[str] = field(default_factory=list)


def plant(seed: int) -> Plants:
    """The site that this seed draws."""
    return _Gardener(seed).plant()


class _Gardener:
    def __init__(self, seed: int) -> None:
        self.chance = random.Random(seed)
        self.made = Plants()
        self.links: dict[str, list[tuple[str, str, str]]] = {}
        self.heads: dict[str, tuple[str, str, str]] = {}
        self.pages = [f"/{self.word()}/{self.word()}-{number}" for number in range(40)]
        self.used: set[str] = set()
        self.robots = ["User-agent: *"]
        self.scripts = 0

    def plant(self) -> Plants:
        chance, made = self.chance, self.made
        for page in ("/", *self.pages):
            self.page(page)
        for page in self.pages:
            self.link(page, "/" if chance.random() < 0.1 else chance.choice(self.pages))
            self.links["/"].append((page, self.word(), ""))
        kinds: list[Callable[[], object]] = [*self.every(), *self.once()]
        left = FAULTS - len(kinds)
        for kind in (*kinds, *chance.choices(self.every(), k=left)):
            kind()
        for innocent in self.innocent():
            innocent()
        for path in self.links:
            if path not in made.story:
                made.story[path] = self.render(path)
        made.story["/robots.txt"] = answer(body="\n".join(self.robots), headers={"Content-Type": "text/plain"})
        listed = "".join(f"<url><loc>{escape(HERE + path)}</loc></url>" for path in chance.sample(made.in_sitemap, len(made.in_sitemap)))
        made.story["/sitemap.xml"] = answer(body=f"<urlset>{listed}</urlset>", headers={"Content-Type": "application/xml"})
        assert len(made.faults) == FAULTS
        return made

    def every(self) -> list[Callable[[], object]]:
        """Faults that may be there several times."""
        return [
            self.broken, self.broken, self.broken, self.no_answer, self.no_host, self.broken_behind_a_redirect, self.broken_in_the_sitemap,
            self.chain, self.chain, self.chain_to_nowhere, self.loop, self.loop, self.ring, self.same_title, self.same_title,
            self.same_body, self.same_document, self.no_title, self.blank_title, self.no_description, self.no_description, self.thin,
            self.script, self.orphan, self.orphan_with_itself, self.slow, self.slow, self.by_robots, self.by_scope,
        ]  # fmt: skip

    def once(self) -> list[Callable[[], object]]:
        """Faults of which a second one would be the same one."""
        return [self.too_many_redirects, self.nofollow, self.mail, self.telephone, self.too_long, self.calendar]

    def innocent(self) -> list[Callable[[], object]]:
        """What is no fault."""
        return [
            self.one_hop, self.one_hop, self.several_to_one, self.title_of_an_error, self.title_in_other_letters, self.empty_documents,
            self.almost_slow, self.large_and_long, self.small_text, self.small_but_not_thin, self.script_with_a_link,
            self.listed_and_linked, self.listed_and_linked_by_an_orphan, self.listed_and_redirected_to, self.tried_again, self.fragments,
        ]  # fmt: skip

    # -- ground ------------------------------------------------------------------------------------------------------------

    def word(self) -> str:
        return "".join(self.chance.choices(_SYLLABLES, k=self.chance.randint(2, 4)))

    def words(self, count: int) -> str:
        return " ".join(self.word() for _ in range(count))

    def fresh(self, suffix: str = "") -> str:
        """A path that nothing has."""
        while (path := f"/{self.word()}/{self.word()}{suffix}") in self.links or path in self.used:
            pass
        self.used.add(path)
        return path

    def page(self, path: str, title: str | None = None, description: str | None = None, body: str | None = None) -> str:
        """A page in whose head and text nothing is wrong, unless it is said."""
        self.links.setdefault(path, [])
        title = f"{self.words(3)} {len(self.heads)}" if title is None else title
        description = self.words(8) if description is None else description
        self.heads[path] = (title, description, f"<p>{self.words(160)}" if body is None else body)
        return path

    def render(self, path: str) -> str:
        title, description, body = self.heads[path]
        head = f"<title>{title}</title>" if title else ""
        head += f'<meta name="description" content="{description}">' if description else ""
        anchors = "".join(f'<p><a href="{escape(href)}"{rel}>{escape(text)}</a>' for href, text, rel in self.links[path])
        return f"<!doctype html><html><head>{head}</head><body>{body}{anchors}"

    def link(self, source: str, target: str, rel: str = "") -> str:
        """A link with words of its own."""
        text = self.words(self.chance.randint(1, 3)) + self.chance.choice(("", "", " =1+1", ' "x"', " <b>", " & so", " ü"))
        self.links[source].append((target, text, rel))
        return text

    def linked(self, target: str, most: int = 4, rel: str = "") -> list[tuple[str, str]]:
        """Links to a target from some pages: those and the words."""
        sources = self.chance.sample(self.pages, self.chance.randint(1, most))
        return [(HERE + source, self.link(source, target, rel)) for source in sources]

    def fault(self, kind: str, *urls: str, facts: tuple[Any, ...] = ()) -> None:
        self.made.faults.append(Fault(kind, tuple(map(_whole, urls)), facts))

    def follows(self, kind: str, *urls: str, facts: tuple[Any, ...] = ()) -> None:
        self.made.consequences.append(Fault(kind, tuple(map(_whole, urls)), facts))

    def found(self, target: str, links: Sequence[tuple[str, str]], through: str | None = None) -> None:
        known = self.made.found_on.setdefault(_whole(target), set())
        known |= {(page, text, through and _whole(through)) for page, text in links}
        if through is not None:
            known.add((_whole(through), "", None))

    # -- broken ------------------------------------------------------------------------------------------------------------

    def broken(self) -> str:
        path, status = self.fresh(), self.chance.choice((400, 403, 404, 404, 404, 410, 418, 451, 500, 501, 503))
        self.made.story[path] = answer(status, "<title>Sorry</title>")
        self.fault("broken", path, facts=(status, None))
        self.found(path, self.linked(path))
        return path

    def no_answer(self) -> None:
        kinds: tuple[ErrorKind, ...] = ("timeout", "reset", "truncated", "too_big", "protocol", "decode")
        path, kind = self.fresh(), self.chance.choice(kinds)
        self.made.story[path] = PageError(kind, "as planted")
        self.fault("broken", path, facts=(0, kind))
        self.found(path, self.linked(path))

    def no_host(self) -> None:
        kinds: tuple[ErrorKind, ...] = ("dns", "refused", "tls")
        kind = self.chance.choice(kinds)
        host = f"https://{self.word()}{len(self.made.faults)}.site.test"
        self.made.story[f"{host}/robots.txt"] = answer(404)
        self.made.story[f"{host}/"] = PageError(kind, "as planted")
        self.fault("broken", f"{host}/", facts=(0, kind))
        self.found(f"{host}/", self.linked(f"{host}/"))

    def broken_behind_a_redirect(self) -> None:
        path, old = self.fresh(), self.fresh()
        self.made.story[old] = redirect(path, self.chance.choice((301, 302, 307, 308)))
        self.made.story[path] = answer(404)
        self.fault("broken", path, facts=(404, None))
        self.found(path, self.linked(old), through=old)

    def broken_in_the_sitemap(self) -> None:
        path = self.fresh()
        self.made.story[path] = answer(self.chance.choice((404, 410)))
        self.made.in_sitemap.append(path)
        self.fault("broken", path, facts=(self.made.story[path].status, None))
        self.follows("orphan", path)
        self.found(path, [(f"{HERE}/sitemap.xml", "")])

    # -- redirects ---------------------------------------------------------------------------------------------------------

    def hops(self, count: int) -> list[str]:
        paths = [self.fresh() for _ in range(count)]
        self.linked(paths[0])
        return paths

    def redirects(self, paths: Sequence[str]) -> None:
        for here, there in pairwise(paths):
            self.made.story[here] = redirect(there, self.chance.choice((301, 302, 303, 307, 308)))

    def chain(self) -> None:
        paths = [*self.hops(self.chance.randint(2, 5)), self.page(self.fresh())]
        self.redirects(paths)
        self.fault("chain", *paths)

    def chain_to_nowhere(self) -> None:
        """Counted as what it is: the dead end makes it broken, and the way there is too long."""
        paths = [self.fresh() for _ in range(self.chance.randint(3, 4))]
        links = self.linked(paths[0])
        self.redirects(paths)
        self.made.story[paths[-1]] = answer(404)
        self.fault("chain", *paths)
        self.follows("broken", paths[-1], facts=(404, None))
        for through in paths[:-1]:
            self.found(paths[-1], links if through == paths[0] else [], through if through == paths[-2] else None)
        self.made.found_on[_whole(paths[-1])] = {(page, text, _whole(paths[0])) for page, text in links} | {(_whole(paths[-2]), "", None)}

    def loop(self) -> None:
        paths = [self.fresh() for _ in range(self.chance.randint(1, 4))]
        links = self.linked(paths[0])
        self.redirects([*paths, paths[0]])
        self.fault("loop", *paths)
        self.follows("broken", paths[-1], facts=(0, "redirect_loop"))
        way = {(page, text, _whole(paths[0])) for page, text in links} if len(paths) > 1 else {(page, text, None) for page, text in links}
        self.made.found_on[_whole(paths[-1])] = way | ({(_whole(paths[-2]), "", None)} if len(paths) > 1 else set())

    def ring(self) -> None:
        """A loop of which every part was known before: each is asked for by itself, and none of them is an error."""
        paths = [self.fresh() for _ in range(self.chance.randint(2, 4))]
        for path in paths:
            self.link(self.pages[0], path)
        self.redirects([*paths, paths[0]])
        self.fault("loop", *paths)

    def too_many_redirects(self) -> None:
        """Longer than anybody follows: eleven are asked for, and the last of them is an error."""
        paths = [self.fresh() for _ in range(13)]
        links = self.linked(paths[0])
        self.redirects(paths)
        self.made.story[paths[-1]] = answer(404)
        self.fault("chain", *paths[:11])
        self.follows("broken", paths[10], facts=(0, "redirect_loop"))
        self.made.found_on[_whole(paths[10])] = {(page, text, _whole(paths[0])) for page, text in links} | {(_whole(paths[9]), "", None)}

    # -- what pages say ----------------------------------------------------------------------------------------------------

    def group(self, most: int) -> list[str]:
        paths = [self.fresh() for _ in range(self.chance.randint(2, most))]
        for path in paths:
            self.linked(path, 2)
        return paths

    def same_title(self) -> None:
        title, paths = f"{self.words(2)} {len(self.heads)}", self.group(5)
        for path in paths:
            self.page(path, title)
        self.fault("title", *sorted(paths))

    def same_body(self) -> None:
        paths = self.group(3)
        self.page(paths[0])
        for path in paths:
            self.made.story[path] = self.render(paths[0])
        self.fault("body", *sorted(paths))
        self.follows("title", *sorted(paths))

    def same_document(self) -> None:
        paths, text = self.group(4), self.words(200)
        for path in paths:
            self.made.story[path] = answer(body=text, headers={"Content-Type": "text/plain"})
        self.fault("body", *sorted(paths))

    def lonely(self, kind: str, **page: str) -> str:
        path = self.page(self.fresh(), **page)
        self.linked(path)
        self.fault(kind, path)
        return path

    def no_title(self) -> None:
        self.lonely("no title", title="")

    def blank_title(self) -> None:
        self.lonely("no title", title=" \n ")

    def no_description(self) -> None:
        self.lonely("no description", description=self.chance.choice(("", " ")))

    def thin(self) -> None:
        path = self.lonely("thin", body=f"<p>{self.word()}")
        self.link(path, "/")

    def script(self) -> None:
        self.scripts += 1
        source = f"/static/app{self.scripts}.js"
        self.lonely("script", body=f'<div id="root"></div><!-- {self.words(200)} --><script src="{source}"></script>')
        self.skips("requisite", "script", source)

    def orphan(self) -> str:
        path = self.page(self.fresh())
        self.made.in_sitemap.append(path)
        self.link(path, self.chance.choice(self.pages))
        self.fault("orphan", path)
        return path

    def orphan_with_itself(self) -> None:
        path = self.orphan()
        self.link(path, path)

    def slow(self) -> None:
        path = self.lonely("slow")
        first = self.chance.uniform(1.01, 9.0)
        self.made.story[path] = _timed(self.render(path), first, first + self.chance.random())

    # -- skipped -----------------------------------------------------------------------------------------------------------

    def skips(self, reason: str, rule: str, *urls: str) -> None:
        """A rule by which URLs are skipped. Those of one that is known already join it."""
        for number, fault in enumerate(self.made.consequences):
            if fault.kind == "skipped" and fault.facts == (reason, rule):
                self.made.consequences[number] = replace(fault, urls=(*fault.urls, *map(_whole, urls)))
                return
        self.follows("skipped", *urls, facts=(reason, rule))

    def by_robots(self) -> None:
        folder = f"/{self.word()}{len(self.robots)}"
        self.robots.append(f"Disallow: {folder}/")
        paths = [f"{folder}/{number}" for number in range(self.chance.randint(1, 4))]
        for path in paths:
            self.linked(path, 2)
        self.fault("skipped", *paths, facts=("robots", f"line {len(self.robots)}"))

    def by_scope(self) -> None:
        """Many other sites are out of one scope: one more of them is one more URL by the same rule."""
        url = f"https://{self.word()}{len(self.made.faults)}.example/{self.word()}"
        self.linked(url)
        self.fault("elsewhere", url)

    def nofollow(self) -> None:
        paths = [self.fresh() for _ in range(self.chance.randint(1, 3))]
        for path in paths:
            self.linked(path, rel=' rel="nofollow"')
        self.fault("skipped", *paths, facts=("nofollow", "rel=nofollow"))

    def mail(self) -> None:
        url = f"mailto:{self.word()}@site.test"
        self.linked(url)
        self.fault("skipped", url, facts=("scheme", "mailto"))

    def telephone(self) -> None:
        self.linked("tel:+49301234")
        self.fault("skipped", "tel:+49301234", facts=("scheme", "tel"))

    def too_long(self) -> None:
        path = self.fresh() + "?" + "x" * 2_500
        self.linked(path)
        self.fault("skipped", path, facts=("too_long", f"{len(HERE + path):,} characters"))

    def calendar(self) -> None:
        """Leads from month to month, for ever. The months that are asked for before that is noticed are pages as good as others."""

        def month(request: Any) -> str:
            year, number = map(int, request.path.split("/")[2:])
            at = year * 12 + number - 1
            near = "".join(
                f'<a href="/cal/{each // 12}/{each % 12 + 1}">{word}</a> ' for each, word in ((at - 1, "before"), (at + 1, "after"))
            )
            name = f"{_MONTHS[number - 1]} {year}"
            head = f'<title>{name}</title><meta name="description" content="{name}">'
            return f"<!doctype html><html><head>{head}</head><body><h1>{name}</h1>{near}{'<p>no events</p>' * 80}"

        for at in range(1970 * 12, 2100 * 12):
            self.made.story[f"/cal/{at // 12}/{at % 12 + 1}"] = month
        self.linked("/cal/2026/5")
        self.fault("trap", facts=("trap", "/cal/{n}/{n}"))

    # -- what is no fault --------------------------------------------------------------------------------------------------

    def harmless(self, name: str, path: str, value: Any = None) -> str:
        """Something that is linked and right."""
        self.made.innocent[name] += 1
        self.linked(path)
        if value is not None:
            self.made.story[path] = value
        return path

    def one_hop(self) -> None:
        self.harmless("one hop", self.fresh(), redirect(self.chance.choice(self.pages), 301))

    def several_to_one(self) -> None:
        """Two redirects to one page are two redirects, and no chain."""
        target = self.page(self.fresh())
        for _ in range(2):
            self.harmless("several to one", self.fresh(), redirect(target, 308))

    def title_of_an_error(self) -> None:
        """A redirect and an error may say what they like."""
        title = f"<title>{self.heads[self.pages[0]][0]}</title>"
        target = redirect(self.pages[1])
        self.harmless("title of an error", self.fresh(), replace(target, body=title.encode()))

    def title_in_other_letters(self) -> None:
        self.page(self.harmless("title in other letters", self.fresh()), self.heads[self.pages[0]][0].upper())

    def empty_documents(self) -> None:
        for _ in range(2):
            self.harmless("empty document", self.fresh(".txt"), answer(204))

    def almost_slow(self) -> None:
        path = self.page(self.harmless("almost slow", self.fresh()))
        self.made.story[path] = _timed(self.render(path), 0.99, 0.995)

    def large_and_long(self) -> None:
        path = self.harmless("large and long", self.fresh(".txt"))
        self.made.story[path] = _timed(answer(body=self.words(9000), headers={"Content-Type": "text/plain"}), 0.2, 30.0)

    def small_text(self) -> None:
        self.harmless("small text", self.fresh(".json"), answer(body='{"small": 1}', headers={"Content-Type": "application/json"}))

    def small_but_not_thin(self) -> None:
        path = self.page(self.harmless("small but not thin", self.fresh()), body="")
        title, description, _ = self.heads[path]
        self.heads[path] = (title, description, "é" * 512)

    def script_with_a_link(self) -> None:
        path = self.page(self.harmless("script with a link", self.fresh()))
        title, description, body = self.heads[path]
        self.scripts += 1
        self.heads[path] = (title, description, f'{body}<script src="/static/app{self.scripts}.js"></script>')
        self.skips("requisite", "script", f"/static/app{self.scripts}.js")
        self.link(path, "/")

    def listed_and_linked(self) -> None:
        self.made.innocent["listed and linked"] += 5
        self.made.in_sitemap.extend(self.chance.sample(self.pages, 5))

    def listed_and_linked_by_an_orphan(self) -> None:
        orphan = next(fault.urls[0] for fault in self.made.faults if fault.kind == "orphan").removeprefix(HERE)
        path = self.page(self.fresh())
        self.made.innocent["linked by an orphan"] += 1
        self.made.in_sitemap.append(path)
        self.link(orphan, path)

    def listed_and_redirected_to(self) -> None:
        path = self.page(self.fresh())
        self.harmless("redirected to", self.fresh(), redirect(path))
        self.made.in_sitemap.append(path)

    def tried_again(self) -> None:
        path = self.page(self.harmless("tried again", self.fresh()))
        said = [answer(503), answer(200, self.render(path))]
        self.made.story[path] = lambda request: said.pop(0) if len(said) > 1 else said[0]

    def fragments(self) -> None:
        for name in ("#top", "#end"):
            self.harmless("fragment", self.pages[3] + name)


def _whole(path: str) -> str:
    return HERE + path if path.startswith("/") else path


def _timed(value: Any, first: float, whole: float) -> Any:
    """The answer with the seconds that it takes to its first byte, and in all."""
    return lambda request: replace(as_response(HERE + request.target, value), ttfb=first, elapsed=whole)

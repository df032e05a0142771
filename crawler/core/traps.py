"""Shapes of URLs that only produce more of themselves: calendars, session ids, growing paths, facet grids, search echoes.

A URL alone proves nothing: `/item/{n}` is a shop or a trap. So pages are watched, by the shape of their URL. A page brings
something new when it says what no page of its shape has said, or leads to pages of a shape that is known to say something and that its
own had not led to. A shape whose pages bring nothing new, one after the other, is quarantined: its URLs are refused from then on.
Whether they could go on for ever counts too: plain numbers have to be found on pages of their own shape, for what other pages list
comes to an end by itself.

What is kept is bounded, and forgetting only makes a trap live longer. Nothing here is stored: `quarantined` and `released` say what an
earlier run has found out.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping, Sequence
from itertools import islice

from crawler.core.evidence import LOOKED_AT, PATIENCE, SHAPES, Record, Records, Sight, Worth, bred_by, is_longer
from crawler.core.shapes import Shape, shape_of
from crawler.core.sketch import lines_of, own_words_of, whole_of, words_of
from crawler.core.urls import Target, Verdict
from crawler.model import Request

ENOUGH = {"dated": 6, "worded": 4, "growing": 2, "plain": 5}
"""So many pages in a row that bring nothing new are a trap. Shapes that have brought something before get more patience."""
BRED = 2
"""When fewer pages of a calendar were found on other pages of it, twice as many are needed."""
DAYS, FEWEST_DAYS = 18, 10
"""So many are needed of the pages that a calendar only lists, as months list their days: most of them may be empty. Four fewer for each
trap that the host is known to have."""
TWINS = 3
"""So many pages that were the same under another random value are enough."""
GENERATIONS = 30
"""A chain of so many pages that differ in nothing but their own number is a trap; shorter ones may be short pages."""
FINDS = 2
"""So many pages that the crawl did not know has a search to find, one that has found some before up to twice as many: a single one turns
up now and then, however the same pages are mixed."""
VARIETY = 2
"""So many dull shapes that are made in the same way are one trap."""

RECALLED = 50_000
"""URLs of one host that are worth recalling."""

_TWINS, _GROWN = RECALLED, 200
_FEW, _SOME = 8, 30  # letters without which a page says too little to be the same as another one
_MONTHS = frozenset(
    "january february march april may june july august september october november december jan feb mar apr jun jul aug sep sept "
    "oct nov dec monday tuesday wednesday thursday friday saturday sunday mon tue tues wed thu thur thurs fri sat sun mo tu we th "
    "fr sa su januar februar märz mai juni juli oktober dezember montag dienstag mittwoch donnerstag freitag samstag sonntag "
    "janvier février mars avril juin juillet août septembre octobre novembre décembre lundi mardi mercredi jeudi vendredi samedi "
    "dimanche enero febrero marzo abril mayo junio julio agosto septiembre octubre noviembre diciembre lunes martes miércoles "
    "jueves viernes sábado domingo gennaio febbraio aprile maggio giugno luglio settembre ottobre dicembre today week month year "
    "day".encode().split()
)


class Traps:
    """Watches pages and judges URLs. `quarantined` are pairs of host and pattern from earlier runs, `released` patterns that a user
    has let go: they are never quarantined again. `hosts` is how many the crawl holds at once, which bounds what is remembered."""

    def __init__(self, quarantined: Iterable[tuple[str, str]] = (), released: Iterable[str] = (), hosts: int = 256) -> None:
        self._quarantined: dict[str, set[str]] = {}
        self.learn(quarantined)
        self._released = frozenset(released)
        self._records = Records(hosts)
        self._most_probing = hosts * SHAPES
        # By the number of what is the same: the id of the one URL that stands for all, and what it said.
        self._twins: dict[int, tuple[int, int | None]] = {}
        self._probing: dict[tuple[str, str], int] = {}  # of shapes on probation the URL that was asked for last
        self._grown: dict[str, frozenset[int]] = {}  # what pages said that lead further down into folders of the same name, by URL

    def learn(self, quarantined: Iterable[tuple[str, str]]) -> None:
        """Takes over what was put into quarantine elsewhere."""
        for host, pattern in quarantined:
            self._quarantined.setdefault(host, set()).add(pattern)

    # -- judging ---------------------------------------------------------------------------------------------------------

    def judge(self, url: str, identity: int, host: str) -> Verdict | None:
        """Why a URL is not asked for: the pattern that is quarantined; None when it may be. Of URLs that are the same but for a random
        value, one may always be asked for."""
        if host not in self._quarantined:
            return None
        shape = shape_of(url)
        pattern = self._caught(host, shape)
        if pattern is None or (shape.twin and self._stands_for_all(host, shape, identity)):
            return None
        return "trap", pattern

    def waits(self, url: str, identity: int, host: str, flying: Container[int]) -> bool:
        """Whether another page of the same shape is in flight that has to be seen before this one is asked for, so that a trap does
        not cost as many requests as can be made at once."""
        shape = shape_of(url)
        if not self._records.is_on_probation(host, shape):
            return False
        other = self._probing.get(key := (host, shape.wide))
        if other is not None and other != identity and other in flying:
            return True
        if len(self._probing) >= self._most_probing:
            self._probing.clear()
        self._probing[key] = identity
        return False

    def recall(self, urls: Iterable[tuple[str, int, str]]) -> None:
        """Takes notice of URLs of an earlier run, each with its id and host: those with random values stand for all others like them."""
        for url, identity, host in urls:
            if (shape := shape_of(url)).twin and self._caught(host, shape) is not None:
                self._stands_for_all(host, shape, identity)

    def _caught(self, host: str, shape: Shape) -> str | None:
        patterns = self._quarantined.get(host, ())
        if self._is_released(shape):
            return None
        return shape.pattern if shape.pattern in patterns else shape.wide if shape.wide in patterns else None

    def _is_released(self, shape: Shape) -> bool:
        return bool(self._released) and (shape.pattern in self._released or shape.wide in self._released)

    def _stands_for_all(self, host: str, shape: Shape, identity: int) -> bool:
        known = self._twins.get(key := hash((host, shape.twin)))
        if known is None:
            self._remember_twin(key, identity, None)
        return known is None or known[0] == identity

    def _remember_twin(self, key: int, identity: int, text: int | None) -> None:
        if len(self._twins) >= _TWINS:
            self._twins = dict(islice(self._twins.items(), _TWINS // 2, None))
        self._twins[key] = (identity, text)

    # -- watching --------------------------------------------------------------------------------------------------------

    def observe(self, sight: Sight) -> str | None:
        """Takes notice of a page; returns the pattern that it has put into quarantine, if it has."""
        request = sight.request
        shape = shape_of(request.url)
        if self._is_released(shape):
            return None
        record = self._records.of(request.host, shape.pattern)
        record.seen += 1
        if record.is_resting:
            return None
        wide = record if shape.wide == shape.pattern else self._records.of(request.host, shape.wide)
        if shape.kind == "token":
            caught = self._compare_twins(sight, shape, wide)
        elif shape.kind == "growing":
            caught = self._compare_grown(sight, shape, wide)
        else:
            caught = self._weigh(sight, shape, record, wide)
        self._records.count(record, wide)
        return caught

    def told(self, request: Request, answer: str) -> None:
        """Takes notice of an answer that is no page to read: another type, a redirect, an error. `answer` tells one from another."""
        shape = shape_of(request.url)
        record = self._records.of(request.host, shape.pattern)
        record.seen += 1
        if shape.kind == "plain" and not shape.dated and answer:
            record.is_solid = record.is_solid or record.first not in (None, hash(answer))
            record.first = hash(answer)

    def _weigh(self, sight: Sight, shape: Shape, record: Record, wide: Record) -> str | None:
        """What a page is worth by where it leads and by what it says, and whether it was the last straw."""
        request = sight.request
        record.looks += 1
        record.dated = dated = record.dated and shape.dated
        wide.looks += wide is not record
        breeder = bred_by(request, shape)
        if shape.kind == "plain" and not (dated or breeder) and record.is_solid:
            record.begins_again(request.depth)
            return None
        listed = not breeder and record.found_elsewhere(request.parent or "")
        worth = self._leads(sight, shape, wide, breeder, listed)
        if worth != "new":
            said = self._says(sight, shape, record, wide, breeder != "")
            worth = "new" if said == "new" else worth if worth != "dull" else said
        if worth == "hopeful" and not wide.may_hope(request.depth):
            worth = "dull"
        record.calm += 2 if worth == "new" and shape.kind == "plain" else worth in ("new", "open")
        if worth == "new":
            record.is_solid = True
            record.brought_something()
            record.start = request.depth
            if wide is not record:
                wide.brought_something()
        elif worth == "hopeful":
            record.begins_again()
            wide.begins_again()
        if dated:
            wide.is_endless = wide.is_endless or self._goes_on(sight, shape, wide, breeder)
        if worth != "dull" or (dated and (listed or not wide.is_endless)):
            return None  # the latter: an archive that is quiet at times comes to an end
        wide.bred += breeder != ""
        least = ENOUGH["dated" if dated else shape.kind] * (2 if dated and wide.bred < BRED else 1)
        if dated and breeder == "its like":
            least = self._days(request.host)
        return self._count_dull(request.host, shape, record, wide, least)

    def _days(self, host: str) -> int:
        """How many empty days are enough: fewer where the host has shown traps before."""
        return max(FEWEST_DAYS, DAYS - 4 * len(self._quarantined.get(host, ())))

    def _goes_on(self, sight: Sight, shape: Shape, wide: Record, breeder: str) -> bool:
        """Whether a page of a calendar leads to another one as it is itself, or as those that led to such, that nothing has listed.
        Of what was found on a page that nobody has looked at, as in an earlier run, that is assumed."""
        if breeder == "itself" or (breeder and not self._records.has_looked(sight.request.host, shape_of(sight.request.parent or ""))):
            return True
        mine = wide.rank(shape.pattern)
        alike = {
            target.id
            for target in sight.targets
            if target is not None and target.refusal is None and (other := shape_of(target.url)).wide == shape.wide
            and wide.rank(other.pattern) <= mine
        }  # fmt: skip
        return bool(alike and sight.unknown(alike))

    def _count_dull(self, host: str, shape: Shape, record: Record, wide: Record, least: int) -> str | None:
        """Counts a page that brought nothing new, and puts its shape into quarantine when it was the last straw."""
        record.run += 1
        record.calm = 0
        if wide is not record:
            wide.run += 1
            wide.dull.add(shape.pattern)
            if len(wide.dull) >= VARIETY and wide.is_enough(max(least, self._days(host)) if shape.dated else least, shape):
                return self._quarantine(host, shape.wide)
        if not record.is_enough(least, shape):
            return None
        return self._quarantine(host, shape.wide if shape.kind == "growing" else shape.pattern)

    def _quarantine(self, host: str, pattern: str) -> str:
        self._quarantined.setdefault(host, set()).add(pattern)
        return pattern

    # -- where a page leads ----------------------------------------------------------------------------------------------

    def _leads(self, sight: Sight, shape: Shape, wide: Record, breeder: str, listed: bool) -> Worth:
        """What the links of a page are worth that no page of its shape had. What searches and filters list has to be unknown to the
        crawl altogether: they can put the same pages together in ways without end."""
        strange = wide.new_links(sight.targets)
        if strange is not None and shape.kind == "worded" and not shape.numbered and (breeder or shape.searched or shape.keys > 1):
            strange = sight.unknown(strange)
        new = [each for each in sight.targets if each is not None and each.refusal is None and (strange is None or each.id in strange)]
        self._look_down(sight, new[:LOOKED_AT])
        if strange is None:
            return "open"  # nobody can tell yet what stands on all pages
        worth: Worth = "dull"
        finds, enough = 0, min(FINDS + wide.new // 8, 2 * FINDS) if shape.searched else 1
        for target in new[:LOOKED_AT]:
            other = shape_of(target.url)
            is_same = other.pattern == shape.pattern or (other.wide == shape.wide and other.kind != "plain")
            if is_same or self._caught(target.host, other) is not None:
                continue
            promise = self._records.promise(target.host, other)
            finds += promise == "new"
            if finds >= enough:
                return "new"
            if shape.dated and (promise == "hopeful" or (promise == "open" and not other.dated)):
                worth = "hopeful"
            elif promise == "open" and worth == "dull":
                if shape.dated and other.wide == shape.wide and (breeder == "itself" or not (breeder or listed)):
                    continue  # month after month of days: those of the first ones have been looked at by now
                worth = "open"
        return worth

    def _look_down(self, sight: Sight, targets: Sequence[Target]) -> None:
        """Remembers what a page says that leads further down into a folder of the same name: there it may say the same again."""
        if sight.body is not None and any(is_longer(sight.request.url, target.url) for target in targets):
            self._remember_grown(sight.request.url, self._lines(sight, with_links=True))

    # -- what a page says ------------------------------------------------------------------------------------------------

    def _says(self, sight: Sight, shape: Shape, record: Record, wide: Record, bred: bool) -> Worth:
        if sight.body is None:
            return "open"
        if not record.dated and (shape.kind == "plain" or shape.numbered):
            return self._says_as_a_whole(sight, record, bred)
        worth = wide.compare_lines(self._lines(sight, _MONTHS if record.dated else frozenset()))
        return worth if record.looks > 1 or not record.dated else "open"  # what all days say, the first month did not

    def _lines(self, sight: Sight, without: frozenset[bytes] = frozenset(), *, with_links: bool = False) -> Mapping[int, int]:
        """The lines of a page; dates and what the URL says itself are none."""
        return lines_of(sight.body or b"", sight.title, words_of(sight.request.url) | without, with_links)

    def _says_as_a_whole(self, sight: Sight, record: Record, bred: bool) -> Worth:
        """Numbers are content here, so a page is dull only when all of it was there before. One that differs in nothing but its own
        number may be a short page, unless there is a long chain of them."""
        request = sight.request
        own = own_words_of(request.url)
        if record.has_new_title(sight.title, own):
            return "new"  # which spares reading it
        page = whole_of(sight.body or b"", sight.title, own)
        found = record.compare_whole(page)
        if found == "new":
            return "new"
        if not bred:
            record.start = request.depth
        elif found == "same" and page.letters >= _FEW:
            return "dull"
        elif found == "alike" and page.letters >= _SOME and request.depth - record.start >= GENERATIONS:
            record.run += PATIENCE + ENOUGH["plain"]
            return "dull"
        return "open"

    # -- growing paths ---------------------------------------------------------------------------------------------------

    def _compare_grown(self, sight: Sight, shape: Shape, wide: Record) -> str | None:
        """Whether a page says the same as the one that it was found on, whose path it makes longer: its links too, for a folder
        that is called as one above it has others."""
        if sight.body is None:
            return None
        url, parent = sight.request.url, sight.request.parent or ""
        text = self._lines(sight, with_links=True)
        above = self._grown.get(parent)
        self._remember_grown(url, text)
        if above is None:  # that was in an earlier run, or long ago: others like this one have to do, more of them
            worth, least = wide.compare_set(text), 3 * ENOUGH["growing"]
        elif not url.startswith(parent.rpartition("/")[0]):
            return None
        else:
            worth, least = "dull" if all(line in above or bare in above for line, bare in text.items()) else "new", ENOUGH["growing"]
        if worth == "dull":
            return self._count_dull(sight.request.host, shape, wide, wide, least)
        wide.brought_something()
        return None

    def _remember_grown(self, url: str, text: Mapping[int, int]) -> None:
        if len(self._grown) >= _GROWN:
            del self._grown[next(iter(self._grown))]
        self._grown[url] = frozenset(text).union(text.values())

    # -- random values ---------------------------------------------------------------------------------------------------

    def _compare_twins(self, sight: Sight, shape: Shape, wide: Record) -> str | None:
        """Whether the same page came again under another random value."""
        request = sight.request
        if sight.body is None or self._caught(request.host, shape) or (wide.new > PATIENCE and not wide.run):
            return None
        links = islice((each for each in sight.targets if each is not None and each.refusal is None), LOOKED_AT)
        others = frozenset(target.id for target in links if shape_of(target.url).kind != "token")
        text = hash((frozenset(self._lines(sight).values()), others))
        key = hash((request.host, shape.twin))
        known = self._twins.get(key)
        if known is None or known[1] is None or known[0] == request.id:
            self._remember_twin(key, known[0] if known is not None else request.id, text)
            return None
        if known[1] != text:
            self._remember_twin(key, known[0], text)  # the first one may have been the odd one
            wide.brought_something()
            wide.is_solid = True
            return None
        wide.run += 1
        return self._quarantine(request.host, shape.wide) if wide.run >= TWINS + min(PATIENCE, wide.new) else None

"""The good answers of earlier link checks, in one small file: what was good lately need not be asked again."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path

from crawler.errors import OutputError
from crawler.report.check import CACHED
from crawler.text import as_json, utc_text

_VERSION = 1


class AnswerCache:
    """URLs with their status and when that was (UTC, RFC 3339), as JSON. Only what is younger than `age` seconds counts.

    A file that is not there is empty. Raises OutputError for one that cannot be read or written, or is something else.
    """

    def __init__(self, path: Path, age: float, now: datetime) -> None:
        self._path = path
        self._now = now
        self._answers: dict[str, tuple[int, str]] = {}
        try:
            text = path.read_text("utf-8")
        except FileNotFoundError:
            return
        except (OSError, UnicodeDecodeError) as error:
            raise OutputError(f"cannot read {path}", str(error), "--cache another-file") from error
        oldest = utc_text(now.astimezone(UTC) - timedelta(seconds=age))
        newest = utc_text(now.astimezone(UTC))
        try:
            stored = json.loads(text)
            answers = (
                {url: (int(status), str(at)) for url, (status, at) in stored["answers"].items()} if stored["version"] == _VERSION else {}
            )
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise OutputError(f"{path} is no cache of answers", "crawler check has not written it", "--cache another-file") from error
        # An answer from the future is of a clock that was wrong.
        self._answers = {url: answer for url, answer in answers.items() if oldest < answer[1] <= newest}

    def spare(self, url: str) -> str | None:
        """Why a URL need not be asked; None when it has to be."""
        answer = self._answers.get(url)
        return None if answer is None else f"{CACHED}: {answer[0]} at {answer[1]}"

    def save(self, good: Mapping[str, int]) -> None:
        """Writes what was good now, and what still counts; whole at every moment."""
        at = utc_text(self._now.astimezone(UTC))
        answers = self._answers | {url: (status, at) for url, status in good.items()}
        part = self._path.with_name(f".{self._path.name}.part")
        try:
            part.write_text(as_json({"version": _VERSION, "answers": dict(sorted(answers.items()))}, indent=1) + "\n", "utf-8")
            part.replace(self._path)
        except OSError as error:
            part.unlink(missing_ok=True)
            raise OutputError(f"cannot write {self._path}", str(error.strerror), "--cache another-file") from error

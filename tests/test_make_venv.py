"""Setting up .venv, with a Python and a pip that only write down what they are asked to do."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PYTHON = """#!/bin/sh
case "$*" in
  "-m venv .venv") echo made >>log; mkdir -p .venv/bin; cp "$0" .venv/bin/python ;;
  "-m pip install "*) echo installing >>log; cat go >/dev/null; echo installed >>log ;;
  "-c import sys; print"*) echo 3.11 ;;
esac
"""


@pytest.mark.skipif(shutil.which("flock") is None, reason="there is no flock here")
def test_of_two_that_set_up_the_second_waits(tmp_path: Path) -> None:
    """It says so, removes nothing of what the first one is about to use, and has nothing left to do."""
    (tmp_path / "python").write_text(PYTHON)
    (tmp_path / "python").chmod(0o755)
    (tmp_path / "pyproject.toml").touch()
    os.mkfifo(tmp_path / "go")
    command = [ROOT / ".ci/make-venv", "./python", "dev"]
    first = subprocess.Popen(command, cwd=tmp_path, stderr=subprocess.DEVNULL)
    with (tmp_path / "go").open("w"):  # which opens once the first one installs, and lets it go on when it is closed
        second = subprocess.Popen([*command[:2], "runtime"], cwd=tmp_path, stderr=subprocess.PIPE, text=True)
        assert second.stderr is not None
        assert second.stderr.readline() == "Waiting until another make has set up .venv ...\n"
        assert (tmp_path / ".venv/bin/python").exists()
    said = second.communicate(timeout=60)[1]
    assert (first.wait(60), second.returncode, said) == (0, 0, "")
    assert (tmp_path / "log").read_text().split() == ["made", "installing", "installed"]

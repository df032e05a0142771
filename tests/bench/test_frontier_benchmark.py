"""The benchmark of the frontier takes out what it put in."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = Path(__file__).resolve().parent.parent.parent / "benchmarks" / "frontier.py"


@pytest.mark.skipif(not PROGRAM.exists(), reason="needs benchmarks/")
@pytest.mark.parametrize(("limit", "status"), [("2GB", 0), ("1MB", 1)])
def test_all_that_goes_in_comes_out(tmp_path: Path, limit: str, status: int) -> None:
    """Every URL once, and more memory than allowed is a failure."""
    command = [sys.executable, str(PROGRAM), "--urls=1500", "--hosts=7", "--batch=100", f"--most-memory={limit}", f"--scratch={tmp_path}"]
    environment = {"PYTHONPATH": str(PROGRAM.parent.parent)}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == status, done.stderr
    assert "out of it came 1,500: queue empty" in done.stdout

"""What an installation promises before anything is crawled."""

import importlib.metadata
import shutil
import subprocess
import sysconfig
import tomllib
from pathlib import Path

PYPROJECT = Path(__file__).parent.parent / "pyproject.toml"


def test_the_installed_command_prints_the_version_of_the_distribution() -> None:
    command = shutil.which("crawler", path=sysconfig.get_path("scripts"))
    assert command is not None
    printed = subprocess.run([command, "--version"], capture_output=True, text=True, check=True).stdout.split()[-1]
    assert printed == tomllib.loads(PYPROJECT.read_text("utf-8"))["project"]["version"]
    assert printed == importlib.metadata.version("asyncrawl")

"""The `crawler` command. `--version` answers before anything is loaded."""

import sys

from crawler import __version__


def main() -> int:
    """Runs the command line and returns its exit code."""
    if sys.argv[1:] in (["--version"], ["-V"]):
        print(f"crawler {__version__}")
        return 0
    from crawler.cli.main import main as run

    return run(sys.argv[1:])


if __name__ == "__main__":
    sys.exit(main())

"""The `crawler` command."""

import sys

from crawler import __version__


def main() -> int:
    if sys.argv[1:] == ["--version"]:
        print(f"crawler {__version__}")
        return 0
    print("usage: crawler --version", file=sys.stderr)
    return 2


if __name__ == "__main__":
    sys.exit(main())

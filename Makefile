# `make` lists the verbs. Needs Python 3.11 with pip, and make; everything else goes into .venv.
PYTHON ?= python3
# Set when .venv is missing, half-made or moved here from elsewhere: then it is made again.
BROKEN := $(shell .ci/make-venv check || echo FORCE)

.PHONY: help setup crawl test torture fuzz check bench docs FORCE
# Two verbs at once would install into one .venv.
.NOTPARALLEL:

help:
	@echo "make setup             makes .venv with everything for working on the code (PYTHON=python3.12 chooses its Python)"
	@echo "make crawl URL=https://example.com/ ARGS='--max-pages 100'"
	@echo "                       crawls a site; without URL it crawls the built-in demo site on this machine"
	@echo "make test              runs the tests (ARGS='-k robots' is passed to pytest)"
	@echo "make torture           kills, faults and limits at length, with a table of every figure (ARGS='--seed 7')"
	@echo "make fuzz              invents URLs, pages, robots.txt and sitemaps for ten minutes (MINUTES=60), to find one that breaks a parser"
	@echo "make check             lints, checks the format and the types"
	@echo "make bench             measures: one request at a time against many, us against others, slow answers; in three minutes"
	@echo "make docs              writes the generated pages of the documentation again"

setup: .venv/.dev

# Through the environment, so that no character of it means anything to the shell.
export URL

# What is printed to be typed next is called as it can be typed here. When a crawl fails, make adds a line with its exit code.
crawl: .venv/.runtime
	@CRAWLER_COMMAND=.venv/bin/crawler .venv/bin/crawler $(if $(URL),crawl "$$URL",demo --crawl) $(ARGS)

# At once as many tests as there are cores and one more, for some of them wait; six are enough.
test: .venv/.dev
	.venv/bin/python -m pytest -n $$(.venv/bin/python -c 'import os; print(min(6, 1 + (os.cpu_count() or 1)))') $(ARGS)

torture: .venv/.dev
	.venv/bin/python -m pytest tests/torture --torture $(ARGS)

MINUTES ?= 10
fuzz: .venv/.dev
	.venv/bin/python -m pytest tests/fuzz --fuzz-minutes $(MINUTES) $(ARGS)

check: .venv/.dev
	.venv/bin/ruff check .
	.venv/bin/ruff format --check .
	.venv/bin/mypy
	$(if $(wildcard crawler/cli/reference.py),.venv/bin/python -m crawler.cli.reference --check)

bench: .venv/.runtime
	@.venv/bin/crawler bench --pages 100 --repeat 3 $(ARGS)
	@echo && .venv/bin/python benchmarks/latency.py fixed --repeat 2
	@echo && .venv/bin/python benchmarks/run.py standard:1000 crawler wget2 wget httrack floor floor-lexbor --repeat 2

docs: .venv/.runtime
	.venv/bin/python -m crawler.cli.reference

# Each is a stamp that stands only while .venv is whole.
.venv/.runtime .venv/.dev: pyproject.toml $(BROKEN)
	@.ci/make-venv $(PYTHON) $(@:.venv/.%=%)

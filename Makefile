# Everything that this project does to itself, from nothing but a Python >= 3.10.

PYTHON ?= python3
CACHE := .cache

version := $(shell $(PYTHON) -c 'import sys; print("%d.%d" % sys.version_info[:2])')
venv := $(CACHE)/venv-$(version)
bin := $(CURDIR)/$(venv)/bin
ready := $(venv)/ready
made := $(venv)/made
native := setup.py $(wildcard migrate/*/native/*)
trial := $(bin)/python -m twisted.trial --temp-directory=$(CACHE)/trial

TESTS ?= tests
# What is run once more with nothing compiled.
PLAIN_TESTS ?= $(if $(filter tests,$(TESTS)),tests.test_ahead tests.test_pickling tests.test_telnet_shell \
    $(subst /,.,$(basename $(wildcard tests/test_graph_*.py tests/test_adapters*.py))))
# How many tests run at a time.
JOBS ?= $(shell nproc 2>/dev/null || echo 1)
jobs := $(if $(filter-out 1,$(JOBS)),-j$(JOBS))
REACTORS ?= epoll poll select asyncio
# What meets a reactor, or processes that have one; they run under the same one.
# Left out is what takes long and hardly depends on it: REACTOR_TESTS=tests has all.
# Of the services that are moved, those whose descriptors are no sockets are in.
REACTOR_TESTS ?= $(shell grep -lE 'reactor|tests\.(processes|shells)' tests/test_*.py \
    | grep -vE 'packaging|layers|pythons|hangs|crashes|chat|endurance|soak|resources|definitions|graph|documents|test_services|claims|types|benchmarks|independent|progress|intruders|middleman|warmth|questions|manager|reexec|audio|supervis|systemd|activation|gradual|operator|history|hostile|migration' \
    | sed 's,/,.,; s,\.py$$,,') \
    $(addprefix tests.test_services_,children devices stdio)

# How long a soak takes, and how many people talk meanwhile.
SECONDS ?= 600
PEOPLE ?= 200

.PHONY: help test test-reactors coverage soak demo audio fuzz bench lint types changelog pythons clean

help:
	@echo "make demo            move a telnet session to another process, and look on"
	@echo "make test            the whole suite (TESTS=tests.test_wire for a part, JOBS=1"
	@echo "                     for one test at a time)"
	@echo "make test-reactors   what meets the reactor, under: $(REACTORS)"
	@echo "make coverage        the whole suite, and which branches it took"
	@echo "make audio           a radio station, restarted and moved, drawn in .cache (lame)"
	@echo "make soak            move a chat to and fro for SECONDS=$(SECONDS) while people talk"
	@echo "make fuzz            frames, records and tables of chance, for SECONDS=$(SECONDS)"
	@echo "make bench           what a migration costs, and what it costs while there is none"
	@echo "make lint types      the checks that look at the source only"
	@echo "make clean           remove all that was made"
	@echo "PYTHON=python3.12 ... with another Python than $(PYTHON)"

# Installed anew whenever what it is made from changes.
$(made): pyproject.toml
	@$(PYTHON) -c 'import sys; sys.version_info >= (3, 10) or sys.exit("Python >= 3.10 is needed: make PYTHON=...")'
	rm -rf $(venv)
	$(PYTHON) -m venv $(venv)
	$(bin)/python -m pip install --quiet --editable ".[conch,dev]"
	touch $@

# Where there is no compiler, plain Python does what would be compiled.
$(ready): $(made) $(native)
	$(bin)/python -m pip install --quiet --no-deps --editable .
	touch $@

# A virtual environment of every other Python here: services move between them.
pythons: $(ready)
	$(bin)/python -m tests.pythons

test: pythons
	$(trial) $(jobs) $(TESTS)
	$(if $(PLAIN_TESTS),TXMIGRATE_PLAIN=1 $(trial) $(jobs) $(PLAIN_TESTS))

# The workers of trial do not live long on the asyncio reactor: there, as many trials
# run at a time, with a few modules each.
test-reactors: pythons
	status=0; for reactor in $(REACTORS); do \
	    echo "== $$reactor"; \
	    if test $$reactor = asyncio; then \
	        rm -rf $(CACHE)/trials; mkdir -p $(CACHE)/trials; \
	        echo $(REACTOR_TESTS) | xargs -n 4 -P $(JOBS) sh -c '$(bin)/python -m twisted.trial \
	            --temp-directory=$(CACHE)/trials/$$$$ --reactor=asyncio "$$@"' sh; \
	    else \
	        $(trial) --reactor=$$reactor $(jobs) $(REACTOR_TESTS); \
	    fi || status=1; \
	done; exit $$status

coverage: pythons
	rm -rf $(CACHE)/coverage
	mkdir -p $(CACHE)/coverage
	status=0; \
	$(bin)/python -m coverage run -m twisted.trial --temp-directory=$(CACHE)/trial $(TESTS) || status=1; \
	$(bin)/python -m coverage combine --quiet && $(bin)/python -m coverage report || status=1; \
	exit $$status

soak: $(ready)
	$(bin)/python -m tests.soak $(SECONDS) --people $(PEOPLE)

demo: pythons
	$(bin)/python examples/telnet_shell/demo.py --python $(bin)/python \
	    $$($(bin)/python -m tests.pythons --other | sed 's/^/--other-python /')

audio: $(ready)
	$(bin)/python -m pip install --quiet --editable ".[bench]"
	$(bin)/python -m examples.audio_stream.compare --plot $(CACHE)/audio.png

fuzz: $(ready)
	$(bin)/python -m fuzz $(SECONDS)

bench: $(ready)
	$(bin)/python -m pip install --quiet --editable ".[bench]"
	$(bin)/python -m benchmarks --json $(CACHE)/bench.json --plot $(CACHE)/bench.png $(BENCH)

lint: $(ready)
	$(bin)/ruff check .
	$(bin)/ruff format --check .

types: $(ready)
	$(bin)/mypy

changelog: $(ready)
	$(bin)/towncrier build --draft

clean:
	rm -rf $(CACHE) build dist *.egg-info .mypy_cache .ruff_cache .hypothesis _trial_temp*
	find . -name __pycache__ -prune -exec rm -rf {} +
	rm -f twisted/plugins/dropin.cache

# Every target does all its set-up on a machine that has Python 3.11 or newer and nothing else.

# Compiled modules are kept: a command that compiles its libraries anew takes seconds to start.
unexport PYTHONDONTWRITEBYTECODE

VENV    := .venv
BIN     := $(VENV)/bin
PEOPLE  ?= 2000
SEED    ?= 1
WORKERS ?= 3
AIRFLOW := .venv-airflow
PORT    ?= 8088
PORTAL  ?= 8443
CHECKS  := lint format types imports tests
PIP     := $(BIN)/python -m pip --disable-pip-version-check --quiet --quiet

# python3 first, because it is what the user's machine means by Python; then the newer names.
PYTHON ?= $(shell for p in python3 python3.13 python3.12 python3.11 python3.14 python; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$p && break; done)

.PHONY: help setup demo serve test test-spark test-gx java airflow airflow-watch airflow-stop test-airflow check-lint check-format check-types check-imports check-tests browser bench picture lock stop clean
.DEFAULT_GOAL := help

help:
	@echo "make demo    forty stand-in systems, the whole road, report.html   (PEOPLE=2000 SEED=1)"
	@echo "make serve   the portal with the stand-ins and one account for each role   (PEOPLE=2000 PORTAL=8443)"
	@echo "make test    lint, format, types, import contracts, all tests"
	@echo "make test-spark  the linkage on Spark (installs PySpark; needs Java 17)"
	@echo "make test-gx the rules in Great Expectations beside the SQL (installs it)"
	@echo "make airflow the DAGs in a whole Airflow on this machine, with the stand-ins   (PEOPLE=2000 SEED=1 PORT=8088)"
	@echo "make airflow-watch   what Airflow is doing, line by line"
	@echo "make test-airflow    the DAGs: import, the full cycle, failures (installs Airflow into $(AIRFLOW))"
	@echo "make bench   the benchmarks (minutes; needs about 3 GB of memory)"
	@echo "make stop    stop what 'make demo' left running"
	@echo "make lock    pin the dependencies again (needs uv)"
	@echo "make clean   stop everything, remove the environment and what was generated"

$(BIN)/python:
	@if [ -z "$(PYTHON)" ]; then echo "onefact needs Python 3.11 or newer, and none was found. Install it, or name it: make PYTHON=/path/to/python3.11 $(MAKECMDGOALS)" >&2; exit 1; fi
	@echo "Making $(VENV) with $$($(PYTHON) --version) ..."
	@$(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); echo "Python could not make a virtual environment. On Debian or Ubuntu: apt-get install python3-venv" >&2; exit 1; }

# A stamp is newer than the files it was made from, so installing happens once.
$(VENV)/.run: requirements.txt pyproject.toml | $(BIN)/python
	@echo "Installing the libraries ..."
	@$(PIP) install --no-compile -r requirements.txt
	@$(PIP) install --no-deps -e .
	@touch $@

$(VENV)/.dev: requirements-dev.txt $(VENV)/.run
	@echo "Installing the libraries for the tests ..."
	@$(PIP) install --no-compile -r requirements-dev.txt
	@touch $@

setup: $(VENV)/.run

demo: $(VENV)/.run
	@$(BIN)/onefact demo --people $(PEOPLE) --seed $(SEED)

serve: $(VENV)/.run
	@$(BIN)/onefact serve --demo --people $(PEOPLE) --port $(PORTAL)

# Every check runs, also after one has failed; the summary says which failed.
test: $(VENV)/.dev browser
	@failed=""; report=""; \
	for check in $(CHECKS); do \
		echo "── $$check"; began=$$(date +%s); \
		if $(MAKE) --no-print-directory check-$$check; then state=passed; else state=FAILED; failed="$$failed $$check"; fi; \
		report="$$report$$(printf '%-8s %-7s %4s s' $$check $$state $$(( $$(date +%s) - began )))\n"; \
	done; \
	printf "\n$$report"; \
	if [ -n "$$failed" ]; then echo "FAILED:$$failed"; exit 1; else echo "All checks passed."; fi

# PySpark is an extra: its tests set it up for themselves, and Java beside it.
$(VENV)/.spark: requirements-spark.txt $(VENV)/.dev
	@echo "Installing PySpark ..."
	@$(PIP) install --no-compile -r requirements-spark.txt
	@touch $@

test-spark: $(VENV)/.spark java
	@$(BIN)/python -m pytest -rs tests/spark

# Great Expectations is an extra too: the rules run without it.
$(VENV)/.gx: requirements-gx.txt $(VENV)/.dev
	@echo "Installing Great Expectations ..."
	@$(PIP) install --no-compile -r requirements-gx.txt
	@touch $@

test-gx: $(VENV)/.gx
	@$(BIN)/python -m pytest -rs tests/gx

# Airflow holds other libraries back: it has an environment of its own, with onefact in it at the same pins.
$(AIRFLOW)/bin/python: | $(BIN)/python
	@$(BIN)/python -m venv $(AIRFLOW)

$(AIRFLOW)/.done: requirements-airflow.txt pyproject.toml | $(AIRFLOW)/bin/python
	@echo "Installing Airflow into $(AIRFLOW) ..."
	@$(AIRFLOW)/bin/python -m pip --disable-pip-version-check --quiet --quiet install --no-compile -r requirements-airflow.txt
	@$(AIRFLOW)/bin/python -m pip --disable-pip-version-check --quiet --quiet install --no-deps -e .
	@touch $@

airflow: $(AIRFLOW)/.done
	@$(AIRFLOW)/bin/python -m dags.start up --people $(PEOPLE) --seed $(SEED) --port $(PORT)

airflow-watch: $(AIRFLOW)/.done
	@$(AIRFLOW)/bin/python -m dags.start watch

airflow-stop:
	@if [ -x $(AIRFLOW)/bin/python ] && [ -d .onefact/airflow ]; then $(AIRFLOW)/bin/python -m dags.start down; fi

test-airflow: $(AIRFLOW)/.done
	@$(AIRFLOW)/bin/python -m pytest -rs tests/dags

java:
	@if command -v java >/dev/null; then :; \
	elif [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then \
		echo "Installing Java 17 for the Spark tests ..."; \
		{ apt-get -qq update && DEBIAN_FRONTEND=noninteractive apt-get -qq install -y --no-install-recommends openjdk-17-jre-headless; } >/dev/null 2>&1 \
		|| { echo "Java 17 could not be installed; the Spark tests need it." >&2; exit 1; }; \
	else echo "The Spark tests need Java 17 or newer: install openjdk-17-jre-headless, or name a Java in JAVA_HOME." >&2; exit 1; fi

check-lint:    ; @$(BIN)/ruff check .
check-format:  ; @$(BIN)/ruff format --check .
check-types:   ; @$(BIN)/mypy
check-imports: ; @$(BIN)/lint-imports --no-cache
# Spark, Great Expectations and Airflow set themselves up: make test-spark, test-gx, test-airflow.
check-tests:   ; @$(BIN)/python -m pytest -rs -n $(WORKERS) --dist loadfile --ignore=tests/spark --ignore=tests/gx --ignore=tests/dags

# The report is opened in a real Chromium; without one those tests are skipped, and this says so.
browser:
	@if { command -v chromium || command -v chromium-browser || command -v google-chrome; } >/dev/null; then :; \
	elif [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then \
		echo "Installing Chromium for the browser tests ..."; \
		{ apt-get -qq update && DEBIAN_FRONTEND=noninteractive apt-get -qq install -y --no-install-recommends chromium fonts-noto-cjk; } >/dev/null 2>&1 \
		|| echo "!! Chromium could not be installed: THE BROWSER TESTS WILL BE SKIPPED." >&2; \
	else echo "!! No Chromium on this machine: THE BROWSER TESTS WILL BE SKIPPED. Install the package chromium to run them." >&2; fi

# As modules: beside a script, benchmarks/linkage.py would stand for the package linkage.
BENCHES := address_compare address_link organisations linkage febrl hints road quality sealed bulk

bench: $(VENV)/.dev
	@for name in $(BENCHES); do echo "── $$name"; $(BIN)/python -m benchmarks.$$name || exit 1; done

# The picture in the README: the first screen of the last demo's report, as a browser shows it.
picture: report.html browser
	@mkdir -p docs/img; profile=$$(mktemp -d); \
	$$(command -v chromium || command -v chromium-browser || command -v google-chrome) --headless --no-sandbox --disable-gpu --disable-quic \
		--no-first-run --disable-background-networking --disable-component-update --disable-sync --hide-scrollbars \
		--user-data-dir=$$profile --window-size=1280,1000 --screenshot=docs/img/report.png file://$(CURDIR)/report.html 2>/dev/null; \
	rm -rf $$profile; ls -l docs/img/report.png

report.html:
	@echo "There is no report.html yet: make demo" >&2; exit 1

lock:
	@command -v uv >/dev/null 2>&1 || { echo "make lock needs uv on PATH (pip install uv)." >&2; exit 1; }
	uv pip compile --quiet --upgrade --no-header --no-annotate --no-emit-index-url --python-version 3.11 requirements.in -o requirements.txt
	uv pip compile --quiet --upgrade --no-header --no-annotate --no-emit-index-url --python-version 3.11 requirements-dev.in -o requirements-dev.txt
	uv pip compile --quiet --upgrade --no-header --no-annotate --no-emit-index-url --python-version 3.11 requirements-spark.in -o requirements-spark.txt
	uv pip compile --quiet --upgrade --no-header --no-annotate --no-emit-index-url --python-version 3.11 requirements-gx.in -o requirements-gx.txt
	uv pip compile --quiet --upgrade --no-header --no-annotate --no-emit-index-url --python-version 3.11 requirements-airflow.in -o requirements-airflow.txt

stop: airflow-stop
	@if [ -x $(BIN)/onefact ] && [ -d .onefact ]; then $(BIN)/onefact stop; else echo "Nothing to stop."; fi

clean: stop
	rm -rf $(VENV) $(AIRFLOW) .onefact report.html build *.egg-info .mypy_cache .ruff_cache .import_linter_cache .hypothesis .pytest_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# SPDX-License-Identifier: Apache-2.0
# make run    a demonstration workplace in demo/, served; PORT_OFFSET=30000 moves all its ports
# make test   the whole test suite          make check  format, lint, types, generated files
# make bench  the load drivers, one table   make docs   what is generated: etc/armgs.toml, docs/doap.xml
# make venv   only .venv, with the command armgs in .venv/bin
# make deb    dist/armgs_VERSION_ARCH.deb, with all it needs inside; make check-deb tries it in a chroot (root)
# make cluster  three hosts on this machine over PostgreSQL, NATS and S3, with the demonstration workplace
# Everything runs from .venv, which is built from the lock files (hashes checked) and is rebuilt when they
# change. Needs Python 3.11 or later with venv (PYTHON=python3.12 chooses one) and nothing else; no root.

PYTHON ?= python3
PORT_OFFSET ?= 20000
DEMO ?= demo
PYTEST_ARGS ?=

BIN := .venv/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --no-input install --quiet --require-hashes

.PHONY: venv run test drills check bench cluster docs deb check-deb clean
.DELETE_ON_ERROR:

venv: .venv/runtime.stamp

run: .venv/runtime.stamp
	@$(BIN)/python -m armgs_server demo $(DEMO) --port-offset $(PORT_OFFSET) --serve

test: .venv/dev.stamp
	$(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder $(PYTEST_ARGS)

drills: .venv/dev.stamp
	$(BIN)/python -m pytest -m drill $(PYTEST_ARGS) tests/peers

check: .venv/dev.stamp
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	@$(BIN)/python -m armgs_server config describe | diff -u etc/armgs.toml - \
	  || { echo "etc/armgs.toml is not what the settings describe: run 'make docs' and commit it" >&2; exit 1; }

bench: .venv/dev.stamp
	@$(BIN)/python -m bench

cluster: .venv/dev.stamp
	@$(BIN)/python -m tests.cluster $(PORT_OFFSET)

docs: .venv/runtime.stamp
	@$(BIN)/python -m armgs_server config describe > etc/armgs.toml.new
	@mv etc/armgs.toml.new etc/armgs.toml
	@$(BIN)/python docs/doap.py > docs/doap.xml.new
	@mv docs/doap.xml.new docs/doap.xml

deb: .venv/runtime.stamp
	@PYTHON=$(BIN)/python packaging/build-deb dist build/wheelhouse

check-deb: deb
	@packaging/check-deb dist/armgs_*.deb

clean:
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .hypothesis build dist

# A virtual environment alone, with the command armgs that finds this checkout.
.venv/python.stamp:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null \
	  || { echo "Python 3.11 or later is needed; '$(PYTHON)' is $$($(PYTHON) --version 2>/dev/null || echo missing)." >&2; \
	       echo "Install it (Debian 12 or later: apt install python3 python3-venv) or say PYTHON=/path/to/python3." >&2; exit 1; }
	@$(PYTHON) -c 'import venv, ensurepip' 2>/dev/null \
	  || { echo "'$(PYTHON)' cannot make virtual environments: the modules venv or ensurepip are missing." >&2; \
	       echo "On Debian and Ubuntu: apt install python3-venv" >&2; exit 1; }
	@echo "Building .venv with $$($(PYTHON) --version)"
	@$(PYTHON) -m venv .venv
	@printf '#!/bin/sh\nPYTHONPATH="%s$${PYTHONPATH:+:$$PYTHONPATH}" exec "%s/.venv/bin/python" -m armgs_server "$$@"\n' \
	  "$(CURDIR)" "$(CURDIR)" > $(BIN)/armgs
	@chmod +x $(BIN)/armgs
	@touch $@

.venv/runtime.stamp: requirements.lock | .venv/python.stamp
	@echo "Installing $<"
	@$(PIP) -r $<
	@touch $@

.venv/dev.stamp: requirements-dev.lock | .venv/runtime.stamp
	@echo "Installing $<"
	@$(PIP) -r $<
	@touch $@

# Everything here needs only python3 (3.11 or newer) and make, and sets itself up.

PYTHON ?= python3
BIN := .venv/bin

.PHONY: hello run approval media nightly saga anywhere docs picture test test-fast test-faults test-package lint types format clean

# The smallest program: two tasks, one after the other.
hello: .venv/.ready
	$(BIN)/python -m examples.hello

# Ten orders through a shop, live in the terminal.
run: .venv/.ready
	$(BIN)/python -m examples.orders

# Orders over HTTP that wait for somebody's approval; prints what to try.
approval: .venv/.ready
	$(BIN)/python -m examples.approval

# A film in five renditions, with progress and a coder that stands still.
media: .venv/.ready
	$(BIN)/python -m examples.media

# Ten thousand accounts through a distributed Map.
nightly: .venv/.ready
	$(BIN)/python -m examples.nightly

# Trips that are booked in three places, or in none.
saga: .venv/.ready
	$(BIN)/python -m examples.saga

# In memory, in a file or on AWS, as AIOWFM_* variables say.
anywhere: .venv/.ready
	$(BIN)/python -m examples.anywhere

# The documentation as a site, in build/site; a warning is an error.
docs: .venv-docs/.ready
	NO_MKDOCS_2_WARNING=1 .venv-docs/bin/mkdocs build --strict

# The picture of the README, made anew.
picture: .venv/.ready
	$(BIN)/python -m docs.picture

test: .venv/.ready .venv-aws/.ready .venv-awscli/.ready lint types
	$(BIN)/pytest --numprocesses 4 --dist worksteal

test-fast: .venv/.ready
	$(BIN)/pytest -m "not aws and not slow"

# Thousands of workflows while requests fail and workers are killed; says how it went.
test-faults: .venv/.ready .venv-aws/.ready
	AIOWFM_FAULT_WORKFLOWS=2000 AIOWFM_FAULT_CALLBACKS=1000 $(BIN)/pytest -s -m "slow" tests/faults

# The wheel in new environments, with the newest and the oldest dependencies; downloads them.
test-package: .venv/.ready .venv-package/.ready
	$(BIN)/pytest -m "long" tests/package

lint: .venv/.ready
	$(BIN)/ruff check
	$(BIN)/ruff format --check

types: .venv/.ready
	$(BIN)/mypy

format: .venv/.ready
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

clean:
	rm -rf .venv .venv-aws .venv-awscli .venv-docs .venv-package build .mypy_cache .pytest_cache .ruff_cache

.venv/.ready: pyproject.toml requirements/dev.txt
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --requirement requirements/dev.txt
	$(BIN)/pip install --quiet --no-deps --editable .
	touch $@

# The AWS emulators of the tests need another botocore, so they live apart.
.venv-aws/.ready: requirements/aws.txt
	$(PYTHON) -m venv .venv-aws
	.venv-aws/bin/pip install --quiet --requirement requirements/aws.txt
	touch $@

# So does the AWS CLI, which walks through the server.
.venv-awscli/.ready: requirements/awscli.txt
	$(PYTHON) -m venv .venv-awscli
	.venv-awscli/bin/pip install --quiet --requirement requirements/awscli.txt
	touch $@

# The documentation's tools have nothing to do with what they document.
.venv-docs/.ready: requirements/docs.txt
	$(PYTHON) -m venv .venv-docs
	.venv-docs/bin/pip install --quiet --requirement requirements/docs.txt
	touch $@

# Only tests of the package install packages.
.venv-package/.ready: requirements/package.txt
	$(PYTHON) -m venv .venv-package
	.venv-package/bin/pip install --quiet --requirement requirements/package.txt
	touch $@

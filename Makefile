# Two commands: `make demo` runs the main job, `make test` proves it. Both set up what they need first,
# say what they do, and are safe to run again.

CARGO ?= cargo
PROFILE_DIR := $(or $(CARGO_TARGET_DIR),target)/debug

.PHONY: book demo test test-long check build program samples guests setup regen bench bench-http bench-neighbours

demo: program samples
	$(PROFILE_DIR)/applet demo

test: build guests
	host/with-postgres.sh $(CARGO) test-all
	cd sdk/rust && $(CARGO) test --quiet
	cd sdk/python && PYTHONPATH=src python3 -B -m unittest discover --start-directory tests

# The same tests with the generators turned up: hours. Each count may be set by hand.
test-long: build guests
	APPLET_LONG=1 GATE_STATEMENTS=$(or $(GATE_STATEMENTS),1000000) TWIN_STATEMENTS=$(or $(TWIN_STATEMENTS),50000) \
	TWIN_EFFECTS=$(or $(TWIN_EFFECTS),2500) APPLET_TEST_DROPS=$(or $(APPLET_TEST_DROPS),5000) \
	PROPTEST_CASES=$(or $(PROPTEST_CASES),20000) \
	host/with-postgres.sh $(CARGO) test-all --profile long

check: setup
	$(CARGO) fmt --all --check
	$(CARGO) clippy --workspace --all-targets --quiet -- -D warnings
	host/deny.sh

build: setup
	$(CARGO) build --workspace --all-targets --quiet

# What the demo needs, without the tests.
program: setup
	$(CARGO) build --workspace --bins --quiet

samples: setup
	tests/guests/build.sh sample-applets

guests: setup
	tests/guests/build.sh

setup:
	@host/setup.sh

# The book as HTML, in target/book.
book:
	host/docs/build-book.sh $(or $(CARGO_TARGET_DIR),$(CURDIR)/target)/book

regen: build
	UPDATE_GOLDEN=1 host/with-postgres.sh $(CARGO) test-all

# Server and program on one core: whether they share one decides more than anything that is measured.
bench: setup guests
	$(CARGO) build --release --workspace --bins
	taskset -c 0 host/with-postgres.sh $(CARGO) bench --workspace --bench in_process

bench-http: setup guests
	$(CARGO) build --release --workspace --bins
	tests/bench/http.sh

# A quiet applet alone and beside eight that flood, loop, hog memory and hold transactions.
bench-neighbours: setup guests
	$(CARGO) build --release --workspace --bins
	APPLET_BIN=$(or $(CARGO_TARGET_DIR),$(CURDIR)/target)/release/applet NEIGHBOUR_CALLS=$(or $(NEIGHBOUR_CALLS),1000) \
	host/with-postgres.sh $(CARGO) nextest run --workspace --test neighbours --no-capture

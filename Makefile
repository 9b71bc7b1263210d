# What a person does with this repository; the work is in scripts/.
# FPDM_MARCH=x86-64-v3 make build: for another processor than this one (see Package.swift).

SHELL := bash
PROGRAM := .build/release/fpdm
SOURCES := Sources Tests Package.swift
# Reference cases to check this build against; the layout is described beside them.
CASES ?= $(sort $(wildcard Tests/reference/*.h5 Tests/reference/vae-*/case.h5))

# What the program tells as its source's revision; nothing where there is no git.
export FPDM_REVISION ?= $(shell git describe --always --dirty=+ --abbrev=12 2>/dev/null)

# Open MPI refuses to run as root, the only user in many containers, unless told twice.
ifeq ($(shell id -u),0)
export OMPI_ALLOW_RUN_AS_ROOT := 1
export OMPI_ALLOW_RUN_AS_ROOT_CONFIRM := 1
endif

.DEFAULT_GOAL := help
.PHONY: help setup build demo fashion test test-long faults chaos format lint selfcheck peers bench compare clean

help: ## list the targets
	@sed -n 's/^\([a-z-]*\):[^#]*## \(.*\)/\1|\2/p' $(MAKEFILE_LIST) | while IFS='|' read -r name text; do \
		printf '  make %-10s %s\n' "$$name" "$$text"; done

setup: ## install the packages that building needs (Debian 12; asks for sudo where not root)
	@scripts/setup

build: ## build the program for release: .build/release/fpdm
	swift build -c release

demo: ## set up, build, train on the digits with 2 ranks, draw 500 of them, say how good they are
	@scripts/setup
	swift build -c release
	@scripts/demo

fashion: ## set up, build, train on 60,000 photographs of clothes with 2 ranks, draw 1,000, say how good they are
	@scripts/setup --fashion
	swift build -c release
	@scripts/fashion

test: ## set up, build, and run every test; ends with N passed, N failed
	@scripts/setup --tests
	@swift package resolve
	@# The tests' own build beside it, for neither keeps two cores busy. What it has to say is said again by scripts/test.
	@swift test list -c release --scratch-path .build/tests >/dev/null 2>&1 & tests=$$!; \
		trap 'kill $$tests 2>/dev/null; exit 130' INT TERM; \
		swift build -c release; code=$$?; wait; exit $$code
	@scripts/test

test-long: ## run the tests that take long: the digits at every number of ranks, kills without end, Slurm, MPICH
	@scripts/setup --long-tests
	swift build -c release
	@scripts/test --long

faults: ## kill, flip, cut and fill disks many times over, and print the counts (docs/reliability.md)
	@scripts/setup --tests
	swift build -c release
	@scripts/test --faults

chaos: ## one run through time limit, requeue, kills, a full disk and 1, 3, 2, 5 ranks, on a Slurm of this machine
	@scripts/setup --tests
	swift build -c release
	@scripts/test --only Tests/long/chaos.test

format: ## put all Swift sources into the project's format
	swift format --in-place --parallel --recursive $(SOURCES)

lint: ## check the format, strictly
	swift format lint --strict --parallel --recursive $(SOURCES)

selfcheck: build ## put the reference cases to this build on this machine
	$(PROGRAM) selfcheck $(CASES)

peers: build ## install PyTorch (some GB), and compare networks with it both ways
	@scripts/setup --peers
	@scripts/peers

bench: build ## measure the kernels on this machine
	$(PROGRAM) bench kernels

compare: build ## install PyTorch (some GB), and measure steps and sampling beside it: about an hour
	@scripts/setup --peers
	@benchmarks/compare.sh

clean: ## remove everything that was built
	rm -rf .build

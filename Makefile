# SPDX-License-Identifier: Apache-2.0
# The front door over Meson. Every target first installs what it needs (tools/setup); each is a thin
# call of a script in tools/ that can be called by hand as well.
.PHONY: help build run test test-sanitize test-deploy check format docs analyze fuzz soak coverage bench dist clean
.NOTPARALLEL:

help:
	@echo 'make run             build and serve on 127.0.0.1 and ::1, ports 3000 and 3001, data in ./data'
	@echo 'make build           build/tocsin'
	@echo 'make test            unit, contract and scenario tests'
	@echo 'make test-sanitize   the same under the address and undefined, then the thread sanitizer'
	@echo 'make test-deploy     the package and the container in a bare Debian; needs root, slow the first time'
	@echo 'make check           format, warnings, layers, sizes, banned things, fresh docs, scripts, unit, alerts'
	@echo 'make format docs     put right what check complains about'
	@echo 'make coverage        lines run by the tests, by folder, with floors'
	@echo 'make analyze         paths that the static analyzer finds; slow the first time'
	@echo 'make fuzz            every fuzz driver for FUZZ_SECONDS=60'
	@echo 'make soak            the tests again and again for SOAK_SECONDS=1800'
	@echo 'make bench           figures against the peer'
	@echo 'make dist            a Debian package, the sources and the JavaScript client, in dist/'
	@echo 'make clean           remove what was built; ./data stays'

build:
	@tools/setup run
	@tools/build build

run: build
	@tools/run

test:
	@tools/setup run test
	@tools/test

test-sanitize:
	@tools/setup run test
	@tools/test --sanitize address,undefined
	@tools/test --sanitize thread

test-deploy:
	@tools/setup run deploy
	@deploy/test/run

check:
	@tools/setup run check
	@tools/check

format:
	@tools/setup check
	@tools/format

docs: build
	@tools/setup test
	@tools/docs

analyze:
	@tools/setup run analyze
	@tools/analyze

fuzz:
	@tools/setup run fuzz
	@tools/fuzz

soak:
	@tools/setup run test
	@tools/soak

coverage:
	@tools/setup run test cover
	@tools/coverage

bench:
	@tools/setup run bench
	@tools/build build
	@bench/run

dist:
	@tools/setup run dist sdk
	@tools/dist

clean:
	rm -rf build build-* dist test/node_modules sdk/js/node_modules

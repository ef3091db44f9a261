# SPDX-License-Identifier: Apache-2.0
PREFIX ?= /usr/local

build/ullage: FORCE
	@[ -f build/build.ninja ] || meson setup build >/dev/null
	@ninja -C build

demo:
	@tools/demo
check:
	@tools/run-tests
matrix: build/ullage
	@tools/setup go && tests/integration/run tests/integration/matrix_*.py
bench: build/ullage
	@tools/setup go && bench/run
fuzz:
	@tools/setup build && tools/run-fuzz
lint:
	@tools/setup build && tools/lint
install: build/ullage
	@meson configure build --prefix $(abspath $(PREFIX)) && meson install -C build --quiet
clean:
	rm -rf build build-*

.PHONY: FORCE demo check matrix bench fuzz lint install clean

# SPDX-License-Identifier: Apache-2.0
PREFIX ?= /usr/local

build/ullage: FORCE
	@[ -f build/build.ninja ] || { out=$$(meson setup build 2>&1) || { echo "$$out"; rm -rf build; exit 1; }; }
	@ninja -C build ullage

demo:
	@tools/demo
check:
	@tools/run-tests
matrix: build/ullage
	@tools/setup go && tests/integration/run tests/integration/matrix_*.py
bench: build/ullage
	@tools/setup go bench && ninja -C build --quiet src/bench_forecast src/bench_gotext src/bench_graph src/bench_heap src/bench_load src/bench_map src/bench_owners src/bench_pprof src/bench_probes src/bench_sense src/bench_store && bench/run
fuzz:
	@tools/setup build && tools/run-fuzz
lint:
	@tools/setup build && tools/lint
# Only what is installed is built.
install: build/ullage
	@meson configure build -Dprefix=$(abspath $(PREFIX))
	@command -v scdoc >/dev/null && ninja -C build --quiet ullage.1 || echo "no scdoc: the manual is left out"
	@ninja -C build --quiet ullage deploy/ullage.service
	DESTDIR=$(DESTDIR) meson install -C build --no-rebuild
clean:
	rm -rf build build-*

.PHONY: FORCE demo check matrix bench fuzz lint install clean

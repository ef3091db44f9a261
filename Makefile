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
	@tools/setup go bench && ninja -C build --quiet src/bench_forecast src/bench_gotext src/bench_graph src/bench_heap src/bench_map src/bench_owners src/bench_pprof src/bench_probes && bench/run
fuzz:
	@tools/setup build && tools/run-fuzz
lint:
	@tools/setup build && tools/lint
install: build/ullage
	install -D build/ullage $(DESTDIR)$(PREFIX)/bin/ullage
	@command -v scdoc >/dev/null && ninja -C build ullage.1 || echo "no scdoc: the manual is left out"
	[ ! -f build/ullage.1 ] || install -D -m 644 build/ullage.1 $(DESTDIR)$(PREFIX)/share/man/man1/ullage.1
clean:
	rm -rf build build-*

.PHONY: FORCE demo check matrix bench fuzz lint install clean

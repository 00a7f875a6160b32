# Entry points. The build itself is CMake's; this file only says how it is called.
#
#   make            build/plumb                       make demo    a whole flow, end to end, in a minute
#   make test       unit tests and end-to-end tests   make ci      everything a change must pass
#   make bench      figures, against the bare libraries doing the same work
#   make fuzz       each fuzz target for FUZZ_SECONDS (60)
#   make asan, tsan, clang, coverage, tidy, format, docs, clean

MAKEFLAGS += --no-print-directory
JOBS ?= $(shell nproc 2>/dev/null || echo 2)
FUZZ_SECONDS ?= 60
SOURCES = git ls-files '*.c' '*.h' '*.cc'

.PHONY: all test demo ci bench fuzz asan tsan clang coverage tidy format docs clean bootstrap-build bootstrap-test bootstrap-ci

all:
	@command -v cmake >/dev/null || { echo "cmake is missing; 'tools/bootstrap build' installs what the build needs" >&2; exit 1; }
	@[ -f build/dev/build.ninja ] || cmake --preset dev
	cmake --build build/dev --parallel $(JOBS)
	@ln -sfn dev/cli/plumb build/plumb

bootstrap-build bootstrap-test bootstrap-ci: bootstrap-%:
	@tools/bootstrap $*

demo: bootstrap-build
	@$(MAKE) all
	@tools/demo

test: bootstrap-test
	@$(MAKE) all
	ctest --test-dir build/dev --output-on-failure --parallel $(JOBS)
	tools/pytest build/plumb

ci:
	@.ci/run

bench: bootstrap-test
	@tools/bench

# The same tests under a sanitizer; what it reports fails the test that caused it.
asan tsan clang: bootstrap-ci
	@tools/test-with $@

coverage: bootstrap-ci
	@tools/test-with coverage
	gcovr --root . --object-directory build/coverage --exclude '.*_test\.c' --exclude 'build/.*' --branches --print-summary

fuzz: bootstrap-ci
	@tools/fuzz $(FUZZ_SECONDS)

tidy: bootstrap-ci
	@tools/tidy
	@$(SOURCES) | xargs clang-format --dry-run -Werror
	@[ -f build/clang/build.ninja ] || cmake --preset clang
	@tools/clang-tidy build/clang

format: bootstrap-ci
	@$(SOURCES) | xargs clang-format -i

docs: all
	build/plumb docs --reference docs/reference

clean:
	rm -rf build

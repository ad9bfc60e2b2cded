# bh: measure inference backends, and say what they cost and how sure that is. `make help` lists what a person types.

SHELL := /bin/bash
.DELETE_ON_ERROR:
.DEFAULT_GOAL := help
.SUFFIXES:
MAKEFLAGS += --no-builtin-rules

BIN     := bin
TOOLS   := bh-run bh-telemetry bh-cost bh-stats bh-report
VERSION := 0.1.0-dev
# The revision is passed by hand, as `go build -buildvcs` fails where git refuses the checkout's owner.
REVISION := $(shell git rev-parse --short=12 HEAD 2>/dev/null)$(shell git diff --quiet HEAD 2>/dev/null || echo +dirty)
CLI      := github.com/banterhearts/bh/pkg/cli
LDFLAGS  := -X $(CLI).release=v$(VERSION) -X $(CLI).revision=$(REVISION)
GO_FILES := $(shell find cmd pkg -name '*.go' -not -name '*_test.go') $(shell find pkg -name '*.yaml' -o -name '*.css' -o -name '*.html' -o -name '*.tmpl') go.mod go.sum

# A tool's exit code 3 (done, but some runs are degraded) is no failure of a pipeline: the report says what was not there.
or_partial := || test $$? -eq 3

.PHONY: help build tools test test-integration race bench lint clean setup setup-transformers setup-ollama setup-onnxruntime-gpu setup-slow

help: ## what a person would type
	@echo "Usage: make TARGET"
	@grep -hE '^[a-z0-9-]+:.*## ' $(MAKEFILE_LIST) | sort | awk -F ':.*## ' '{printf "  %-18s %s\n", $$1, $$2}'

build: tools ## the five tools into bin/

tools: $(TOOLS:%=$(BIN)/%)

# One stamp for all five, so that a change builds them together and an unchanged tree builds nothing.
$(TOOLS:%=$(BIN)/%) &: $(GO_FILES)
	@mkdir -p $(BIN)
	go build -ldflags '$(LDFLAGS)' -o $(BIN)/ $(TOOLS:%=./cmd/%)
	@touch $(TOOLS:%=$(BIN)/%)

setup: tools ## get what the backends need (ONNX Runtime, into the user's cache)
	$(BIN)/bh-run setup

# Large, so only on demand. Each leaves what is there already alone; what it gets stays in the user's cache.
setup-transformers: tools ## get PyTorch and transformers, pinned, for the transformers backends (about 3 GB to download); links .venv to it
	$(BIN)/bh-run setup transformers
	@test -e .venv -a ! -L .venv || ln -sfn "$$($(BIN)/bh-run setup --print-python)" .venv

# Compiling needs two of Debian's packages; they are installed where that is possible without asking.
setup-ollama: tools ## build the pinned Ollama server for the ollama and openai backends (minutes)
	@test -f /usr/include/nlohmann/json.hpp && test -d /usr/include/stb || ! command -v apt-get >/dev/null || test "$$(id -u)" -ne 0 || \
		{ apt-get update -q && apt-get install -qy --no-install-recommends nlohmann-json3-dev libstb-dev; }
	$(BIN)/bh-run setup ollama

setup-onnxruntime-gpu: tools ## get the GPU build of ONNX Runtime for onnxruntime-gpu and tensorrt
	$(BIN)/bh-run setup onnxruntime-gpu

# The tests load ONNX Runtime, so the library comes first.
test: tools ## the unit tests
	BH_ONNXRUNTIME_LIB="$$($(BIN)/bh-run setup --print-library)" go test ./...

race: tools ## the unit tests under the race detector
	BH_ONNXRUNTIME_LIB="$$($(BIN)/bh-run setup --print-library)" go test -race ./...

# What the slow tests run programs of other systems with; a test whose program cannot be had is skipped and says so.
SLOW_PACKAGES = wine wine64 gcc-mingw-w64-x86-64 qemu-system-x86 gcc-12 make e2fsprogs libelf1 libreadline8 libssl3
setup-slow:
	@dpkg -s $(SLOW_PACKAGES) >/dev/null 2>&1 || ! command -v apt-get >/dev/null || test "$$(id -u)" -ne 0 || \
		{ apt-get update -q && apt-get install -qy --no-install-recommends $(SLOW_PACKAGES); }

# One package after the other, as each wants the machine for itself.
test-integration: tools setup-transformers setup-ollama setup-slow ## the slow tests: every backend that can be had, the 124M model, the whole line, kill -9 and resume, the kernel's drivers in a virtual machine
	BH_ONNXRUNTIME_LIB="$$($(BIN)/bh-run setup --print-library)" go test -p 1 -tags integration -timeout 60m -run 'GPT2|Slow' ./pkg/... ./cmd/... ./pipelines

bench: tools ## the benchmarks, in the form that benchstat reads
	BH_ONNXRUNTIME_LIB="$$($(BIN)/bh-run setup --print-library)" go test -run '^$$' -bench . -benchmem ./...

lint: ## formatting, go vet, and that the analysis tools build without cgo on three systems
	@test -z "$$(gofmt -l cmd pkg)" || { gofmt -l cmd pkg; exit 1; }
	go vet ./... && go vet -tags integration ./...
	@for os in linux darwin windows; do echo "CGO_ENABLED=0 GOOS=$$os go vet"; \
		CGO_ENABLED=0 GOOS=$$os go vet ./cmd/bh-telemetry ./cmd/bh-cost ./cmd/bh-stats ./cmd/bh-report || exit 1; done

clean: ## remove bin/ (results stay)
	rm -rf $(BIN)

include $(wildcard pipelines/*/pipeline.mk)

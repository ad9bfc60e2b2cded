# The tr119 line: measure, join energy, price, test, render. Every arrow is a file, so touching an input re-makes what
# depends on it and nothing before. A tool's exit code 3 (done, but some runs are degraded) is not a failure here: the
# report says what was not there.

TR119      := pipelines/tr119
TR119_OUT  := results/tr119
TR119_ARCH := results/tr119-archive
TR119_MATRIX := $(TR119)/matrix.yaml
TR119_PRICES := $(TR119)/pricing.yaml

.PHONY: tr119 tr119-report tr119-archive tr119-clean

tr119: $(TR119_OUT)/report.md ## measure, analyse and report: results/tr119/report.html
	@$(BIN)/bh-report summary $(TR119_OUT)

tr119-report: ## everything after the run again, from the stored artifacts alone
	@test -f $(TR119_OUT)/runs.parquet || { echo "make: $(TR119_OUT)/runs.parquet is not there: run 'make tr119' first" >&2; exit 2; }
	@rm -f $(TR119_OUT)/energy.parquet
	@$(MAKE) --no-print-directory -o $(TR119_OUT)/runs.parquet $(TR119_OUT)/report.md
	@$(BIN)/bh-report summary $(TR119_OUT)

tr119-archive: $(TR119_ARCH)/report.md ## re-analyse the archived measurements of the original: results/tr119-archive/
	@$(BIN)/bh-report summary $(TR119_ARCH)

tr119-clean: ## remove results/tr119 and results/tr119-archive, measurements included
	rm -rf $(TR119_OUT) $(TR119_ARCH)

# bh-run resumes what a crash or Ctrl-C left, and refuses when the matrix has changed since.
$(TR119_OUT)/runs.parquet: $(TR119_MATRIX) | tools
	@mkdir -p $(@D)
	$(BIN)/bh-run --matrix $(TR119_MATRIX) --resume -o $(TR119_OUT) $(or_partial)

# Made beside the runs. Where somebody removed it, resuming makes it again from samples.jsonl.
$(TR119_OUT)/samples.parquet: $(TR119_OUT)/runs.parquet | tools
	@test -f $@ || $(BIN)/bh-run --matrix $(TR119_MATRIX) --resume -o $(TR119_OUT) $(or_partial)

$(TR119_OUT)/energy.parquet: $(TR119_OUT)/runs.parquet $(TR119_OUT)/samples.parquet | tools
	$(BIN)/bh-telemetry join $(TR119_OUT)/runs.parquet --samples $(TR119_OUT)/samples.parquet -o $@ $(or_partial)

$(TR119_OUT)/cost.parquet: $(TR119_OUT)/energy.parquet $(TR119_PRICES) | tools
	$(BIN)/bh-cost --prices $(TR119_PRICES) --method default,tr119 -o $@ $(TR119_OUT)/energy.parquet $(or_partial)

$(TR119_OUT)/stats.json: $(TR119_OUT)/energy.parquet $(TR119_OUT)/cost.parquet | tools
	$(BIN)/bh-stats analyse --quiet -o $@ $(TR119_OUT)/energy.parquet $(TR119_OUT)/cost.parquet $(or_partial)

$(TR119_OUT)/report.md: $(TR119_OUT)/stats.json $(TR119_OUT)/cost.parquet $(TR119_PRICES) | tools
	$(BIN)/bh-report --dir $(TR119_OUT) --prices $(TR119_PRICES) --matrix $(TR119_MATRIX) --method default

# The archive: cells instead of runs, the original's estimator and statistics.
$(TR119_ARCH)/cells.parquet: $(TR119)/archive/tr119_measurements.csv $(TR119_MATRIX) | tools
	@mkdir -p $(@D)
	$(BIN)/bh-stats describe --matrix $(TR119_MATRIX) --experiment tr119-archive -o $@ $(TR119)/archive/tr119_measurements.csv

$(TR119_ARCH)/cost.parquet: $(TR119_ARCH)/cells.parquet $(TR119_PRICES) | tools
	$(BIN)/bh-cost --prices $(TR119_PRICES) --method default,tr119 -o $@ $(TR119_ARCH)/cells.parquet

$(TR119_ARCH)/stats.json: $(TR119_ARCH)/cells.parquet $(TR119_ARCH)/cost.parquet | tools
	$(BIN)/bh-stats analyse --quiet -o $@ $(TR119_ARCH)/cells.parquet $(TR119_ARCH)/cost.parquet

$(TR119_ARCH)/report.md: $(TR119_ARCH)/stats.json $(TR119_ARCH)/cost.parquet $(TR119_PRICES) | tools
	$(BIN)/bh-report --dir $(TR119_ARCH) --prices $(TR119_PRICES) --matrix $(TR119_MATRIX) --method tr119

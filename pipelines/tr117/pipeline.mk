# The tr117 line: measure, join energy, list the runs, price, test, render. Every arrow is a file, so touching an input
# re-makes what depends on it and nothing before. A tool's exit code 3 (done, but some runs are degraded) is not a failure
# here: the report says what was not there.

TR117        := pipelines/tr117
TR117_OUT    := results/tr117
TR117_MATRIX := $(TR117)/matrix.yaml
TR117_PRICES := $(TR117)/pricing.yaml
# The original charged 0.035 USD an hour and nothing for energy.
TR117_METHOD := default-infra-only

.PHONY: tr117 tr117-report tr117-clean

tr117: $(TR117_OUT)/report.md ## benchmark requests across all backends found here: results/tr117/report.html
	@$(BIN)/bh-report summary $(TR117_OUT)

tr117-report: ## everything after the tr117 run again, from the stored artifacts alone
	@test -f $(TR117_OUT)/runs.parquet || { echo "make: $(TR117_OUT)/runs.parquet is not there: run 'make tr117' first" >&2; exit 2; }
	@rm -f $(TR117_OUT)/metrics.parquet
	@$(MAKE) --no-print-directory -o $(TR117_OUT)/runs.parquet $(TR117_OUT)/report.md
	@$(BIN)/bh-report summary $(TR117_OUT)

tr117-clean: ## remove results/tr117, measurements included
	rm -rf $(TR117_OUT)

# bh-run resumes what a crash or Ctrl-C left, and refuses when the matrix has changed since.
$(TR117_OUT)/runs.parquet: $(TR117_MATRIX) | tools
	@mkdir -p $(@D)
	$(BIN)/bh-run --matrix $(TR117_MATRIX) --resume -o $(TR117_OUT) $(or_partial)

# Made beside the runs. Where somebody removed it, resuming makes it again from samples.jsonl.
$(TR117_OUT)/samples.parquet: $(TR117_OUT)/runs.parquet | tools
	@test -f $@ || $(BIN)/bh-run --matrix $(TR117_MATRIX) --resume -o $(TR117_OUT) $(or_partial)

$(TR117_OUT)/metrics.parquet: $(TR117_OUT)/runs.parquet $(TR117_OUT)/samples.parquet | tools
	$(BIN)/bh-telemetry join $(TR117_OUT)/runs.parquet --samples $(TR117_OUT)/samples.parquet -o $@ $(or_partial)

$(TR117_OUT)/metrics.csv: $(TR117_OUT)/metrics.parquet | tools
	$(BIN)/bh-stats metrics -o $@ $(TR117_OUT)/metrics.parquet $(or_partial)

$(TR117_OUT)/cost.parquet $(TR117_OUT)/cost_analysis.json: $(TR117_OUT)/metrics.parquet $(TR117_PRICES) | tools
	$(BIN)/bh-cost --prices $(TR117_PRICES) --without-energy -o $@ $(TR117_OUT)/metrics.parquet $(or_partial)

$(TR117_OUT)/statistical_analysis.json: $(TR117_OUT)/metrics.parquet $(TR117_OUT)/cost.parquet | tools
	$(BIN)/bh-stats analyse --quiet -o $@ $(TR117_OUT)/metrics.parquet $(TR117_OUT)/cost.parquet $(or_partial)

$(TR117_OUT)/report.md: $(TR117_OUT)/statistical_analysis.json $(TR117_OUT)/cost.parquet $(TR117_OUT)/cost_analysis.json $(TR117_OUT)/metrics.csv $(TR117_PRICES) | tools
	$(BIN)/bh-report --profile tr117 --dir $(TR117_OUT) --prices $(TR117_PRICES) --matrix $(TR117_MATRIX) --method $(TR117_METHOD)

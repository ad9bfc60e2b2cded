# The tr122 line: measure, calibrate, join energy, test, render. Every arrow is a file, so touching an input re-makes what
# depends on it and nothing before. It needs no prices. A tool's exit code 3 (done, but some runs are degraded) is not a
# failure here: the report says what was not there.

TR122        := pipelines/tr122
TR122_OUT    := results/tr122
TR122_MATRIX := $(TR122)/matrix.yaml

.PHONY: tr122 tr122-report tr122-clean

tr122: $(TR122_OUT)/report.md ## measure power, energy, memory and what holds each backend back: results/tr122/report.html
	@$(BIN)/bh-report summary $(TR122_OUT)

tr122-report: ## everything after the tr122 run again, from the stored artifacts alone
	@test -f $(TR122_OUT)/runs.parquet || { echo "make: $(TR122_OUT)/runs.parquet is not there: run 'make tr122' first" >&2; exit 2; }
	@rm -f $(TR122_OUT)/energy.parquet
	@$(MAKE) --no-print-directory -o $(TR122_OUT)/runs.parquet -o $(TR122_OUT)/calibration.json $(TR122_OUT)/report.md
	@$(BIN)/bh-report summary $(TR122_OUT)

tr122-clean: ## remove results/tr122, measurements included
	rm -rf $(TR122_OUT)

# bh-run resumes what a crash or Ctrl-C left, and refuses when the matrix has changed since.
$(TR122_OUT)/runs.parquet: $(TR122_MATRIX) | tools
	@mkdir -p $(@D)
	$(BIN)/bh-run --matrix $(TR122_MATRIX) --resume -o $(TR122_OUT) $(or_partial)

# Made beside the runs. Where somebody removed it, resuming makes it again from samples.jsonl.
$(TR122_OUT)/samples.parquet: $(TR122_OUT)/runs.parquet | tools
	@test -f $@ || $(BIN)/bh-run --matrix $(TR122_MATRIX) --resume -o $(TR122_OUT) $(or_partial)

# After the runs, as the machine is then as warm as it was for them, and their folder has a manifest. The roofs are the
# machine's: newer runs do not need them measured again.
$(TR122_OUT)/calibration.json: | $(TR122_OUT)/runs.parquet tools
	$(BIN)/bh-run doctor --calibrate -o $@

$(TR122_OUT)/energy.parquet: $(TR122_OUT)/runs.parquet $(TR122_OUT)/samples.parquet | tools
	$(BIN)/bh-telemetry join $(TR122_OUT)/runs.parquet --samples $(TR122_OUT)/samples.parquet -o $@ $(or_partial)

$(TR122_OUT)/stats.json: $(TR122_OUT)/energy.parquet | tools
	$(BIN)/bh-stats analyse --quiet -o $@ $(TR122_OUT)/energy.parquet $(or_partial)

$(TR122_OUT)/report.md: $(TR122_OUT)/stats.json $(TR122_OUT)/calibration.json | tools
	$(BIN)/bh-report --profile tr122 --dir $(TR122_OUT) --matrix $(TR122_MATRIX)

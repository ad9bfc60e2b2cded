// Bh-cost prices measured runs: tiers, providers, energy and carbon, per 1M tokens.
//
// It reads runs (or cells, where the runs are gone) from files, globs, folders or standard input, groups runs into cells,
// and writes one row per cell, provider and tier of a price book, each total with its 95% interval:
//
//	bh-run | bh-cost --tier spot
//	bh-cost results/tr119/runs.parquet
//	bh-cost --tier on_demand,spot --provider gcp_n2_standard_2 results/tr119/runs.parquet
//	bh-cost --prices pipelines/tr119/pricing.yaml --method default,tr119 -o cost.parquet results/tr119/runs.parquet
//	bh-cost --without-energy --format md results/tr119/runs.parquet
//	bh-cost --tier spot results/tr119/runs.parquet | bh-stats compare --metric total_usd_per_1m
//
// Method default prices a backend on an instance of the kind it runs on, by total tokens over total time; tr119 is the
// original report's: the mean of the runs' throughputs, every backend at the rates of the GPU providers. docs/definitions.md
// defines every column.
//
// It exits with 3 when the rows are written but some runs were degraded or some input was rejected.
package main

import (
	"os"

	"github.com/banterhearts/bh/pkg/cli"
)

func main() { os.Exit(cli.Main(run)) }

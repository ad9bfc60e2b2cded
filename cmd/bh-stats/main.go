// Bh-stats says which differences between backends are real.
//
// describe groups runs into cells and summarises each; it also fills in what an archived table of cells leaves out:
//
//	bh-stats describe results/tr119/runs.parquet
//	bh-stats describe --matrix pipelines/tr119/matrix.yaml -o cells.parquet pipelines/tr119/archive/tr119_measurements.csv
//
// compare prints the ratio of every pair of backends within each mode, with its interval and a p value that is adjusted
// for the number of pairs. Metrics of cost rows read the output of bh-cost, metrics of cells read runs or cells:
//
//	bh-cost --tier spot results/tr119/runs.parquet | bh-stats compare --metric total_usd_per_1m
//	bh-stats compare --metric latency_ms results/tr119/runs.parquet
//
// analyse makes the statistics document that bh-report reads: the tests of Technical Report 119, the default design
// (backends compared within scenarios), where the two disagree, and what is doubtful about the cells:
//
//	bh-stats analyse -o results/tr119/stats.json results/tr119/energy.parquet results/tr119/cost.parquet
//
// metrics lists single runs with their accuracy, the share of their tokens that are those of the reference backend:
//
//	bh-stats metrics -o metrics.csv results/tr119/runs.parquet
//
// docs/definitions.md defines every statistic. Exit codes: 0 done; 1 failed; 2 wrong use or bad input; 3 done, but some
// runs are degraded or some rows were rejected; 130 interrupted.
package main

import (
	"os"

	"github.com/banterhearts/bh/pkg/cli"
)

func main() { os.Exit(cli.Main(run)) }

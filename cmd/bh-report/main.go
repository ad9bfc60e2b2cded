// Bh-report renders the technical report about an experiment from its stored artifacts, and verifies it against them.
//
// It finds the artifacts in a folder (energy.parquet, metrics.parquet, runs.parquet or cells.parquet; cost.parquet; stats.json
// or statistical_analysis.json; and, where they are there, samples.parquet and manifest.json) and writes report.md,
// report.html, report.json and figures/ beside them. Nothing is measured again; equal artifacts give an equal report, byte
// by byte. The profile says which technical report it is: tr119, cost and energy; tr117, a benchmark of single requests; or
// tr122, resources, which needs no costs and takes a calibration.json (bh-run doctor --calibrate). Sections appear where their
// data are.
//
//	bh-report --dir results/tr119 --prices pipelines/tr119/pricing.yaml --matrix pipelines/tr119/matrix.yaml
//	bh-report --dir results/tr119-archive --method tr119 --title "TR119, the archive analysed again"
//	bh-report --profile tr117 --dir results/tr117
//	bh-report --profile tr122 --dir results/tr122
//	bh-report summary results/tr119
//	bh-report verify results/tr119/report.md
//
// Verify exits with 4 at the first artifact whose hash is not the recorded one, or the first file of the report that its
// artifacts do not give. Rendering exits with 3 when the report is written but some rows were rejected; degraded runs are
// content of a report and no fault of it, so they alone leave the exit code at 0.
package main

import (
	"os"

	"github.com/banterhearts/bh/pkg/cli"
)

func main() { os.Exit(cli.Main(run)) }

// Bh-telemetry samples the power, temperature, utilisation and memory of this machine, and integrates energy over the
// window of each measured run.
//
// Usage:
//
//	bh-telemetry record [-o samples.parquet] [--interval 50ms] [--duration 1m] [-- command args…]
//	bh-telemetry join runs.parquet --samples samples.parquet [-o energy.parquet]
//	bh-telemetry recover samples.parquet
//	bh-telemetry doctor [--json]
//
// Record what a command draws; its exit code, input and output are passed through:
//
//	bh-telemetry record -o power.parquet -- make -j8
//
// Record until Ctrl-C, to standard output as JSON-lines:
//
//	bh-telemetry record --interval 1s
//
// Fill the energy columns of measured runs:
//
//	bh-telemetry join results/tr119/runs.parquet --samples results/tr119/samples.parquet -o results/tr119/energy.parquet
//
// A recording is journalled beside its output as it grows. After a crash the next recording to the same output saves the
// left-over journal under a name with its date, and recover turns it into the output itself.
//
// Exit codes: 0 done; 1 failed; 2 wrong use or bad input; 3 done, but rows were rejected or runs found no energy; 130
// interrupted; with a command, the command's own.
package main

import (
	"os"

	"github.com/banterhearts/bh/pkg/cli"
)

func main() { os.Exit(cli.Main(run)) }

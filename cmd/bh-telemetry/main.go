// Bh-telemetry samples the power, temperature, utilisation and memory of this machine, and integrates energy over the
// window of each measured run.
//
// Usage:
//
//	bh-telemetry record [-o samples.parquet] [--interval 47ms] [--duration 1m] [--idle 2s] [-- command args…]
//	bh-telemetry top [--refresh 1s]
//	bh-telemetry summary samples.parquet
//	bh-telemetry join runs.parquet --samples samples.parquet [-o energy.parquet]
//	bh-telemetry recover samples.parquet
//	bh-telemetry doctor [--json]
//
// Record what a command draws; its exit code, input and output are passed through. Two idle seconds before and after it
// tell what it drew beyond an idle machine:
//
//	bh-telemetry record -o power.parquet --idle 2s -- make -j8
//	bh-telemetry summary power.parquet
//
// Record until Ctrl-C, to standard output as JSON-lines, or for Prometheus to scrape:
//
//	bh-telemetry record --interval 1s
//	bh-telemetry record --prometheus :9464
//
// Read a meter at the wall besides the machine's own sensors:
//
//	bh-telemetry record -o power.parquet --meter 'wall=my-meter --watts' -- make -j8
//
// Fill the energy columns of measured runs:
//
//	bh-telemetry join results/tr119/runs.parquet --samples results/tr119/samples.parquet -o results/tr119/energy.parquet
//
// A Parquet recording grows in place and can be read at any time, after kill -9 too, up to its last row group; the samples
// since then are in a journal beside it, synced every half second. recover puts the two together; the next recording to the
// same output does so first, under a name with the date. A recording of the same name from before stays as FILE.previous
// until the new one is finished. Recordings in other formats are in their journal until they are finished. Where the output is
// moved, removed or overwritten meanwhile, the recording fails and says where what was recorded is.
//
// Ctrl-C, SIGTERM, SIGHUP and SIGQUIT end a recording and leave it whole. With a command they are passed on to it, and its end is
// the recording's.
//
// Exit codes: 0 done; 1 failed; 2 wrong use or bad input; 3 done, but rows were rejected or runs found no energy; 130
// interrupted; with a command, the command's own.
package main

import (
	"os"

	"github.com/banterhearts/bh/pkg/cli"
)

func main() { os.Exit(cli.Main(run)) }

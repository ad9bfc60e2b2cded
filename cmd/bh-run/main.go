// Command bh-run measures inference backends: it runs a matrix of backends x scenarios x modes x repetitions on one model
// and writes one record per measured run.
//
//	bh-run                                                  the built-in matrix, records to standard output
//	bh-run | bh-cost --tier spot                            what that costs
//	bh-run --matrix pipelines/tr119/matrix.yaml -o results/tr119
//	bh-run --matrix pipelines/tr119/matrix.yaml -o results/tr119 --resume
//	bh-run plan --matrix pipelines/tr119/matrix.yaml        what would run, and for how long
//	bh-run doctor                                           which backends work here, and what the others lack
//	bh-run doctor --calibrate                               this machine's memory bandwidth and FLOP rate
//	bh-run model build gpt2-124m                            a model with seeded weights, into the user's cache
//	bh-run model import DIR                                 a model from a Hugging Face GPT-2 folder
//
// With -o DIR every finished run is on disk (DIR/runs.jsonl) before the next one starts, and --resume continues after a
// crash or Ctrl-C. A backend that cannot work here gives degraded runs with a reason and no measurements.
package main

import (
	"context"
	"os"

	urfave "github.com/urfave/cli/v2"

	"github.com/banterhearts/bh/pkg/cli"
	"github.com/banterhearts/bh/pkg/pyenv"
)

func main() { os.Exit(cli.Main(run)) }

func run(ctx context.Context, args []string, s cli.Streams) int {
	pyenv.EndWith(ctx)
	o := new(Options)
	app := &urfave.App{
		Name:      "bh-run",
		Usage:     "measure inference backends: one record per measured run",
		UsageText: usage,
		Flags:     o.flags(),
		Action:    func(c *urfave.Context) error { return measure(c, o, s) },
		Commands:  []*urfave.Command{planCommand(s), doctorCommand(s), setupCommand(s), modelCommand(s), workerCommand(s)},
	}
	return cli.Run(ctx, app, args, s)
}

const usage = `bh-run [options]
bh-run | bh-cost --tier spot
bh-run --matrix pipelines/tr119/matrix.yaml -o results/tr119 [--resume]
bh-run plan --matrix pipelines/tr119/matrix.yaml
bh-run doctor [--json]
bh-run doctor --calibrate [-o results/tr122/calibration.json]
bh-run model build gpt2-124m
bh-run model import DIR

Exit codes: 0 done; 1 failed; 2 wrong use or bad input; 3 done, but some runs are degraded or broke;
130 interrupted, with everything finished kept (continue with --resume).`

package main

import (
	"context"
	"errors"
	"fmt"
	"os"

	urfave "github.com/urfave/cli/v2"

	"github.com/banterhearts/bh/pkg/backend"
	"github.com/banterhearts/bh/pkg/cli"
	"github.com/banterhearts/bh/pkg/manifest"
	"github.com/banterhearts/bh/pkg/matrix"
	"github.com/banterhearts/bh/pkg/model"
	"github.com/banterhearts/bh/pkg/runner"
	"github.com/banterhearts/bh/pkg/telemetry"
)

// measure is bh-run without a subcommand.
func measure(c *urfave.Context, o *Options, s cli.Streams) error {
	if c.NArg() > 0 {
		return cli.BadInputf("saw argument %q, want options only; see bh-run --help", c.Args().First())
	}
	if err := o.Validate(); err != nil {
		return err
	}
	m, err := loadMatrix(o)
	if err != nil {
		return err
	}
	say := func(text string) { fmt.Fprintln(s.Err, "bh-run: "+text) }
	setUp(c.Context, m, say)
	folder, err := resolveModel(c.Context, m.Model, say)
	if err != nil {
		return err
	}
	if err := m.CheckFit(int64(folder.Config.NPositions)); err != nil {
		return err
	}
	// The records name the weights by their hash, so it must be the hash of what is there now.
	if err := folder.Verify(c.Context); err != nil {
		return err
	}
	return execute(c.Context, o, s, m, folder)
}

// loadMatrix reads the matrix and applies the options that stand above it.
func loadMatrix(o *Options) (*matrix.Matrix, error) {
	load := matrix.Builtin
	if o.Matrix != "" {
		load = func() (*matrix.Matrix, error) { return matrix.Load(o.Matrix) }
	}
	m, err := load()
	if err != nil {
		return nil, err
	}
	if err := m.CheckBackends(backend.Names()); err != nil {
		return nil, err
	}
	if o.Model != "" {
		m.Model = o.Model
	}
	if o.Threads > 0 {
		m.SetThreads(o.Threads)
	}
	return m, nil
}

// setUp gets what the matrix's backends can get by themselves. What fails is not fatal: the backend's runs are then
// degraded, with the reason.
func setUp(ctx context.Context, m *matrix.Matrix, say func(string)) {
	for i := range m.Backends {
		b, ok := backend.Lookup(m.Backends[i].Name)
		if !ok || b.Setup == nil {
			continue
		}
		if err := b.Setup(ctx, say); err != nil {
			say(fmt.Sprintf("%s: %v", b.Name, err))
		}
	}
}

// execute runs the matrix into the output that the options name.
func execute(ctx context.Context, o *Options, s cli.Streams, m *matrix.Matrix, folder *model.Folder) error {
	env := manifest.Capture("/", o.Host)
	recorder, sensors, stop, err := startTelemetry(ctx, o, env.Host)
	if err != nil {
		return err
	}
	defer stop()
	out, err := openOutput(ctx, o, s, runner.FolderOptions{Dir: o.Output, Resume: o.Resume, Matrix: m, Model: folder,
		Environment: env, Sensors: sensors, Command: o.Servers.hidden(os.Args)})
	if err != nil {
		return err
	}
	self, err := os.Executable()
	if err != nil {
		return errors.Join(fmt.Errorf("find this program for its workers: %w", err), out.close())
	}
	opt := runner.Options{Matrix: m, Model: folder, Host: env.Host, Threads: env.PhysicalCores, Worker: []string{self, workerName},
		Done: out.done(), Sink: out, Recorder: recorder}
	progress(o, s, &opt)
	outcome, err := runner.Run(ctx, opt)
	opt.Progress.Done()
	return errors.Join(out.finish(ctx, outcome, err), out.close())
}

// startTelemetry opens the sensors and samples them until stop.
func startTelemetry(ctx context.Context, o *Options, host string) (runner.Recorder, []manifest.Sensor, func(), error) {
	if o.NoTelemetry {
		return nil, nil, func() {}, nil
	}
	set, err := telemetry.Open(telemetry.Environment{Root: "/", Host: host}, telemetry.Options{})
	if err != nil {
		return nil, nil, nil, err
	}
	var sensors []manifest.Sensor
	for _, f := range set.Findings() {
		sensors = append(sensors, manifest.Sensor{Source: f.Source, Status: string(f.Status), Detail: f.Detail, Fix: f.Fix})
	}
	rec := telemetry.Start(ctx, set, o.Interval)
	return rec, sensors, func() {
		rec.Stop()
		_ = set.Close() // only read from; nothing to lose
	}, nil
}

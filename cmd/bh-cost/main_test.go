package main

import (
	"bytes"
	"context"
	"errors"
	"go/parser"
	"go/token"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/banterhearts/bh/pkg/cell"
	"github.com/banterhearts/bh/pkg/cli"
	"github.com/banterhearts/bh/pkg/record"
	"github.com/banterhearts/bh/pkg/store"
	"github.com/banterhearts/bh/pkg/units"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){
		"bh-cost": func() { os.Exit(cli.Main(run)) },
		"fixture": fixture,
	})
}

func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir: "testdata/script",
		Setup: func(e *testscript.Env) error {
			root, err := filepath.Abs("../..")
			e.Setenv("ROOT", root)
			return err
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){"exits": exits, "concat": concat, "truncate": truncate},
	})
}

// exits is a command of the scripts: exits CODE COMMAND ARG... runs a command that must end with that code.
func exits(ts *testscript.TestScript, _ bool, args []string) {
	err := ts.Exec(args[1], args[2:]...)
	code := 0
	if exit := (*exec.ExitError)(nil); errors.As(err, &exit) {
		code = exit.ExitCode()
	} else {
		ts.Check(err)
	}
	if got := strconv.Itoa(code); got != args[0] {
		ts.Fatalf("exit code %s, want %s", got, args[0])
	}
}

// concat is a command of the scripts: concat NEW FILE... writes files one after the other.
func concat(ts *testscript.TestScript, _ bool, args []string) {
	var all strings.Builder
	for _, name := range args[1:] {
		all.WriteString(ts.ReadFile(name))
	}
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), []byte(all.String()), 0o644))
}

// truncate is a command of the scripts: truncate FILE NEW writes the first half of a file.
func truncate(ts *testscript.TestScript, _ bool, args []string) {
	data := ts.ReadFile(args[0])
	ts.Check(os.WriteFile(ts.MkAbs(args[1]), []byte(data[:len(data)/2]), 0o644))
}

// fixture is a command of the scripts: fixture FILE... writes the runs of a small matrix to each file.
// Of files that are called partly the second repetition has no power; of those called zero all have one of 0 W.
func fixture() {
	for _, path := range os.Args[1:] {
		list := runs()
		for i := range list {
			switch name := filepath.Base(path); {
			case strings.HasPrefix(name, "partly") && list[i].Repetition == 1:
				list[i].PowerMeanW, list[i].PowerSource, list[i].EnergyGrade = nil, "", ""
			case strings.HasPrefix(name, "zero"):
				list[i].PowerMeanW = units.Ptr(units.Watts(0))
			}
		}
		if err := store.WriteFile(path, list); err != nil {
			os.Stderr.WriteString(err.Error() + "\n")
			os.Exit(1)
		}
	}
}

// runs are three good runs of onnxruntime-cpu in two modes, with a measured power, as bh-telemetry join leaves them.
func runs() []record.Run {
	var list []record.Run
	for _, mode := range []record.Mode{record.Prefill, record.Generate} {
		for rep := range int64(3) {
			ns := 100e6 + rep*5e6
			r := record.Run{
				Schema: record.SchemaRun, Experiment: "e", RunID: string(mode) + "-" + string(rune('0'+rep)), Host: "h",
				Backend: "onnxruntime-cpu", Model: "gpt2-tiny", Precision: "fp32", Device: record.CPU, Scenario: "single_short",
				Mode: mode, BatchSize: 1, PromptTokens: 10, Repetition: rep, Threads: 2, Status: record.OK,
				StartUnixNS: units.Ptr(int64(1e18)), EndUnixNS: units.Ptr(int64(1e18) + ns), LatencyNS: &ns,
				TokensProcessed: units.Ptr(units.Tokens(10)), Iterations: units.Ptr(int64(1)),
				PowerMeanW: units.Ptr(units.Watts(40 + rep)), PowerSource: "rapl", EnergyGrade: record.GradeB,
			}
			if mode == record.Generate {
				r.MaxNewTokens, r.TokensGenerated = 10, units.Ptr(units.Tokens(10))
			}
			r.ThroughputTokS = units.Ptr(units.TokensPerSecond(10 / (float64(ns) / 1e9)))
			list = append(list, r)
		}
	}
	return list
}

// TestExamples runs the examples of the command's documentation, each up to its pipe, in a folder that has the files they
// name.
func TestExamples(t *testing.T) {
	f, err := parser.ParseFile(token.NewFileSet(), "main.go", nil, parser.ParseComments)
	if err != nil {
		t.Fatal(err)
	}
	prices, err := os.ReadFile("../../pipelines/tr119/pricing.yaml")
	if err != nil {
		t.Fatal(err)
	}
	t.Chdir(t.TempDir())
	for _, dir := range []string{"results/tr119", "pipelines/tr119"} {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile("pipelines/tr119/pricing.yaml", prices, 0o644); err != nil {
		t.Fatal(err)
	}
	if err := store.WriteFile("results/tr119/runs.parquet", runs()); err != nil {
		t.Fatal(err)
	}
	n := 0
	for line := range strings.Lines(f.Doc.Text()) {
		command, ok := strings.CutPrefix(line, "\t")
		if !ok {
			continue
		}
		n++
		if !strings.Contains(examples, strings.TrimSpace(command)) {
			t.Errorf("--help does not show %q", command)
		}
		var stdin bytes.Buffer
		if before, after, piped := strings.Cut(command, "bh-run | "); piped {
			if before != "" {
				t.Fatalf("cannot run %q", command)
			}
			command, stdin = after, jsonLines(t)
		}
		command, _, _ = strings.Cut(command, "|")
		var out, errs bytes.Buffer
		if code := run(context.Background(), strings.Fields(command), cli.Streams{In: &stdin, Out: &out, Err: &errs}); code != cli.ExitOK {
			t.Errorf("%s: exit %d: %s", command, code, errs.String())
		}
		if out.Len() == 0 && !strings.Contains(command, " -o ") {
			t.Errorf("%s: no output", command)
		}
	}
	if n == 0 {
		t.Error("the documentation has no examples")
	}
	if _, err := os.Stat("cost.parquet"); err != nil {
		t.Error(err)
	}
}

// jsonLines is the runs as bh-run streams them.
func jsonLines(t *testing.T) bytes.Buffer {
	var b bytes.Buffer
	w, err := store.NewWriter[record.Run](&b, store.JSONL)
	if err != nil {
		t.Fatal(err)
	}
	list := runs()
	for i := range list {
		if err := w.Write(&list[i]); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b
}

// TestRunsAndCellsAgree prices runs, and the cells made of them: the rows are the same.
func TestRunsAndCellsAgree(t *testing.T) {
	dir := t.TempDir()
	b := cell.NewBuilder()
	list := runs()
	for i := range list {
		b.AddRun(&list[i])
	}
	cells, err := b.Cells()
	if err != nil {
		t.Fatal(err)
	}
	runsPath, cellsPath := filepath.Join(dir, "runs.parquet"), filepath.Join(dir, "cells.csv")
	if err := store.WriteFile(runsPath, list); err != nil {
		t.Fatal(err)
	}
	if err := store.WriteFile(cellsPath, cells); err != nil {
		t.Fatal(err)
	}
	var fromRuns, fromCells, errs bytes.Buffer
	for path, out := range map[string]*bytes.Buffer{runsPath: &fromRuns, cellsPath: &fromCells} {
		if code := run(context.Background(), []string{"bh-cost", path}, cli.Streams{Out: out, Err: &errs}); code != cli.ExitOK {
			t.Fatalf("%s: exit %d: %s", path, code, errs.String())
		}
	}
	if fromRuns.Len() == 0 || !bytes.Equal(fromRuns.Bytes(), fromCells.Bytes()) {
		t.Errorf("runs give\n%s\ncells give\n%s", fromRuns.String(), fromCells.String())
	}
}

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
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/banterhearts/bh/pkg/cell"
	"github.com/banterhearts/bh/pkg/cli"
	"github.com/banterhearts/bh/pkg/compare"
	"github.com/banterhearts/bh/pkg/cost"
	"github.com/banterhearts/bh/pkg/matrix"
	"github.com/banterhearts/bh/pkg/record"
	"github.com/banterhearts/bh/pkg/store"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){
		"bh-report": func() { os.Exit(cli.Main(run)) },
		"fixture": func() {
			if err := fixture(os.Args[1], os.Args[2], os.Args[3:]...); err != nil {
				os.Stderr.WriteString(err.Error() + "\n")
				os.Exit(1)
			}
		},
	})
}

func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir: "testdata/script",
		Setup: func(e *testscript.Env) error {
			root, err := filepath.Abs("../..")
			e.Setenv("PIPELINE", filepath.Join(root, "pipelines", "tr119"))
			return err
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){"exits": exits, "truncate": truncate, "edit": edit},
	})
}

// exits is a command of the scripts: exits CODE COMMAND ARG... runs a command that must end with that code, and with one
// line on standard error where the code is not 0.
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
	if said := ts.ReadFile("stderr"); code != 0 && (strings.Count(said, "\n") != 1 || strings.Contains(said, "panic")) {
		ts.Fatalf("standard error has %q, want one line", said)
	}
}

// truncate is a command of the scripts: truncate FILE leaves the first half of a file.
func truncate(ts *testscript.TestScript, _ bool, args []string) {
	data := ts.ReadFile(args[0])
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), []byte(data[:len(data)/2]), 0o644))
}

// edit is a command of the scripts: edit FILE OLD NEW changes the first OLD of a file.
func edit(ts *testscript.TestScript, _ bool, args []string) {
	data := ts.ReadFile(args[0])
	after := strings.Replace(data, args[1], args[2], 1)
	if after == data {
		ts.Fatalf("%s does not hold %q", args[0], args[1])
	}
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), []byte(after), 0o644))
}

// fixture is a command of the scripts: fixture PIPELINE DIR [MODE...] writes the artifacts of the archive to DIR, as
// bh-stats describe, bh-cost and bh-stats analyse do; of the modes given, or of all.
func fixture(pipeline, dir string, modes ...string) error {
	plan, err := matrix.Load(filepath.Join(pipeline, "matrix.yaml"))
	if err != nil {
		return err
	}
	shapes := make([]cell.Shape, len(plan.Scenarios))
	for i, s := range plan.Scenarios {
		shapes[i] = cell.Shape{Scenario: s.Name, BatchSize: s.BatchSize, PromptTokens: s.PromptTokens, MaxNewTokens: s.MaxNewTokens}
	}
	b := cell.NewBuilder()
	csv := filepath.Join(pipeline, "archive", "tr119_measurements.csv")
	if _, err := store.Scan(context.Background(), store.Input{Paths: []string{csv}}, store.Handlers{
		Cell: func(c *record.Cell) error {
			if len(modes) == 0 || slices.Contains(modes, string(c.Mode)) {
				b.AddCell(c)
			}
			return nil
		}}); err != nil {
		return err
	}
	cells, err := b.Cells()
	if err != nil {
		return err
	}
	devices := map[string]record.Device{}
	for _, c := range cells {
		devices[c.Backend] = record.CPU
		if strings.Contains(c.Backend, "gpu") {
			devices[c.Backend] = record.GPU
		}
	}
	cell.Fill(cells, shapes, devices)
	book, err := cost.LoadBook(filepath.Join(pipeline, "pricing.yaml"))
	if err != nil {
		return err
	}
	var rows []record.Cost
	for _, m := range []cost.Method{cost.MethodDefault, cost.MethodTR119} {
		priced, err := cost.Price(cells, book, m)
		if err != nil {
			return err
		}
		rows = append(rows, priced...)
	}
	stats, err := compare.Analyse(cells, rows, compare.DefaultOptions())
	if err != nil {
		return err
	}
	return errors.Join(os.MkdirAll(dir, 0o755), store.WriteFile(filepath.Join(dir, "cells.parquet"), cells),
		store.WriteFile(filepath.Join(dir, "cost.parquet"), rows), stats.Write(filepath.Join(dir, "stats.json")))
}

// TestExamples runs the examples of the command's documentation in a folder that has the files they name.
func TestExamples(t *testing.T) {
	f, err := parser.ParseFile(token.NewFileSet(), "main.go", nil, parser.ParseComments)
	if err != nil {
		t.Fatal(err)
	}
	pipeline, err := filepath.Abs("../../pipelines/tr119")
	if err != nil {
		t.Fatal(err)
	}
	t.Chdir(t.TempDir())
	if err := errors.Join(fixture(pipeline, "results/tr119", "prefill"), fixture(pipeline, "results/tr117", "generate"), fixture(pipeline, "results/tr119-archive", "prefill"),
		fixture(pipeline, "results/tr122", "prefill"),
		os.CopyFS("pipelines/tr119", os.DirFS(pipeline))); err != nil {
		t.Fatal(err)
	}
	n := 0
	for line := range strings.Lines(f.Doc.Text()) {
		command, ok := strings.CutPrefix(line, "\t")
		if !ok {
			continue
		}
		n++
		command = strings.TrimSpace(command)
		if !strings.Contains(examples, command) {
			t.Errorf("--help does not show %q", command)
		}
		var out, errs bytes.Buffer
		if code := run(context.Background(), words(command), cli.Streams{Out: &out, Err: &errs}); code != cli.ExitOK || out.Len() == 0 {
			t.Errorf("%s: exit %d, printed %q: %s", command, code, out.String(), errs.String())
		}
	}
	if n != 6 {
		t.Errorf("the documentation has %d examples, want 6", n)
	}
	md, err := os.ReadFile("results/tr119-archive/report.md")
	if err != nil || !strings.HasPrefix(string(md), "# TR119, the archive analysed again\n") {
		t.Errorf("report.md begins with %.60q, %v", md, err)
	}
}

// words splits a command line at spaces outside of double quotes.
func words(line string) []string {
	parts := regexp.MustCompile(`"[^"]*"|\S+`).FindAllString(line, -1)
	for i := range parts {
		parts[i] = strings.Trim(parts[i], `"`)
	}
	return parts
}

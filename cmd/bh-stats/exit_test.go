package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/banterhearts/bh/pkg/cli"
	"github.com/banterhearts/bh/pkg/cost"
)

// TestBadInput runs every command on what it must refuse: exit code 2, one line that names the operand, and no output.
func TestBadInput(t *testing.T) {
	t.Chdir(t.TempDir())
	runs := testRuns(false)
	costs := price(t, runs, cost.MethodDefault)
	write(t, "runs.parquet", runs)
	write(t, "cost.parquet", costs)
	lines := jsonLines(t, runs)
	whole, err := os.ReadFile("cost.parquet")
	if err != nil {
		t.Fatal(err)
	}
	for name, content := range map[string]string{
		"empty.jsonl": "", "cut.parquet": string(whole[:len(whole)/2]), "half.jsonl": lines[:100],
		"nan.jsonl":       strings.Split(strings.Replace(lines, `"latency_ns":10000000`, `"latency_ns":NaN`, 1), "\n")[0] + "\n",
		"negative.jsonl":  strings.Split(strings.Replace(lines, `"latency_ns":10000000`, `"latency_ns":-5`, 1), "\n")[0] + "\n",
		"samecost.jsonl":  jsonLines(t, append(costs[:len(costs):len(costs)], costs...)),
		"bad-matrix.yaml": "scenarios: [",
	} {
		if err := os.WriteFile(name, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range []struct{ args, want string }{
		{"", "no command, want describe, compare, analyse or metrics"},
		{"explain", `unknown command "explain"`},
		{"describe nowhere.parquet", "nowhere.parquet"},
		{"describe empty.jsonl", "empty.jsonl"},
		{"describe half.jsonl", "half.jsonl"},
		{"describe nan.jsonl", "nan.jsonl:1"},
		{"describe negative.jsonl", "latency_ns"},
		{"describe cost.parquet", "holds costs, want runs or cells"},
		{"describe --matrix nowhere.yaml runs.parquet", "nowhere.yaml"},
		{"describe --matrix bad-matrix.yaml runs.parquet", "bad-matrix.yaml"},
		{"describe --device tensorrt runs.parquet", `--device: saw "tensorrt"`},
		{"describe --device tensorrt=tpu runs.parquet", `--device: saw "tensorrt=tpu"`},
		{"describe -o cells.txt runs.parquet", "cells.txt"},
		{"describe --format xml runs.parquet", `unknown format "xml"`},
		{"describe --no-such-flag", "no-such-flag"},
		{"compare cut.parquet", "cut.parquet"},
		{"compare runs.parquet", "holds runs, want costs"},
		{"compare --metric latency_ms cost.parquet", "holds costs, want runs or cells"},
		{"compare --metric speed cost.parquet", `unknown metric "speed"`},
		{"compare --metric latency_ms --tier spot runs.parquet", "a metric of runs, which have no price"},
		{"compare --tier cheap cost.parquet", `--tier: saw "cheap"`},
		{"compare --alpha 0 cost.parquet", "--alpha: saw 0"},
		{"compare --alpha high cost.parquet", "alpha"},
		{"compare -o pairs.parquet cost.parquet", "pairs are not records"},
		{"compare -o pairs.txt cost.parquet", "pairs.txt"},
		{"compare samecost.jsonl", "twice, want one value"},
		{"analyse nowhere.parquet", "nowhere.parquet"},
		{"analyse -o stats.parquet runs.parquet", "want a .json file"},
		{"analyse -o stats.json samecost.jsonl", "twice, want one value"},
		{"analyse --resamples 0 runs.parquet", "--resamples: saw 0"},
		{"analyse --tier cheap runs.parquet", `--tier: saw "cheap"`},
		{"analyse --alpha NaN runs.parquet", "--alpha: saw NaN"},
		{"metrics nowhere.parquet", "nowhere.parquet"},
		{"metrics cost.parquet", "holds costs, want runs"},
		{"metrics -o metrics.parquet runs.parquet", "metrics are not records"},
	} {
		before := folder(t)
		code, out, errs := tool(t.Context(), "", strings.Fields(c.args)...)
		if code != cli.ExitBadInput {
			t.Errorf("bh-stats %s: exit %d, want %d: %s", c.args, code, cli.ExitBadInput, errs)
		}
		if !strings.Contains(errs, c.want) || strings.Count(errs, "\n") != 1 {
			t.Errorf("bh-stats %s: stderr %q, want one line with %q", c.args, errs, c.want)
		}
		if after := folder(t); out != "" || after != before {
			t.Errorf("bh-stats %s: stdout %q, files %s, before %s", c.args, out, after, before)
		}
	}
}

// folder lists the working folder.
func folder(t *testing.T) string {
	t.Helper()
	names, err := filepath.Glob("*")
	if err != nil {
		t.Fatal(err)
	}
	hidden, err := filepath.Glob(".*")
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprint(names, hidden)
}

func TestRejectedRowsArePartial(t *testing.T) {
	lines := jsonLines(t, testRuns(false))
	broken := strings.Replace(lines, `"latency_ns":10000000`, `"latency_ns":-5`, 1)
	out, errs := must(t, cli.ExitPartial, broken, "describe")
	if strings.Count(out, "\n") != 6 || !strings.Contains(errs, "1 of 18 rows rejected; first: -:1: field latency_ns: saw -5") {
		t.Errorf("stdout %q, stderr %q", out, errs)
	}
	twice := lines + strings.SplitAfter(lines, "\n")[0]
	if _, errs = must(t, cli.ExitPartial, twice, "compare", "--metric", "latency_ms", "--quiet"); !strings.Contains(errs, "run_id") {
		t.Errorf("stderr %q", errs)
	}
}

func TestInterrupted(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if code, _, errs := tool(ctx, jsonLines(t, testRuns(false)), "describe"); code != cli.ExitInterrupted {
		t.Errorf("exit %d, want %d: %s", code, cli.ExitInterrupted, errs)
	}
}

// closedPipe is the other end of a pipe that has gone.
type closedPipe struct{}

func (closedPipe) Write([]byte) (int, error) {
	return 0, &os.PathError{Op: "write", Path: "|1", Err: syscall.EPIPE}
}

func TestClosedPipeIsQuiet(t *testing.T) {
	for _, command := range [][]string{{"describe"}, {"compare", "--metric", "latency_ms"}, {"analyse"}, {"metrics"}} {
		var errs strings.Builder
		s := cli.Streams{In: strings.NewReader(jsonLines(t, testRuns(false))), Out: closedPipe{}, Err: &errs}
		if code := run(t.Context(), append([]string{toolName}, command...), s); code != cli.ExitOK || errs.Len() != 0 {
			t.Errorf("%s: exit %d, stderr %q", command, code, errs.String())
		}
	}
}

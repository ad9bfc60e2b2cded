package backend

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/banterhearts/bh/pkg/model"
	"github.com/banterhearts/bh/pkg/pyenv"
	"github.com/banterhearts/bh/pkg/record"
)

// fakePython makes $BH_PYTHON a program that says of itself what an interpreter with the packages says.
func fakePython(t *testing.T, headers bool) (path string) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "python")
	text := fmt.Sprintf("#!/bin/sh\necho '"+`{"version": "3.12.1", "packages": {"torch": "2.15.0", "transformers": "5.23.0", "safetensors": "0.8.0"}, "headers": %v}`+"'\n", headers)
	if err := os.WriteFile(path, []byte(text), 0o755); err != nil {
		t.Fatal(err)
	}
	t.Setenv(pyenv.EnvVar, path)
	return path
}

func wantMissing(t *testing.T, err error, reason Reason, remedy string) {
	t.Helper()
	var missing *Unavailable
	if !errors.As(err, &missing) || missing.Reason != reason || !strings.Contains(missing.Remedy, remedy) {
		t.Errorf("saw %v, want %s and the remedy %q", err, reason, remedy)
	}
}

func TestTransformersCheckWithoutACache(t *testing.T) {
	fakePython(t, true)
	t.Setenv("HOME", "")
	t.Setenv("XDG_CACHE_HOME", "")
	b, _ := Lookup("transformers-cpu")
	wantMissing(t, b.Check(), FolderNotFound, "set HOME")
	_, _, err := b.Command()
	wantMissing(t, err, FolderNotFound, "set HOME")

	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("HOME", file) // takes no files
	t.Setenv("XDG_CACHE_HOME", file)
	_, _, err = b.Command()
	wantMissing(t, err, FolderNotFound, "takes files")
}

func TestTransformersCheckWithoutPython(t *testing.T) {
	t.Setenv(pyenv.EnvVar, filepath.Join(t.TempDir(), "none"))
	for _, name := range []string{"transformers-cpu", "transformers-cpu-compile"} {
		b, _ := Lookup(name)
		wantMissing(t, b.Check(), PythonNotFound, "unset BH_PYTHON")
		_, _, err := b.Command()
		wantMissing(t, err, PythonNotFound, "unset BH_PYTHON")
	}
	t.Setenv(pyenv.EnvVar, "")
	t.Setenv("XDG_CACHE_HOME", t.TempDir())
	t.Setenv("HOME", t.TempDir()) // the cache of darwin
	t.Chdir(t.TempDir())
	b, _ := Lookup("transformers-cpu")
	wantMissing(t, b.Check(), PythonNotFound, "bh-run setup transformers")
	if found := b.Probe(); found != nil {
		t.Errorf("it found %v", found)
	}
	if Installs()["transformers"] != b.Install {
		t.Error("the remedy names what cannot be installed")
	}
}

func TestTransformersCheckLooksForACompiler(t *testing.T) {
	fakePython(t, true)
	bin := t.TempDir()
	t.Setenv("PATH", bin+":/bin")
	compiler := filepath.Join(bin, "my-c++")
	if err := os.WriteFile(compiler, nil, 0o755); err != nil {
		t.Fatal(err)
	}
	eager, _ := Lookup("transformers-cpu")
	compiles, _ := Lookup("transformers-cpu-compile")
	t.Setenv("CXX", "no-such-compiler -O2")
	wantMissing(t, compiles.Check(), LibraryNotFound, "install g++")
	if err := eager.Check(); err != nil {
		t.Errorf("without a compiler: %v", err)
	}
	t.Setenv("CXX", compiler+" -O2")
	if err := compiles.Check(); err != nil {
		t.Error(err)
	}
	fakePython(t, false)
	wantMissing(t, compiles.Check(), LibraryNotFound, "install python3-dev")
}

func TestTransformersCheckLooksForAGPU(t *testing.T) {
	dir := t.TempDir()
	none, some := filepath.Join(dir, "none"), filepath.Join(dir, "some")
	wantMissing(t, checkGPUDevice([]string{none, some}), GPUNotFound, "")
	if err := os.WriteFile(some, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if err := checkGPUDevice([]string{none, some}); err != nil {
		t.Error(err)
	}
}

func TestTransformersCapabilities(t *testing.T) {
	for name, want := range map[string]struct{ precisions, settings int }{
		"transformers-cpu": {1, 1}, "transformers-cpu-compile": {1, 4}, "transformers-gpu": {3, 1}, "transformers-gpu-compile": {3, 4},
	} {
		b, ok := Lookup(name)
		if !ok {
			t.Fatalf("%s is not registered", name)
		}
		c := b.Capabilities
		if len(c.Precisions) != want.precisions || c.Precisions[0] != "fp32" || len(c.Settings) != want.settings || !slices.Equal(c.Modes, record.Modes()) {
			t.Errorf("%s: saw %+v", name, c)
		}
		if wantGPU := strings.Contains(name, "gpu"); wantGPU != (b.Device == record.GPU) || b.Command == nil || b.Open != nil {
			t.Errorf("%s: saw device %s", name, b.Device)
		}
	}
}

func TestTransformersCommand(t *testing.T) {
	python := fakePython(t, true)
	t.Setenv("XDG_CACHE_HOME", t.TempDir())
	t.Setenv("HOME", t.TempDir()) // the cache of darwin
	var script string
	for range 2 { // the second time it repairs what is there
		argv, env, err := transformersCommand()
		if err != nil {
			t.Fatal(err)
		}
		script = argv[len(argv)-1]
		if argv[0] != python || !slices.Contains(env, "HF_HUB_OFFLINE=1") {
			t.Errorf("saw %v with %v", argv, env)
		}
		if have, err := os.ReadFile(script); err != nil || !bytes.Equal(have, transformersWorker) {
			t.Errorf("%s: saw %d bytes, %v, want the embedded program", script, len(have), err)
		}
		if err := os.WriteFile(script, []byte("cut off"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if found := probePython(); found["torch"] != "2.15.0" || found["python"] != "3.12.1 ($BH_PYTHON)" {
		t.Errorf("saw %v", found)
	}
}

// python3 runs a program with the machine's Python, which need not have any package.
func python3(t *testing.T, input, program string) string {
	t.Helper()
	path, err := exec.LookPath("python3")
	if err != nil {
		t.Skip("this machine has no Python")
	}
	cmd := exec.Command(path, "-c", program)
	cmd.Stdin = strings.NewReader(input)
	cmd.Env = append(os.Environ(), "PYTHONDONTWRITEBYTECODE=1")
	var errs bytes.Buffer
	cmd.Stderr = &errs
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v\n%s", err, errs.String())
	}
	return string(out)
}

// TestTransformersWorkerIsPython310 parses the program as the oldest Python that it is written for.
func TestTransformersWorkerIsPython310(t *testing.T) {
	python3(t, string(transformersWorker), "import ast, sys; ast.parse(sys.stdin.read(), feature_version=(3, 10))")
}

// TestTransformersWorkerDrawsTheSameNumbers compares the random numbers of the two languages.
func TestTransformersWorkerDrawsTheSameNumbers(t *testing.T) {
	var want []float64
	for _, seed := range []int64{0, 1, -1, 42, 1 << 62, -1 << 63} {
		for sequence := range 3 {
			for _, position := range []int{0, 1, 1000} {
				want = append(want, uniform(uint64(seed), sequence, position))
			}
		}
	}
	var got []float64
	out := python3(t, "", `import json, transformers_worker as w
print(json.dumps([w.uniform(seed, sequence, position)
    for seed in (0, 1, -1, 42, 1 << 62, -1 << 63) for sequence in range(3) for position in (0, 1, 1000)]))`)
	if err := json.Unmarshal([]byte(out), &got); err != nil || !slices.Equal(got, want) {
		t.Errorf("saw %v, %v, want %v", got, err, want)
	}
}

// TestTransformersWorkerRefuses speaks the protocol with the worker without any package: it answers every request and ends
// when there are no more.
func TestTransformersWorkerRefuses(t *testing.T) {
	folder := t.TempDir()
	for _, name := range []string{model.MetaFile, model.ConfigFile, model.WeightsFile} {
		if err := os.WriteFile(filepath.Join(folder, name), nil, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	open := func(dir string) string {
		return fmt.Sprintf(`"op":"open","v":2,"backend":"transformers-cpu","spec":{"model_dir":%q,"precision":"fp32","threads":1,"settings":null}`, dir)
	}
	cases := []struct{ request, reason, detail string }{
		{`"op":"open","v":1`, "run_failed", "protocol version: saw 1, want 2"},
		{`"op":"dance","v":2`, "run_failed", "'dance'"},
		{`"op":"prepare","v":2,"cell":"a","task":{}`, "run_failed", "no open model"},
		{`"op":"measure","v":2,"cell":"a"`, "run_failed", "before it was prepared"},
		{open(filepath.Join(folder, "none")), "model_not_found", "is not there"},
		{open(folder), "python_not_found", "No module named 'torch'"},
	}
	path, err := exec.LookPath("python3")
	if err != nil {
		t.Skip("this machine has no Python")
	}
	// -S leaves the packages of the machine out, and so PyTorch where it has one.
	cmd := exec.Command(path, "-S", "-u", "transformers_worker.py")
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	answers := json.NewDecoder(out)
	for i, c := range cases {
		fmt.Fprintf(in, "{%s,\"id\":%d}\n", c.request, i+1)
		var reply struct {
			ID    int
			Error struct {
				Unavailable    bool
				Reason, Detail string
			}
		}
		if err := answers.Decode(&reply); err != nil {
			t.Fatal(err)
		}
		e := reply.Error
		if reply.ID != i+1 || e.Reason != c.reason || !strings.Contains(e.Detail, c.detail) || e.Unavailable != strings.HasSuffix(c.reason, "not_found") {
			t.Errorf("%s: saw %+v, want %s: %s", c.request, reply, c.reason, c.detail)
		}
	}
	if err := errors.Join(in.Close(), cmd.Wait()); err != nil {
		t.Errorf("it ended with %v", err)
	}
}

package backend

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/banterhearts/bh/pkg/model"
	"github.com/banterhearts/bh/pkg/ortlib"
	"github.com/banterhearts/bh/pkg/record"
)

// fakeRoot makes a file system with these files.
func fakeRoot(t *testing.T, files map[string]string) string {
	t.Helper()
	root := t.TempDir()
	for name, content := range files {
		path := filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return root
}

const (
	driver535 = "NVRM version: NVIDIA UNIX x86_64 Kernel Module  535.183.01  Sun May 12 19:39:15 UTC 2024\nGCC version:  12.2.0\n"
	driver580 = "NVRM version: NVIDIA UNIX Open Kernel Module for x86_64  580.95.05  Release Build  (x)\nGCC version:  13.3.0\n"
)

func TestFindGPU(t *testing.T) {
	for name, c := range map[string]struct {
		files map[string]string
		want  string // in the detail; "" for found
	}{
		"none":             {map[string]string{"dev/null": ""}, "/dev/nvidia0"},
		"control only":     {map[string]string{"dev/nvidiactl": ""}, "/dev/nvidia0"},
		"old driver":       {map[string]string{"dev/nvidia0": "", "proc/driver/nvidia/version": driver535}, "535.183.01"},
		"new driver":       {map[string]string{"dev/nvidia0": "", "proc/driver/nvidia/version": driver580}, ""},
		"in a container":   {map[string]string{"dev/nvidia3": ""}, ""},
		"unknown version":  {map[string]string{"dev/nvidia0": "", "proc/driver/nvidia/version": "?"}, ""},
		"Windows' own one": {map[string]string{"dev/dxg": ""}, ""},
	} {
		err := findGPU(fakeRoot(t, c.files))
		var missing *Unavailable
		if c.want == "" {
			if err != nil {
				t.Errorf("%s: saw %v", name, err)
			}
		} else if !errors.As(err, &missing) || missing.Reason != GPUNotFound || !strings.Contains(missing.Detail, c.want) {
			t.Errorf("%s: saw %v, want %s with %q", name, err, GPUNotFound, c.want)
		}
	}
}

// gpuMachine is what a machine with a GPU and a driver has, but for libraries: the providers' libraries stand in for those of
// the GPU build.
func gpuMachine(t *testing.T) gpuNeeds {
	lib, err := ortlib.Find()
	if err != nil {
		t.Fatal(err)
	}
	return gpuNeeds{
		root: fakeRoot(t, map[string]string{"dev/nvidia0": "", "proc/driver/nvidia/version": driver580,
			"proc/driver/nvidia/gpus/0000:01:00.0/information": "Model: \t\t NVIDIA H200\nIRQ:   1\n"}),
		providers: func(ortlib.Library) []string { return []string{lib.Path} },
		find:      func() (ortlib.Library, error) { return lib, nil },
		linker:    ortlib.SystemLinker,
	}
}

// TestLookGoesFromTheGPUToTheLibraries breaks one thing after the other.
func TestLookGoesFromTheGPUToTheLibraries(t *testing.T) {
	n := gpuMachine(t)
	if _, err := n.look(); err != nil {
		t.Fatalf("with everything there: saw %v", err)
	}
	if got := n.probe(); got["gpu 0"] != "NVIDIA H200" || got["driver"] != "580.95.05" || got["library"] == "" {
		t.Errorf("probe: saw %v", got)
	}
	var missing *Unavailable
	n.linker = func() ortlib.Linker { return ortlib.Linker{} } // which finds not even the C library
	if _, err := n.look(); !errors.As(err, &missing) || missing.Reason != LibraryNotFound || !strings.Contains(missing.Detail, "libc.so.6") {
		t.Errorf("libraries missing: saw %v", err)
	}
	n.providers = func(ortlib.Library) []string { return []string{filepath.Join(t.TempDir(), "none.so")} }
	if _, err := n.look(); !errors.As(err, &missing) || missing.Reason != LibraryFailed {
		t.Errorf("no provider: saw %v", err)
	}
	n.find = func() (ortlib.Library, error) { return ortlib.Library{}, ortlib.ErrNotFound }
	if _, err := n.look(); !errors.As(err, &missing) || missing.Reason != LibraryNotFound || missing.Remedy != setupGPU {
		t.Errorf("no build: saw %v", err)
	}
	n.root = t.TempDir()
	if _, err := n.look(); !errors.As(err, &missing) || missing.Reason != GPUNotFound || missing.Remedy != "" ||
		!strings.Contains(missing.Detail, "no NVIDIA GPU") || !strings.Contains(missing.Detail, ortlib.ErrNotFound.Error()) {
		t.Errorf("no GPU and no build: saw %v, want the one's reason and both named", err)
	}
}

func TestLacks(t *testing.T) {
	first, second := &Unavailable{Reason: GPUNotFound, Detail: "a"}, &Unavailable{Reason: PythonNotFound, Detail: "b", Remedy: "c"}
	for want, err := range map[string]error{
		"gpu_not_found: a; b":    lacks(nil, first, nil, second),
		"python_not_found: b; c": lacks(nil, second),
		"context canceled":       lacks(first, context.Canceled),
	} {
		if err == nil || err.Error() != want {
			t.Errorf("saw %v, want %s", err, want)
		}
	}
	if err := lacks(nil, nil); err != nil || first.Detail != "a" {
		t.Errorf("nothing missing: saw %v; %s", err, first.Detail)
	}
}

func TestMissingLibrariesNameWhatBringsThem(t *testing.T) {
	const cuda, trt = "libonnxruntime_providers_cuda.so", "libonnxruntime_providers_tensorrt.so"
	for name, c := range map[string]struct {
		missing []ortlib.Missing
		remedy  string
	}{
		"CUDA":     {[]ortlib.Missing{{Name: "libcublas.so.13", By: cuda}, {Name: "libnvinfer.so.10", By: trt}}, "bh-run setup onnxruntime-gpu"},
		"driver":   {[]ortlib.Missing{{Name: "libcublas.so.13", By: cuda}, {Name: "libcuda.so.1", By: cuda}}, "driver"},
		"TensorRT": {[]ortlib.Missing{{Name: "libnvinfer.so.10", By: trt}, {Name: "libnvonnxparser.so.10", By: trt}}, ortlib.TensorRTPackage},
	} {
		got := missingLibraries(c.missing)
		if got.Reason != LibraryNotFound || !strings.Contains(got.Remedy, c.remedy) {
			t.Errorf("%s: saw %v, want a remedy with %q", name, got, c.remedy)
		}
		for _, m := range c.missing {
			if !strings.Contains(got.Detail, m.Name) || !strings.Contains(got.Detail, m.By) {
				t.Errorf("%s: saw %q, want %s and %s in it", name, got.Detail, m.Name, m.By)
			}
		}
	}
}

// TestWithoutAGPUTheReasonIsSaid holds on machines that have none, such as those that run these tests; with a GPU, opening
// must fail for another reason, as the model folder is empty.
func TestWithoutAGPUTheReasonIsSaid(t *testing.T) {
	for _, name := range []string{"onnxruntime-gpu", "tensorrt"} {
		b, ok := Lookup(name)
		if !ok || b.Device != record.GPU || b.Install == nil || b.Install.Name != "onnxruntime-gpu" {
			t.Fatalf("%s: saw %+v", name, b)
		}
		want := findGPU("/")
		err := b.Check()
		var missing *Unavailable
		if want != nil && (!errors.As(err, &missing) || missing.Reason != GPUNotFound) {
			t.Errorf("%s: check without a GPU: saw %v", name, err)
		}
		if _, err := b.Open(t.Context(), Spec{ModelDir: t.TempDir(), Precision: "fp32"}); !errors.As(err, &missing) {
			t.Errorf("%s: open: saw %v", name, err)
		}
	}
}

func TestTensorRTWantsACalibrationForInt8(t *testing.T) {
	b, _ := Lookup("tensorrt")
	table := filepath.Join(t.TempDir(), "table")
	if err := os.WriteFile(table, []byte("ranges"), 0o644); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		spec Spec
		want Reason
	}{
		"none":      {Spec{Precision: "int8"}, PrecisionUnsupported},
		"not there": {Spec{Precision: "int8", Settings: map[string]string{calibrationTable: table + "x"}}, PrecisionUnsupported},
		"for fp16":  {Spec{Precision: "fp16", Settings: map[string]string{calibrationTable: table}}, SettingUnsupported},
	} {
		var missing *Unavailable
		if _, err := b.Open(t.Context(), c.spec); !errors.As(err, &missing) || missing.Reason != c.want {
			t.Errorf("%s: saw %v, want %s", name, err, c.want)
		}
	}
	if err := checkCalibration(Spec{Precision: "int8", Settings: map[string]string{calibrationTable: table}}); err != nil {
		t.Errorf("with a table: saw %v", err)
	}
}

func TestTensorRTOptions(t *testing.T) {
	t.Setenv("XDG_CACHE_HOME", t.TempDir())
	t.Setenv("HOME", t.TempDir())
	f := smallModel(t, 0)
	key := sessionKey{model.NextCache, shapes{batch: 2, minSeq: 1, maxSeq: 1, minPast: 5, maxPast: 9}}
	fp16, err := tensorRTOptions(Spec{Precision: "fp16", Settings: map[string]string{builderLevel: "4"}}, f, key)
	if err != nil {
		t.Fatal(err)
	}
	for option, want := range map[string]string{
		"trt_fp16_enable": "1", "trt_int8_enable": "", "trt_engine_cache_enable": "1", "trt_builder_optimization_level": "4",
		"trt_profile_min_shapes": "input_ids:2x1,attention_mask:2x6,past_key_values.0.key:2x4x5x6,past_key_values.0.value:2x4x5x6,",
		"trt_profile_opt_shapes": "input_ids:2x1,attention_mask:2x8,past_key_values.0.key:2x4x7x6,",
		"trt_profile_max_shapes": "input_ids:2x1,attention_mask:2x10,past_key_values.0.key:2x4x9x6,",
	} {
		if got := fp16[option]; got != want && !(strings.HasSuffix(want, ",") && strings.HasPrefix(got, want)) {
			t.Errorf("%s: saw %q, want %q", option, got, want)
		}
	}
	table := filepath.Join(t.TempDir(), "table")
	if err := os.WriteFile(table, []byte("ranges"), 0o644); err != nil {
		t.Fatal(err)
	}
	folders := map[string]bool{fp16["trt_engine_cache_path"]: true}
	for _, spec := range []Spec{{Precision: "fp32"}, {Precision: "int8", Settings: map[string]string{calibrationTable: table}}} {
		prompt := shapes{batch: 2, minSeq: 5, maxSeq: 5}
		for _, k := range []sessionKey{key, {model.FirstCache, prompt}, {model.NoCache, prompt}} {
			options, err := tensorRTOptions(spec, f, k)
			if err != nil {
				t.Fatal(err)
			}
			dir := options["trt_engine_cache_path"]
			if folders[dir] {
				t.Errorf("%s, %v: the engines' folder %s is another's", spec.Precision, k, dir)
			}
			folders[dir] = true
			beside, err := os.ReadFile(filepath.Join(dir, tableFile))
			if wanted := spec.Precision == "int8"; (err == nil && string(beside) == "ranges") != wanted {
				t.Errorf("%s: calibration table beside the engines: saw %q, %v", spec.Precision, beside, err)
			}
		}
	}
}

func TestShapesOfPassesThatShareAnEngine(t *testing.T) {
	p := batchOf([]int64{1, 2, 3, 4, 5}, []int64{6})
	for mode, want := range map[record.Mode][]shapes{
		record.Prefill:        {{batch: 2, minSeq: 5, maxSeq: 5}},
		record.Generate:       {{batch: 2, minSeq: 5, maxSeq: 8}, {batch: 2, minSeq: 5, maxSeq: 8}},
		record.GenerateCached: {{batch: 2, minSeq: 5, maxSeq: 5}, {batch: 2, minSeq: 1, maxSeq: 1, minPast: 5, maxPast: 7}},
	} {
		task := Task{Mode: mode, Prompt: p, MaxNewTokens: 4}
		for step, w := range want {
			x := growing(step, 2, 5)
			if mode == record.GenerateCached {
				x = single(step, 2, 5)
			}
			if got := shapesOf(task, x); got != w {
				t.Errorf("%s, step %d: saw %+v, want %+v", mode, step, got, w)
			}
		}
	}
}

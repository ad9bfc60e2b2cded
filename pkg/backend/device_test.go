package backend

import (
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/banterhearts/bh/pkg/model"
	"github.com/banterhearts/bh/pkg/model/modeltest"
	"github.com/banterhearts/bh/pkg/ortbind"
	"github.com/banterhearts/bh/pkg/ortlib"
	"github.com/banterhearts/bh/pkg/record"
)

// onHost is the target of a device whose memory is the host's: the CPU's own provider, through all the code of a GPU.
func onHost(precision string, ranged bool) target {
	return target{
		provider: ortbind.CPU, precision: precision, memory: ortbind.HostMemory, half: precision == "fp16", ranged: ranged,
		options: func(sessionKey) ([]ortbind.Provider, error) { return nil, nil },
	}
}

// openDeviceOnHost opens a model with a target on the host.
func openDeviceOnHost(t *testing.T, f *model.Folder, target target) Engine {
	t.Helper()
	lib, err := ortlib.Find()
	if err != nil {
		t.Fatalf("%v; `make test` fetches it", err)
	}
	e, err := openDevice(Spec{ModelDir: f.Dir, Precision: target.precision, Threads: 1}, lib, target)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := e.Close(); err != nil {
			t.Error(err)
		}
	})
	return e
}

// TestDecodingOnADeviceIsDecodingOnTheHost compares with onnxruntime-cpu, which is compared with the plain forward pass.
func TestDecodingOnADeviceIsDecodingOnTheHost(t *testing.T) {
	f := smallModel(t, 0)
	host := openSmall(t, f, nil)
	for _, ranged := range []bool{false, true} {
		device := openDeviceOnHost(t, f, onHost("fp32", ranged))
		for name, prompts := range map[string][][]int64{
			"one token": {{5}},
			"single":    {{3, 1, 4, 1, 5, 9, 2, 6}},
			"batch":     {{3, 1, 4}, {2, 7, 1}, {9, 9, 9}},
			"padded":    {{8}, {3, 1, 4, 1, 5}, {2, 7}},
		} {
			p := batchOf(prompts...)
			for _, mode := range record.Modes() {
				want, got := do(t, host, mode, p), do(t, device, mode, p)
				if !equalTokens(got.Output, want.Output) || got.Generated != want.Generated || len(got.ITL) != len(want.ITL) {
					t.Errorf("ranged %v, %s, %s: saw %v, %d tokens, %d gaps, want %v, %d, %d", ranged, name, mode,
						got.Output, got.Generated, len(got.ITL), want.Output, want.Generated, len(want.ITL))
				}
				if got.Flags != nil {
					t.Errorf("%s, %s: saw flags %v though the provider took all nodes", name, mode, got.Flags)
				}
			}
		}
	}
}

func TestSamplingAndEOSOnADevice(t *testing.T) {
	ref, err := modeltest.Load(smallModel(t, 0))
	if err != nil {
		t.Fatal(err)
	}
	prompt, eos := lateToken(t, ref)
	f := smallModel(t, eos)
	host, device := openSmall(t, f, nil), openDeviceOnHost(t, f, onHost("fp32", false))
	both := batchOf(prompt, []int64{9, 9, 9})
	for _, mode := range []record.Mode{record.Generate, record.GenerateCached} {
		for _, temperature := range []float64{0, 0.9} {
			task := Task{Mode: mode, Prompt: both, MaxNewTokens: newTokens, Temperature: temperature, Seed: 11, Offset: 3}
			want, got := runOnce(t, host, task), runOnce(t, device, task)
			if !equalTokens(got.Output, want.Output) || got.Generated != want.Generated {
				t.Errorf("%s at %g: saw %v, want %v", mode, temperature, got.Output, want.Output)
			}
			if temperature == 0 && len(got.Output[0]) != 3 {
				t.Errorf("%s: saw %v, want the first sequence to end with its third token", mode, got.Output)
			}
		}
	}
}

// runOnce runs a task and copies its tokens.
func runOnce(t *testing.T, e Engine, task Task) Result {
	t.Helper()
	job, err := e.Prepare(task)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := job.Close(); err != nil {
			t.Error(err)
		}
	})
	res, err := job.Run()
	if err != nil {
		t.Fatal(err)
	}
	res.Output = copyTokens(res.Output)
	return res
}

// TestJobsOnADeviceRunAtTheSameTime has two prompts in flight; each gives what it gives alone.
func TestJobsOnADeviceRunAtTheSameTime(t *testing.T) {
	f := smallModel(t, 0)
	e := openDeviceOnHost(t, f, onHost("fp32", false))
	prompts := [][]int64{{3, 1, 4}, {2, 7, 1}}
	var jobs []Job
	var want [][][]int64
	for _, p := range prompts {
		task := Task{Mode: record.GenerateCached, Prompt: batchOf(p), MaxNewTokens: newTokens}
		want = append(want, runOnce(t, e, task).Output)
		job, err := e.Prepare(task)
		if err != nil {
			t.Fatal(err)
		}
		defer job.Close() //nolint:errcheck // closing frees memory and cannot fail
		jobs = append(jobs, job)
	}
	done := make(chan error, len(jobs))
	for i, job := range jobs {
		go func() {
			for range 20 {
				res, err := job.Run()
				if err == nil && !equalTokens(res.Output, want[i]) {
					err = fmt.Errorf("job %d: saw %v, want %v", i, res.Output, want[i])
				}
				if err != nil {
					done <- err
					return
				}
			}
			done <- nil
		}()
	}
	for range jobs {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
}

// TestHalfPrecisionIsNear runs the float16 graph, whose nodes the CPU's provider computes partly in float32, and compares
// its logits with float32's.
func TestHalfPrecisionIsNear(t *testing.T) {
	f := smallModel(t, 0)
	for _, ranged := range []bool{false, true} {
		full, half := openDeviceOnHost(t, f, onHost("fp32", ranged)), openDeviceOnHost(t, f, onHost("fp16", ranged))
		for _, prompt := range [][][]int64{{{3, 1, 4, 1, 5}}, {{8}, {3, 1, 4, 1, 5}}} { // the second is padded
			for _, mode := range record.Modes() {
				task := Task{Mode: mode, Prompt: batchOf(prompt...), MaxNewTokens: 1}
				want, got := lastLogits(t, full, task), lastLogits(t, half, task)
				near(t, got, want)
				if slices.Equal(got, want) {
					t.Errorf("%s: float16 gave float32's logits to the last bit", mode)
				}
			}
		}
	}
}

// near wants every logit within 1% of the logits' range.
func near(t *testing.T, got, want []float32) {
	t.Helper()
	limit := 0.01 * (slices.Max(want) - slices.Min(want))
	for i := range want {
		if diff := got[i] - want[i]; !(diff < limit && -diff < limit) { // NaN fails too
			t.Fatalf("logit %d: saw %g, want %g within %g", i, got[i], want[i], limit)
		}
	}
}

// lastLogits are the logits that a task's first token is chosen from.
func lastLogits(t *testing.T, e Engine, task Task) []float32 {
	t.Helper()
	s := e.(*deviceEngine).newStore(task)
	defer s.close() //nolint:errcheck // it cannot fail
	x := extent{batch: task.Prompt.Batch(), seq: task.Prompt.Tokens(), cached: task.Mode == record.GenerateCached}
	p, err := s.pass(x, task.Prompt)
	if err != nil {
		t.Fatal(err)
	}
	defer p.close() //nolint:errcheck // as above
	if err := p.run(); err != nil {
		t.Fatal(err)
	}
	var out []float32
	for b := range x.batch {
		out = append(out, p.last(b)...)
	}
	return out
}

func TestInfoSaysWhatTheProviderTook(t *testing.T) {
	f := smallModel(t, 0)
	info := openDeviceOnHost(t, f, onHost("fp16", false)).Info()
	for key, want := range map[string]string{
		"library": "onnxruntime " + ortlib.Version, "weights": f.WeightsSHA256, "provider": ortbind.CPU, "precision": "fp16",
		"memory": "Cpu", "logits_memory": "Cpu", // this library knows no pinned memory, so that is the next best
		"nodes_fallback": "0", "nodes_shapes_on_cpu": "0",
	} {
		if info[key] != want {
			t.Errorf("%s: saw %q, want %q", key, info[key], want)
		}
	}
	if n := info["nodes_"+ortbind.CPU]; len(n) < 2 {
		t.Errorf("saw %q nodes, want tens", n)
	}
}

// TestPlacementCountsWhatFellBack gives the assignment that ONNX Runtime reports for a real graph, as if its provider had
// refused some of the nodes.
func TestPlacementCountsWhatFellBack(t *testing.T) {
	f := smallModel(t, 0)
	e := openDeviceOnHost(t, f, onHost("fp32", false)).(*deviceEngine)
	graph, err := f.Graph(model.Variant{Cache: model.NextCache})
	if err != nil {
		t.Fatal(err)
	}
	session := e.sessions[sessionKey{cache: model.NextCache}]
	assigned, err := session.Assignment()
	if err != nil {
		t.Fatal(err)
	}
	for i, a := range assigned {
		if !graph.Shapes[a.Node] && a.Op != "Gelu" && a.Op != "CumSum" {
			assigned[i].Provider = ortbind.CUDA
		}
	}
	p := place(assigned, ortbind.CUDA, graph.Shapes)
	layers := f.Config.NLayer
	if len(p.fallback) != layers+1 || p.shapes != len(graph.Shapes) || p.taken != len(assigned)-p.shapes-layers-1 {
		t.Errorf("saw %d taken, %d shapes, fallback %v of %d nodes with %d shapes", p.taken, p.shapes, p.fallback, len(assigned), len(graph.Shapes))
	}
	if flags := p.flags(); !slices.Equal(flags, []Flag{ProviderFallback}) {
		t.Errorf("saw flags %v", flags)
	}
	info := map[string]string{}
	p.describe(info)
	if info["fallback_operators"] != "CumSum Gelu" || info["nodes_fallback"] != fmt.Sprint(layers+1) {
		t.Errorf("saw %v", info)
	}
	// A session whose provider took nothing is refused, and so is one that has no memory of the device.
	var missing *Unavailable
	for name, target := range map[string]target{
		"no node taken": {provider: ortbind.CUDA}, "no device memory": {provider: ortbind.CPU, memory: ortbind.DeviceMemory},
	} {
		err := (&deviceSession{Session: session.Session}).look(target, nil)
		if !errors.As(err, &missing) || missing.Reason != ProviderNotTaken {
			t.Errorf("%s: saw %v", name, err)
		}
	}
}

// TestAProviderThatIsNotThereIsSaid asks the CPU's build for CUDA and TensorRT.
func TestAProviderThatIsNotThereIsSaid(t *testing.T) {
	f := smallModel(t, 0)
	lib, err := ortlib.Find()
	if err != nil {
		t.Fatal(err)
	}
	fp32 := Spec{Precision: "fp32"}
	for name, target := range map[string]target{"CUDA": cudaTarget(fp32), "Tensorrt": tensorRTTarget(fp32, f)} {
		t.Setenv("XDG_CACHE_HOME", t.TempDir())
		var missing *Unavailable
		_, err := openDevice(Spec{ModelDir: f.Dir, Precision: "fp32", Threads: 1}, lib, target)
		if !errors.As(err, &missing) || missing.Reason != ProviderNotTaken || !strings.Contains(missing.Detail, name+"ExecutionProvider: ") {
			t.Errorf("%s: saw %v", name, err)
		}
	}
}

func TestOpenDeviceSaysWhatIsMissing(t *testing.T) {
	lib, err := ortlib.Find()
	if err != nil {
		t.Fatal(err)
	}
	var missing *Unavailable
	if _, err := openDevice(Spec{ModelDir: t.TempDir()}, lib, onHost("fp32", false)); !errors.As(err, &missing) || missing.Reason != ModelNotFound {
		t.Errorf("no model: saw %v", err)
	}
	f := smallModel(t, 0)
	lib.Path = filepath.Join(t.TempDir(), "none.so")
	if _, err := openDevice(Spec{ModelDir: f.Dir}, lib, onHost("fp32", false)); !errors.As(err, &missing) || missing.Reason != LibraryFailed {
		t.Errorf("no library: saw %v", err)
	}
}

// TestFailuresOfADeviceHaveReasons has the words of the real GPU build, without a driver and with others' libraries.
func TestFailuresOfADeviceHaveReasons(t *testing.T) {
	const parse = "/onnxruntime_src/onnxruntime/core/providers/cuda/cuda_execution_provider_info.cc:62 static onnxruntime::CUDAExecutionProviderInfo " +
		"onnxruntime::CUDAExecutionProviderInfo::FromProviderOptions(const onnxruntime::ProviderOptions&) [ONNXRuntimeError] : 1 : FAIL : "
	cuda := func(text string) error { return &ortbind.ProviderError{Provider: ortbind.CUDA, Err: errors.New(text)} }
	for want, err := range map[string]error{
		"gpu_not_found: CUDA failure 35: CUDA driver version is insufficient for CUDA runtime version; install the NVIDIA driver 580 or newer": cuda(
			parse + `provider_options_utils.h:187 Parse Failed to parse provider option "device_id": CUDA failure 35: CUDA driver version ` +
				"is insufficient for CUDA runtime version ; GPU=-1 ; hostname=vm ; file=/onnxruntime_src/x.cc ; line=69 ; expr=cudaGetDeviceCount(&num_devices); "),
		"gpu_not_found: CUDA failure 100: no CUDA-capable device is detected": cuda("CUDA failure 100: no CUDA-capable device is detected ; GPU=-1 ; hostname=vm ; file=x"),
		"out_of_memory: CUDA failure 2: out of memory":                        errors.New("CUDA failure 2: out of memory ; GPU=0 ; hostname=vm ; file=x"),
		"provider_not_taken: CUDAExecutionProvider: Failed to load library /x/libonnxruntime_providers_cuda.so with error: libcublasLt.so.13: " +
			"cannot open shared object file: No such file or directory": cuda(strings.Replace(parse, "cuda/", "", 1) +
			"Failed to load library /x/libonnxruntime_providers_cuda.so with error: libcublasLt.so.13: cannot open shared object file: No such file or directory\n"),
		"model_failed: gpt2: Load model failed": errors.New("Load model failed\nstack trace"),
	} {
		if got := openFailure("/models/gpt2", err).Error(); got != want {
			t.Errorf("saw  %s\nwant %s", got, want)
		}
	}
	for want, text := range map[string]string{
		"out_of_memory: CUBLAS failure 3: the resource allocation failed, out of memory":  "Non-zero status code: CUBLAS failure 3: the resource allocation failed, out of memory ; GPU=0",
		"out_of_memory: Failed to allocate memory for requested buffer of size 154389504": "Failed to allocate memory for requested buffer of size 154389504",
		"run_failed: CUDA failure 700: an illegal memory access":                          "CUDA failure 700: an illegal memory access ; GPU=0",
	} {
		if got := runFailure(errors.New(text)).Error(); got != want {
			t.Errorf("saw  %s\nwant %s", got, want)
		}
	}
}

package backend

import (
	"context"
	"errors"
	"fmt"
	"os"

	ort "github.com/yalue/onnxruntime_go"

	"github.com/banterhearts/bh/pkg/model"
	"github.com/banterhearts/bh/pkg/ortlib"
	"github.com/banterhearts/bh/pkg/record"
)

// graphOptimization is the setting that names ONNX Runtime's graph optimisation level.
const graphOptimization = "graph_optimization"

// stopSpinning is the session's setting that sends its threads to sleep when a run ends. Without it those of model.onnx
// were still spinning when a run of model_kv.onnx came next: on two CPUs a prefill of 42 ms took 67 ms, depending on which
// cell was measured before. Decoding step by step is not slower with it (docs/bench/onnxruntime.txt).
const stopSpinning = "session.force_spinning_stop"

var graphLevels = map[string]ort.GraphOptimizationLevel{
	"all":      ort.GraphOptimizationLevelEnableAll,
	"extended": ort.GraphOptimizationLevelEnableExtended,
	"basic":    ort.GraphOptimizationLevelEnableBasic,
	"disable":  ort.GraphOptimizationLevelDisableAll,
}

func init() {
	Register(&Backend{
		Name:    "onnxruntime-cpu",
		Device:  record.CPU,
		Summary: "ONNX Runtime " + ortlib.Version + ", CPU execution provider",
		Capabilities: Capabilities{
			Modes:      record.Modes(),
			Precisions: []string{"fp32"},
			Settings:   map[string][]string{graphOptimization: {"all", "extended", "basic", "disable"}},
		},
		Check: checkLibrary,
		Setup: func(ctx context.Context, say func(string)) error {
			_, err := ortlib.Ensure(ctx, say)
			return err
		},
		Probe: probeLibrary,
		Open:  openCPU,
	})
}

func checkLibrary() error {
	_, err := findLibrary()
	return err
}

func findLibrary() (ortlib.Library, error) {
	lib, err := ortlib.Find()
	if err != nil {
		return lib, &Unavailable{Reason: LibraryNotFound, Detail: err.Error(), Remedy: libraryRemedy(ortlib.EnvVar, "run `bh-run setup`")}
	}
	if _, err := lib.Inspect(); err != nil {
		return lib, &Unavailable{Reason: LibraryFailed, Detail: err.Error(), Remedy: libraryRemedy(ortlib.EnvVar, "run `bh-run setup`")}
	}
	return lib, nil
}

// libraryRemedy is setup, but where setup cannot help: it fetches nothing when the user's own is named by a variable, and
// has nowhere to put it without a cache folder.
func libraryRemedy(variable, setup string) string {
	if os.Getenv(variable) != "" {
		return "unset " + variable + ", or point it at version " + ortlib.Version
	}
	return withCache(setup)
}

// withCache is a command that needs the user's cache folder, or what gives it one.
func withCache(command string) string {
	if _, err := os.UserCacheDir(); err != nil {
		return "set HOME or XDG_CACHE_HOME"
	}
	return command
}

func probeLibrary() map[string]string {
	lib, err := ortlib.Find()
	if err != nil {
		return nil
	}
	version, err := lib.Inspect()
	if err != nil {
		return nil
	}
	out := map[string]string{"library": lib.Path + " (" + lib.Origin + ")"}
	if version != "" {
		out["onnxruntime"] = version
	}
	return out
}

// openCPU loads the library once per process, as its environment is global, and opens the model folder; the graphs are
// loaded when a task first needs them.
func openCPU(_ context.Context, spec Spec) (Engine, error) {
	lib, err := findLibrary()
	if err != nil {
		return nil, err
	}
	folder, err := openFolder(spec.ModelDir)
	if err != nil {
		return nil, err
	}
	ort.SetSharedLibraryPath(lib.Path)
	if !ort.IsInitialized() {
		if err := ort.InitializeEnvironment(ort.WithLogLevelError()); err != nil {
			return nil, &Unavailable{Reason: LibraryFailed, Detail: fmt.Sprintf("%s: %v", lib.Path, err),
				Remedy: libraryRemedy(ortlib.EnvVar, "run `bh-run setup`")}
		}
	}
	return &ortEngine{spec: spec, folder: folder, lib: lib}, nil
}

// ortEngine holds the sessions of one model.
type ortEngine struct {
	spec   Spec
	folder *model.Folder
	lib    ortlib.Library
	plain  *ort.DynamicAdvancedSession // model.onnx, nil until needed
	kv     *ort.DynamicAdvancedSession // model_kv.onnx, nil until needed
}

// Info implements Engine.
func (e *ortEngine) Info() map[string]string {
	return map[string]string{
		"library":  "onnxruntime " + ort.GetVersion(),
		"origin":   e.lib.Origin,
		"model":    e.folder.Name,
		"weights":  e.folder.WeightsSHA256,
		"sampler":  sharedSampler,
		"spinning": "until the end of a run",
	}
}

// Prepare implements Engine.
func (e *ortEngine) Prepare(task Task) (Job, error) {
	return prepare(task, e.folder.Config, e.newStore(task))
}

// Close implements Engine.
func (e *ortEngine) Close() error {
	var errs []error
	for _, s := range []*ort.DynamicAdvancedSession{e.plain, e.kv} {
		if s != nil {
			errs = append(errs, s.Destroy())
		}
	}
	return errors.Join(errs...)
}

// plainSession is the session of the graph without a cache.
func (e *ortEngine) plainSession() (*ort.DynamicAdvancedSession, error) {
	if e.plain == nil {
		s, err := e.open(e.folder.ONNXPath(), []string{model.InputIDs, model.AttentionMask}, []string{model.Logits})
		if err != nil {
			return nil, err
		}
		e.plain = s
	}
	return e.plain, nil
}

// kvSession is the session of the graph with past keys and values.
func (e *ortEngine) kvSession() (*ort.DynamicAdvancedSession, error) {
	if e.kv == nil {
		in, out := []string{model.InputIDs, model.AttentionMask}, []string{model.Logits}
		for i := range e.folder.Config.NLayer {
			in = append(in, model.PastKey(i), model.PastValue(i))
			out = append(out, model.PresentKey(i), model.PresentValue(i))
		}
		s, err := e.open(e.folder.ONNXKVPath(), in, out)
		if err != nil {
			return nil, err
		}
		e.kv = s
	}
	return e.kv, nil
}

func (e *ortEngine) open(path string, in, out []string) (_ *ort.DynamicAdvancedSession, err error) {
	opts, err := ort.NewSessionOptions()
	if err != nil {
		return nil, fmt.Errorf("session options: %w", err)
	}
	defer func() { err = errors.Join(err, opts.Destroy()) }()
	level := e.spec.Settings[graphOptimization]
	if level == "" {
		level = "all"
	}
	if err := errors.Join(opts.SetIntraOpNumThreads(e.spec.Threads), opts.SetInterOpNumThreads(1),
		opts.SetGraphOptimizationLevel(graphLevels[level]), opts.AddSessionConfigEntry(stopSpinning, "1")); err != nil {
		return nil, fmt.Errorf("session options: %w", err)
	}
	s, err := ort.NewDynamicAdvancedSession(path, in, out, opts)
	if err != nil {
		return nil, &Unavailable{Reason: ModelFailed, Detail: fmt.Sprintf("%s: %v", path, err)}
	}
	return s, nil
}

package ortbind

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/banterhearts/bh/pkg/model/onnx"
	"github.com/banterhearts/bh/pkg/ortlib"
)

// TestHeadersAreThoseOfOnnxruntimeGo keeps the two users of the C API at one version of it.
func TestHeadersAreThoseOfOnnxruntimeGo(t *testing.T) {
	dir, err := exec.CommandContext(t.Context(), "go", "list", "-m", "-f", "{{.Dir}}", "github.com/yalue/onnxruntime_go").Output()
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"onnxruntime_c_api.h", "onnxruntime_ep_c_api.h"} {
		want, err := os.ReadFile(filepath.Join(strings.TrimSpace(string(dir)), name))
		if err != nil {
			t.Fatal(err)
		}
		got, err := os.ReadFile(filepath.Join("include", name))
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got, want) {
			t.Errorf("include/%s is not onnxruntime_go's: copy it", name)
		}
	}
}

// library loads ONNX Runtime, which `make test` puts where the tests find it.
func library(t *testing.T) *Library {
	t.Helper()
	found, err := ortlib.Find()
	if err != nil {
		t.Fatalf("%v; `make test` fetches it", err)
	}
	l, err := Load(found.Path)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// doubling is a graph with y = 2 x.
func doubling() []byte {
	b := onnx.NewBuilder("doubling")
	x := b.Input("x", onnx.Float, onnx.Dyn("n"))
	b.Output(b.Named("y", "Add", []string{x, x}), onnx.Float, onnx.Dyn("n"))
	m := onnx.Model{IRVersion: 9, Opset: 20, Producer: "test", Graph: b.Graph()}
	return m.Marshal()
}

func open(t *testing.T) *Session {
	t.Helper()
	s, err := library(t).Open(doubling(), t.TempDir(), Options{Threads: 1, Level: All})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s
}

func TestBindingComputesInBoundMemory(t *testing.T) {
	s := open(t)
	memory, err := s.Memory(HostMemory, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer memory.Close()
	binding, err := s.Bind()
	if err != nil {
		t.Fatal(err)
	}
	defer binding.Close()
	var buffers [2]*Buffer
	var views [2]*Tensor
	for i, bind := range []func(string, *Tensor) error{binding.Input, binding.Output} {
		if buffers[i], err = memory.Alloc(16); err != nil {
			t.Fatal(err)
		}
		defer buffers[i].Free()
		if views[i], err = buffers[i].Tensor(Float, 3); err != nil {
			t.Fatal(err)
		}
		defer views[i].Free()
		if err := bind([]string{"x", "y"}[i], views[i]); err != nil {
			t.Fatal(err)
		}
	}
	for _, x := range [][]float32{{1, 2, 3}, {4, 5, 6}} { // the memory is read and written where it is, at each run
		copy(buffers[0].Floats(), x)
		if err := binding.Run(); err != nil {
			t.Fatal(err)
		}
		if got, want := buffers[1].Floats()[:3], []float32{2 * x[0], 2 * x[1], 2 * x[2]}; !slices.Equal(got, want) {
			t.Errorf("saw %v, want %v", got, want)
		}
	}
	if _, err := buffers[0].Tensor(Float, 5); err == nil {
		t.Error("a tensor larger than its buffer: saw no error")
	}
	if err := binding.Input("w", views[0]); err == nil || !strings.Contains(err.Error(), "input w") {
		t.Errorf("an input that is not there: saw %v", err)
	}
}

func TestAssignmentNamesNodes(t *testing.T) {
	got, err := open(t).Assignment()
	if want := []Assigned{{CPU, "Add_1", "Add"}}; err != nil || !slices.Equal(got, want) {
		t.Errorf("saw %v, %v, want %v", got, err, want)
	}
}

func TestWhatIsNotThereIsAnError(t *testing.T) {
	if _, err := Load(filepath.Join(t.TempDir(), "none.so")); err == nil || !strings.Contains(err.Error(), "none.so") {
		t.Errorf("no library: saw %v", err)
	}
	if err := Preload(filepath.Join(t.TempDir(), "none.so")); err == nil || !strings.Contains(err.Error(), "none.so") {
		t.Errorf("nothing to preload: saw %v", err)
	}
	l := library(t)
	if _, err := l.Open([]byte("no graph"), t.TempDir(), Options{Threads: 1}); err == nil {
		t.Error("no graph: saw no error")
	}
	for _, name := range []string{CUDA, TensorRT, "NoneExecutionProvider"} {
		var refused *ProviderError
		provider := Provider{Name: name, Options: map[string]string{"device_id": "0"}}
		_, err := l.Open(doubling(), t.TempDir(), Options{Threads: 1, Providers: []Provider{provider}})
		if !errors.As(err, &refused) || refused.Provider != name || !strings.HasPrefix(err.Error(), name) {
			t.Errorf("%s: saw %v", name, err)
		}
	}
	if _, err := open(t).Memory(DeviceMemory, 0); err == nil || !strings.Contains(err.Error(), "memory Cuda of device 0") {
		t.Errorf("no device: saw %v", err)
	}
}

// TestTheHostDoesNotReadADevice stops a mistake of this repository before the processor does.
func TestTheHostDoesNotReadADevice(t *testing.T) {
	defer func() {
		if recover() == nil {
			t.Error("reading a device's memory did not panic")
		}
	}()
	(&Buffer{memory: &Memory{Name: DeviceMemory}}).Floats()
}

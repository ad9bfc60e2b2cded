package model_test

import (
	"os"
	"sync"
	"testing"

	ort "github.com/yalue/onnxruntime_go"

	"github.com/banterhearts/bh/pkg/model"
)

// libEnv names the ONNX Runtime shared library; `make test` sets it.
const libEnv = "BH_ONNXRUNTIME_LIB"

var initRuntime = sync.OnceValue(func() error {
	ort.SetSharedLibraryPath(os.Getenv(libEnv))
	return ort.InitializeEnvironment(ort.WithLogLevelError())
})

// session is a graph loaded in ONNX Runtime.
type session struct {
	s      *ort.DynamicAdvancedSession
	config model.Config
	cached bool
}

// needRuntime fails a test that cannot reach ONNX Runtime: a skipped conformance test would prove nothing.
func needRuntime(t *testing.T) {
	t.Helper()
	if os.Getenv(libEnv) == "" {
		t.Fatalf("%s is not set; run `make test`, which fetches ONNX Runtime and sets it", libEnv)
	}
	if err := initRuntime(); err != nil {
		t.Fatalf("ONNX Runtime at %s: %v", os.Getenv(libEnv), err)
	}
}

// load opens one of the folder's graphs.
func load(t *testing.T, f *model.Folder, cached bool) *session {
	t.Helper()
	path, inputs, outputs := f.ONNXPath(), []string{model.InputIDs, model.AttentionMask}, []string{model.Logits}
	if cached {
		path = f.ONNXKVPath()
		for layer := range f.Config.NLayer {
			inputs = append(inputs, model.PastKey(layer), model.PastValue(layer))
			outputs = append(outputs, model.PresentKey(layer), model.PresentValue(layer))
		}
	}
	s, err := ort.NewDynamicAdvancedSession(path, inputs, outputs, oneThread(t))
	if err != nil {
		t.Fatalf("load %s: %v", path, err)
	}
	t.Cleanup(func() {
		if err := s.Destroy(); err != nil {
			t.Error(err)
		}
	})
	return &session{s, f.Config, cached}
}

// oneThread keeps ONNX Runtime's threads from spinning while other tests want the processor.
func oneThread(t *testing.T) *ort.SessionOptions {
	t.Helper()
	options, err := ort.NewSessionOptions()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := options.Destroy(); err != nil {
			t.Error(err)
		}
	})
	if err := options.SetIntraOpNumThreads(1); err != nil {
		t.Fatal(err)
	}
	return options
}

// cache holds the present keys and values of a call, the past of the next.
type cache struct{ values []ort.Value }

func (s *session) emptyCache(t *testing.T, batch int) *cache {
	t.Helper()
	c := &cache{}
	for range 2 * s.config.NLayer {
		v, err := ort.NewEmptyTensor[float32](ort.NewShape(int64(batch), int64(s.config.NHead), 0, int64(s.config.HeadDim())))
		if err != nil {
			t.Fatal(err)
		}
		c.values = append(c.values, v)
	}
	t.Cleanup(func() { c.destroy(t) })
	return c
}

func (c *cache) destroy(t *testing.T) {
	for _, v := range c.values {
		if err := v.Destroy(); err != nil {
			t.Error(err)
		}
	}
}

// run is one forward pass: the logits as [batch][seq][vocabulary]. It replaces the content of c, which is nil for
// model.onnx.
func (s *session) run(t *testing.T, ids, mask [][]int64, c *cache) [][][]float32 {
	t.Helper()
	inputs := []ort.Value{matrix(t, ids), matrix(t, mask)}
	defer (&cache{inputs[:2:2]}).destroy(t)
	outputs := []ort.Value{nil}
	if s.cached {
		inputs = append(inputs, c.values...)
		outputs = append(outputs, make([]ort.Value, 2*s.config.NLayer)...)
	}
	if err := s.s.Run(inputs, outputs); err != nil {
		t.Fatalf("run: %v", err)
	}
	defer (&cache{outputs[:1]}).destroy(t)
	if s.cached {
		c.destroy(t)
		c.values = outputs[1:]
	}
	return unflatten(outputs[0].(*ort.Tensor[float32]).GetData(), len(ids), len(ids[0]), s.config.VocabSize)
}

func matrix(t *testing.T, rows [][]int64) ort.Value {
	t.Helper()
	var data []int64
	for _, r := range rows {
		data = append(data, r...)
	}
	v, err := ort.NewTensor(ort.NewShape(int64(len(rows)), int64(len(rows[0]))), data)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// unflatten copies data, which belongs to ONNX Runtime, into [batch][seq][vocabulary].
func unflatten(data []float32, batch, seq, vocab int) [][][]float32 {
	out := make([][][]float32, batch)
	for b := range out {
		out[b] = make([][]float32, seq)
		for i := range out[b] {
			at := (b*seq + i) * vocab
			out[b][i] = append([]float32(nil), data[at:at+vocab]...)
		}
	}
	return out
}

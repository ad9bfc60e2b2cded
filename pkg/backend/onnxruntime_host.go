package backend

import (
	"errors"
	"fmt"
	"slices"

	ort "github.com/yalue/onnxruntime_go"

	"github.com/banterhearts/bh/pkg/workload"
)

// hostStore is a job's memory on the host. The cache of keys and values goes back and forth between two buffers of batch x
// heads x tokens x head size for each layer and part: a pass reads its past from one and writes its present into the
// other, so that nothing is copied or allocated between passes.
type hostStore struct {
	engine *ortEngine
	logits []float32
	cache  [2][][]float32
}

var _ store = (*hostStore)(nil)

func (e *ortEngine) newStore(task Task) *hostStore {
	c, batch := e.folder.Config, task.Prompt.Batch()
	seq, cached := largest(task)
	s := &hostStore{engine: e, logits: make([]float32, batch*seq*c.VocabSize)}
	if cached > 0 {
		for side := range s.cache {
			for range 2 * c.NLayer {
				s.cache[side] = append(s.cache[side], make([]float32, batch*cached*c.NEmbd))
			}
		}
	}
	return s
}

func (s *hostStore) flags() []Flag { return nil }

func (s *hostStore) close() error { return nil }

// hostPass is a pass with its tensors, which are views of the store.
type hostPass struct {
	session *ort.DynamicAdvancedSession
	in, out []ort.Value
	input   []int64 // ids
	logits  []float32
	extent
	vocab int
}

var _ pass = (*hostPass)(nil)

func (s *hostStore) pass(x extent, prompt workload.Prompt) (pass, error) {
	session, err := s.session(x)
	if err != nil {
		return nil, err
	}
	c := s.engine.folder.Config
	mask := make([]int64, x.batch*(x.past+x.seq))
	p := &hostPass{session: session, extent: x, vocab: c.VocabSize,
		input: make([]int64, x.batch*x.seq), logits: s.logits[:x.batch*x.seq*c.VocabSize]}
	x.fill(p.input, mask, prompt)
	err = errors.Join(
		addTensor(&p.in, p.input, x.batch, x.seq),
		addTensor(&p.in, mask, x.batch, x.past+x.seq),
		addTensor(&p.out, p.logits, x.batch, x.seq, c.VocabSize))
	for i := range s.cache[0] { // past in from the side that the pass before wrote, present out into the other
		err = errors.Join(err,
			addTensor(&p.in, s.cache[(x.step+1)%2][i], x.batch, c.NHead, x.past, c.HeadDim()),
			addTensor(&p.out, s.cache[x.step%2][i], x.batch, c.NHead, x.past+x.seq, c.HeadDim()))
	}
	if err != nil {
		return nil, errors.Join(err, p.close())
	}
	return p, nil
}

func (s *hostStore) session(x extent) (*ort.DynamicAdvancedSession, error) {
	if x.cached {
		return s.engine.kvSession()
	}
	return s.engine.plainSession()
}

func (p *hostPass) ids() []int64 { return p.input }

func (p *hostPass) send() error { return nil } // ONNX Runtime reads the memory where it is

func (p *hostPass) run() error {
	if err := p.session.Run(p.in, p.out); err != nil {
		return &RunError{Reason: RunFailed, Detail: err.Error()}
	}
	return nil
}

func (p *hostPass) last(b int) []float32 {
	end := (b + 1) * p.seq * p.vocab
	return p.logits[end-p.vocab : end]
}

func (p *hostPass) close() error {
	var errs []error
	for _, v := range slices.Concat(p.in, p.out) {
		errs = append(errs, v.Destroy())
	}
	return errors.Join(errs...)
}

// addTensor appends a tensor over data to list.
func addTensor[T ort.TensorData](list *[]ort.Value, data []T, shape ...int) error {
	dims := make([]int64, len(shape))
	for i, d := range shape {
		dims[i] = int64(d)
	}
	t, err := ort.NewTensor(ort.NewShape(dims...), data)
	if err != nil {
		return fmt.Errorf("tensor %v: %w", shape, err)
	}
	*list = append(*list, t)
	return nil
}

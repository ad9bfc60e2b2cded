package backend

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/banterhearts/bh/pkg/model"
	"github.com/banterhearts/bh/pkg/ortbind"
	"github.com/banterhearts/bh/pkg/record"
	"github.com/banterhearts/bh/pkg/workload"
)

// deviceStore is a job's memory on the device, laid out as hostStore's, and the memory that the last logits come back to.
// All logits are computed and stay on the device; copying them would take longer than computing them.
type deviceStore struct {
	engine   *deviceEngine
	task     Task
	used     []*deviceSession
	compiled time.Duration     // spent on loading sessions for this job
	buffers  []*ortbind.Buffer // to be freed
	logits   *ortbind.Buffer   // batch x seq x vocabulary
	last     *ortbind.Buffer   // batch x vocabulary, on the host
	cache    [2][]*ortbind.Buffer
}

var _ store = (*deviceStore)(nil)

func (e *deviceEngine) newStore(task Task) *deviceStore { return &deviceStore{engine: e, task: task} }

// elem is the type of logits, keys and values on the device.
func (t target) elem() ortbind.Type {
	if t.half {
		return ortbind.Float16
	}
	return ortbind.Float
}

// allocate reserves the memory when the first session is there.
func (s *deviceStore) allocate(session *deviceSession) error {
	c, batch := s.engine.folder.Config, s.task.Prompt.Batch()
	seq, cached := largest(s.task)
	size := s.engine.target.elem().Size()
	s.logits = s.take(session.device, batch*seq*c.VocabSize*size)
	s.last = s.take(session.host, batch*c.VocabSize*ortbind.Float.Size())
	if cached > 0 {
		for side := range s.cache {
			for range 2 * c.NLayer {
				s.cache[side] = append(s.cache[side], s.take(session.device, batch*cached*c.NEmbd*size))
			}
		}
	}
	if slices.Contains(s.buffers, nil) {
		return &RunError{Reason: OutOfMemory, Detail: fmt.Sprintf("no room in %s memory for a batch of %d sequences of %d tokens",
			session.device.Name, batch, max(seq, cached))}
	}
	return nil
}

// take reserves memory, nil where there is none left.
func (s *deviceStore) take(m *ortbind.Memory, bytes int) *ortbind.Buffer {
	b, err := m.Alloc(bytes)
	if err != nil {
		b = nil
	}
	s.buffers = append(s.buffers, b)
	return b
}

func (s *deviceStore) flags() []Flag {
	for _, session := range s.used {
		if flags := session.placement.flags(); flags != nil {
			return flags
		}
	}
	return nil
}

func (s *deviceStore) close() error {
	for _, b := range s.buffers {
		if b != nil {
			b.Free()
		}
	}
	s.buffers = nil
	return nil
}

// session is the one that runs x.
func (s *deviceStore) session(x extent) (*deviceSession, error) {
	key := sessionKey{}
	if x.cached {
		key.cache = model.NextCache
	}
	if s.engine.target.ranged {
		key.shapes = shapesOf(s.task, x)
		if x.cached && x.past == 0 {
			key.cache = model.FirstCache
		}
	}
	session, loading, err := s.engine.session(key)
	if err != nil {
		return nil, err
	}
	s.compiled += loading
	if !slices.Contains(s.used, session) {
		s.used = append(s.used, session)
	}
	if s.logits == nil {
		err = s.allocate(session)
	}
	return session, err
}

// shapes are the smallest and the largest sizes that a session runs.
type shapes struct{ batch, minSeq, maxSeq, minPast, maxPast int }

// shapesOf are those of the task's passes that share x's session.
func shapesOf(task Task, x extent) shapes {
	prompt, longest := task.Prompt.Tokens(), task.Prompt.Tokens()+task.MaxNewTokens-1
	out := shapes{batch: x.batch, minSeq: x.seq, maxSeq: x.seq}
	switch {
	case task.Mode == record.Generate:
		out.minSeq, out.maxSeq = prompt, longest
	case x.past > 0:
		out.minPast, out.maxPast = prompt, longest-1
	}
	return out
}

// devicePass is a pass whose tensors are bound.
type devicePass struct {
	binding *ortbind.Binding
	input   *ortbind.Buffer // ids on the host
	idsView *ortbind.Tensor
	lastRow []float32 // batch x vocabulary
	vocab   int
	buffers []*ortbind.Buffer
	tensors []*ortbind.Tensor
}

var _ pass = (*devicePass)(nil)

func (s *deviceStore) pass(x extent, prompt workload.Prompt) (pass, error) {
	session, err := s.session(x)
	if err != nil {
		return nil, err
	}
	b, err := session.Bind()
	if err != nil {
		return nil, runFailure(err)
	}
	p := &devicePass{binding: b, lastRow: s.last.Floats(), vocab: s.engine.folder.Config.VocabSize}
	if err := errors.Join(p.bindPrompt(session, x, prompt), s.bindRest(p, x)); err != nil {
		return nil, errors.Join(runFailure(err), p.close())
	}
	return p, nil
}

// bindPrompt brings ids and mask to the device, where they stay; only ids that are written later are sent again.
func (p *devicePass) bindPrompt(session *deviceSession, x extent, prompt workload.Prompt) error {
	ids, err := session.host.Alloc(x.batch * x.seq * ortbind.Int64.Size())
	if err != nil {
		return err
	}
	p.buffers, p.input = append(p.buffers, ids), ids
	mask, err := session.host.Alloc(x.batch * (x.past + x.seq) * ortbind.Int64.Size())
	if err != nil {
		return err
	}
	p.buffers = append(p.buffers, mask)
	clear(ids.Int64s())
	x.fill(ids.Int64s(), mask.Int64s(), prompt)
	if p.idsView, err = p.tensor(ids, ortbind.Int64, x.batch, x.seq); err != nil {
		return err
	}
	view, err := p.tensor(mask, ortbind.Int64, x.batch, x.past+x.seq)
	if err != nil {
		return err
	}
	return errors.Join(p.send(), p.binding.Input(model.AttentionMask, view))
}

// bindRest binds the outputs, and the cache as hostStore does.
func (s *deviceStore) bindRest(p *devicePass, x extent) error {
	c, elem := s.engine.folder.Config, s.engine.target.elem()
	err := errors.Join(
		p.output(model.Logits, s.logits, elem, x.batch, x.seq, c.VocabSize),
		p.output(model.LastLogits, s.last, ortbind.Float, x.batch, 1, c.VocabSize))
	if !x.cached {
		return err
	}
	first := x.past == 0 && s.engine.target.ranged
	for i := range s.cache[0] {
		past, present := model.PastKey(i/2), model.PresentKey(i/2)
		if i%2 == 1 {
			past, present = model.PastValue(i/2), model.PresentValue(i/2)
		}
		err = errors.Join(err, p.output(present, s.cache[x.step%2][i], elem, x.batch, c.NHead, x.past+x.seq, c.HeadDim()))
		if !first {
			err = errors.Join(err, p.bindInput(past, s.cache[(x.step+1)%2][i], elem, x.batch, c.NHead, x.past, c.HeadDim()))
		}
	}
	return err
}

func (p *devicePass) tensor(b *ortbind.Buffer, t ortbind.Type, shape ...int) (*ortbind.Tensor, error) {
	view, err := b.Tensor(t, shape...)
	if err == nil {
		p.tensors = append(p.tensors, view)
	}
	return view, err
}

func (p *devicePass) output(name string, b *ortbind.Buffer, t ortbind.Type, shape ...int) error {
	view, err := p.tensor(b, t, shape...)
	if err != nil {
		return err
	}
	return p.binding.Output(name, view)
}

func (p *devicePass) bindInput(name string, b *ortbind.Buffer, t ortbind.Type, shape ...int) error {
	view, err := p.tensor(b, t, shape...)
	if err != nil {
		return err
	}
	return p.binding.Input(name, view)
}

func (p *devicePass) ids() []int64 { return p.input.Int64s() }

func (p *devicePass) send() error { return p.binding.Input(model.InputIDs, p.idsView) }

func (p *devicePass) run() error {
	if err := p.binding.Run(); err != nil {
		return runFailure(err)
	}
	return nil
}

func (p *devicePass) last(b int) []float32 { return p.lastRow[b*p.vocab : (b+1)*p.vocab] }

func (p *devicePass) close() error {
	p.binding.Close()
	for _, t := range p.tensors {
		t.Free()
	}
	for _, b := range p.buffers {
		b.Free()
	}
	return nil
}

// profile writes sizes as the TensorRT provider takes them: name:1x2x3,name:… for each input of the graph.
func (k sessionKey) profile(c model.Config, seq, past int) string {
	inputs := []string{
		fmt.Sprintf("%s:%dx%d", model.InputIDs, k.batch, seq),
		fmt.Sprintf("%s:%dx%d", model.AttentionMask, k.batch, past+seq),
	}
	if k.cache == model.NextCache {
		for i := range c.NLayer {
			size := fmt.Sprintf(":%dx%dx%dx%d", k.batch, c.NHead, past, c.HeadDim())
			inputs = append(inputs, model.PastKey(i)+size, model.PastValue(i)+size)
		}
	}
	return strings.Join(inputs, ",")
}

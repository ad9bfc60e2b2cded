package backend

import (
	"errors"
	"fmt"
	"slices"
	"time"

	ort "github.com/yalue/onnxruntime_go"
)

// pass is one forward pass with its tensors, allocated beforehand.
type pass struct {
	session *ort.DynamicAdvancedSession
	in, out []ort.Value
	ids     []int64 // batch x seq, the memory of input_ids
	mask    []int64 // the memory of attention_mask
	logits  []float32
	batch   int
	seq     int
}

func (p *pass) run() error {
	if err := p.session.Run(p.in, p.out); err != nil {
		return &RunError{Reason: RunFailed, Detail: err.Error()}
	}
	return nil
}

func (p *pass) close() error {
	var errs []error
	for _, v := range slices.Concat(p.in, p.out) {
		errs = append(errs, v.Destroy())
	}
	return errors.Join(errs...)
}

// newPass allocates ids [batch, seq] and mask [batch, past+seq]; logits [batch, seq, vocab] stand in scratch, which the
// passes of a job share as only one of them runs at a time.
func (e *ortEngine) newPass(session *ort.DynamicAdvancedSession, scratch []float32, batch, seq, past int) (*pass, error) {
	p := &pass{session: session, batch: batch, seq: seq,
		ids: make([]int64, batch*seq), mask: make([]int64, batch*(past+seq))}
	vocab := e.folder.Config.VocabSize
	p.logits = scratch[:batch*seq*vocab]
	err := errors.Join(
		addTensor(&p.in, p.ids, batch, seq),
		addTensor(&p.in, p.mask, batch, past+seq),
		addTensor(&p.out, p.logits, batch, seq, vocab))
	if err != nil {
		return nil, errors.Join(err, p.close())
	}
	return p, nil
}

// scratch has room for the logits of batch x seq tokens.
func (e *ortEngine) scratch(batch, seq int) []float32 {
	return make([]float32, batch*seq*e.folder.Config.VocabSize)
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

// fill copies the rows of src, each as long as the row in dst or shorter, into dst of the given row length, and ones
// (real tokens) behind them.
func fill(dst []int64, rowLength int, src [][]int64) {
	for b, row := range src {
		n := copy(dst[b*rowLength:(b+1)*rowLength], row)
		for i := n; i < rowLength; i++ {
			dst[b*rowLength+i] = 1
		}
	}
}

// prefillJob is one forward pass over the prompt.
type prefillJob struct {
	*pass
	vocab  int
	output [][]int64
}

var _ Job = (*prefillJob)(nil)

func (e *ortEngine) preparePrefill(task Task) (Job, error) {
	s, err := e.plainSession()
	if err != nil {
		return nil, err
	}
	batch, seq := task.Prompt.Batch(), task.Prompt.Tokens()
	p, err := e.newPass(s, e.scratch(batch, seq), batch, seq, 0)
	if err != nil {
		return nil, err
	}
	fill(p.ids, p.seq, task.Prompt.IDs)
	fill(p.mask, p.seq, task.Prompt.Mask)
	j := &prefillJob{pass: p, vocab: e.folder.Config.VocabSize, output: make([][]int64, p.batch)}
	for i := range j.output {
		j.output[i] = make([]int64, 1)
	}
	return j, nil
}

// Run implements Job. The next token is chosen after the clock has stopped: prefill is the forward pass alone.
func (j *prefillJob) Run() (Result, error) {
	start := time.Now()
	err := j.run()
	latency := time.Since(start)
	if err != nil {
		return Result{}, err
	}
	for b := range j.output {
		end := (b*j.seq + j.seq) * j.vocab
		if j.output[b][0], err = argmax(j.logits[end-j.vocab : end]); err != nil {
			return Result{}, err
		}
	}
	return Result{Latency: latency, Output: j.output}, nil
}

// Close implements Job.
func (j *prefillJob) Close() error { return j.close() }

// generateJob is greedy decoding as a list of passes, one for each new token: growing prompts without a cache, or one
// prompt and then single tokens with a cache. feed puts the tokens of the last step into the next pass.
type generateJob struct {
	passes []*pass
	vocab  int
	state  *decoding
	itl    []time.Duration
	feed   func(step int, next []int64)
}

var _ Job = (*generateJob)(nil)

// Run implements Job. Choosing the token is part of decoding and inside the times.
func (j *generateJob) Run() (Result, error) {
	j.state.reset()
	j.itl = j.itl[:0]
	var ttft time.Duration
	start := time.Now()
	last := start
	for step, p := range j.passes {
		if step > 0 {
			j.feed(step, j.state.next)
		}
		if err := p.run(); err != nil {
			return Result{}, err
		}
		if err := j.state.step(p.logits, p.seq, j.vocab); err != nil {
			return Result{}, err
		}
		now := time.Now()
		if step == 0 {
			ttft = now.Sub(start)
		} else {
			j.itl = append(j.itl, now.Sub(last))
		}
		last = now
		if j.state.left == 0 {
			break
		}
	}
	return Result{Latency: last.Sub(start), TTFT: ttft, ITL: j.itl, Generated: j.state.count, Output: j.state.out}, nil
}

// Close implements Job.
func (j *generateJob) Close() error {
	var errs []error
	for _, p := range j.passes {
		errs = append(errs, p.close())
	}
	return errors.Join(errs...)
}

func (e *ortEngine) newGenerateJob(task Task) *generateJob {
	return &generateJob{
		vocab: e.folder.Config.VocabSize,
		state: newDecoding(task, int64(e.folder.Config.EOSTokenID)),
		itl:   make([]time.Duration, 0, task.MaxNewTokens),
	}
}

// prepareUncached plans one full forward pass per new token, each over everything so far.
func (e *ortEngine) prepareUncached(task Task) (Job, error) {
	s, err := e.plainSession()
	if err != nil {
		return nil, err
	}
	j := e.newGenerateJob(task)
	batch, longest := task.Prompt.Batch(), task.Prompt.Tokens()+task.MaxNewTokens-1
	scratch := e.scratch(batch, longest)
	for step := range task.MaxNewTokens {
		p, err := e.newPass(s, scratch, batch, task.Prompt.Tokens()+step, 0)
		if err != nil {
			return nil, errors.Join(err, j.Close())
		}
		fill(p.ids, p.seq, task.Prompt.IDs)
		fill(p.mask, p.seq, task.Prompt.Mask)
		j.passes = append(j.passes, p)
	}
	prompt := task.Prompt.Tokens()
	j.feed = func(step int, next []int64) {
		// Token number step-1 belongs into this pass and every later one; earlier ones were put there when they came.
		for _, p := range j.passes[step:] {
			for b, id := range next {
				p.ids[b*p.seq+prompt+step-1] = id
			}
		}
	}
	return j, nil
}

package backend

import (
	"errors"
	"time"

	"github.com/banterhearts/bh/pkg/model"
	"github.com/banterhearts/bh/pkg/record"
	"github.com/banterhearts/bh/pkg/workload"
)

// pass is one forward pass over memory that was allocated beforehand.
type pass interface {
	// ids is the memory of input_ids on the host: batch x seq.
	ids() []int64
	// send makes ids that were written known to the device that computes.
	send() error
	run() error
	// last is the logits of sequence b's last position, until the job's next pass.
	last(b int) []float32
	close() error
}

// extent is what a pass computes: seq new tokens of each sequence, behind past ones whose keys and values are cached.
type extent struct {
	cached           bool // with a cache that the pass reads and writes
	step             int  // of the new token that the pass gives
	batch, seq, past int
}

// fill writes the prompt where the pass takes it in, and ones (real tokens) behind it.
func (x extent) fill(ids, mask []int64, prompt workload.Prompt) {
	if x.past == 0 {
		fill(ids, x.seq, prompt.IDs)
	}
	fill(mask, x.past+x.seq, prompt.Mask)
}

// fill copies the rows of src, each as long as the row in dst or shorter, into dst of the given row length, and ones
// behind them.
func fill(dst []int64, rowLength int, src [][]int64) {
	for b, row := range src {
		n := copy(dst[b*rowLength:(b+1)*rowLength], row)
		for i := n; i < rowLength; i++ {
			dst[b*rowLength+i] = 1
		}
	}
}

// store is the memory of one job. Its passes share it, as only one of them runs at a time.
type store interface {
	pass(x extent, prompt workload.Prompt) (pass, error)
	flags() []Flag // doubts about everything that runs on it
	close() error
}

// largest is the most new tokens of a sequence in one pass of the task, and the most that its cache holds.
func largest(task Task) (seq, cached int) {
	seq = task.Prompt.Tokens()
	switch task.Mode {
	case record.Generate:
		return seq + task.MaxNewTokens - 1, 0
	case record.GenerateCached:
		return seq, seq + task.MaxNewTokens - 1
	}
	return seq, 0
}

// prepare plans the task's passes over the store, which the job closes.
func prepare(task Task, c model.Config, s store) (Job, error) {
	var j Job
	var err error
	if task.Mode == record.Prefill {
		j, err = preparePrefill(task, s)
	} else {
		j, err = prepareGenerate(task, c, s)
	}
	if err != nil {
		return nil, errors.Join(err, s.close())
	}
	return j, nil
}

// prefillJob is one forward pass over the prompt.
type prefillJob struct {
	store  store
	pass   pass
	output [][]int64
}

var _ Job = (*prefillJob)(nil)

func preparePrefill(task Task, s store) (Job, error) {
	batch := task.Prompt.Batch()
	p, err := s.pass(extent{batch: batch, seq: task.Prompt.Tokens()}, task.Prompt)
	if err != nil {
		return nil, err
	}
	j := &prefillJob{store: s, pass: p, output: make([][]int64, batch)}
	for i := range j.output {
		j.output[i] = make([]int64, 1)
	}
	return j, nil
}

// Run implements Job. The next token is chosen after the clock has stopped: prefill is the forward pass alone.
func (j *prefillJob) Run() (Result, error) {
	start := time.Now()
	err := j.pass.run()
	latency := time.Since(start)
	if err != nil {
		return Result{}, err
	}
	for b := range j.output {
		if j.output[b][0], err = argmax(j.pass.last(b)); err != nil {
			return Result{}, err
		}
	}
	return Result{Latency: latency, Output: j.output, Flags: j.store.flags()}, nil
}

// Close implements Job.
func (j *prefillJob) Close() error { return errors.Join(j.pass.close(), j.store.close()) }

// generateJob is greedy decoding as a list of passes, one for each new token: growing prompts without a cache, or one
// prompt and then single tokens with a cache. feed puts the tokens of the last step into the next pass.
type generateJob struct {
	store  store
	passes []pass
	state  *decoding
	itl    []time.Duration
	feed   func(step int, next []int64)
}

var _ Job = (*generateJob)(nil)

func prepareGenerate(task Task, c model.Config, s store) (Job, error) {
	j := &generateJob{store: s, state: newDecoding(task, int64(c.EOSTokenID)), itl: make([]time.Duration, 0, task.MaxNewTokens)}
	next, feed := growing, j.feedGrowing
	if task.Mode == record.GenerateCached {
		next, feed = single, j.feedSingle
	}
	prompt := task.Prompt.Tokens()
	j.feed = func(step int, ids []int64) { feed(prompt, step, ids) }
	for step := range task.MaxNewTokens {
		p, err := s.pass(next(step, task.Prompt.Batch(), prompt), task.Prompt)
		if err != nil {
			return nil, errors.Join(err, j.closePasses())
		}
		j.passes = append(j.passes, p)
	}
	return j, nil
}

// growing is a full forward pass over the prompt and everything new.
func growing(step, batch, prompt int) extent {
	return extent{step: step, batch: batch, seq: prompt + step}
}

// feedGrowing puts token number step-1 into this pass and every later one; earlier ones were put there when they came.
func (j *generateJob) feedGrowing(prompt, step int, next []int64) {
	for k, p := range j.passes[step:] {
		ids, seq := p.ids(), prompt+step+k
		for b, id := range next {
			ids[b*seq+prompt+step-1] = id
		}
	}
}

// single is a pass over the prompt with an empty cache, and then one over each new token.
func single(step, batch, prompt int) extent {
	if step == 0 {
		return extent{cached: true, batch: batch, seq: prompt}
	}
	return extent{cached: true, step: step, batch: batch, seq: 1, past: prompt + step - 1}
}

func (j *generateJob) feedSingle(_, step int, next []int64) { copy(j.passes[step].ids(), next) }

// Run implements Job. Feeding and choosing the token are part of decoding and inside the times.
func (j *generateJob) Run() (Result, error) {
	j.state.reset()
	j.itl = j.itl[:0]
	var ttft time.Duration
	start := time.Now()
	last := start
	for step, p := range j.passes {
		if err := j.pass(step, p); err != nil {
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
	return Result{Latency: last.Sub(start), TTFT: ttft, ITL: j.itl,
		Generated: j.state.count, Output: j.state.out, Flags: j.store.flags()}, nil
}

func (j *generateJob) pass(step int, p pass) error {
	if step > 0 {
		j.feed(step, j.state.next)
		if err := p.send(); err != nil {
			return err
		}
	}
	if err := p.run(); err != nil {
		return err
	}
	return j.state.step(p)
}

func (j *generateJob) closePasses() error {
	var errs []error
	for _, p := range j.passes {
		errs = append(errs, p.close())
	}
	return errors.Join(errs...)
}

// Close implements Job.
func (j *generateJob) Close() error { return errors.Join(j.closePasses(), j.store.close()) }

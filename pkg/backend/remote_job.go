package backend

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/banterhearts/bh/pkg/record"
	"github.com/banterhearts/bh/pkg/workload"
)

// Readier is a job that has to do something before each run that is no part of it, such as emptying a server's cache of
// prompts. A run does it itself where nobody did it before.
type Readier interface {
	// Ready does it now, unless nothing has run since the last time.
	Ready() error
}

// question is the request for one sequence, which can be asked again and again.
type question interface {
	// ask takes down the answer, with times since start.
	ask(ctx context.Context, start time.Time, a *answer) error
}

// promptCache is what a server may keep of prompts between requests.
type promptCache interface {
	// empty makes sure that the prompts find nothing of themselves in it.
	empty(ctx context.Context, prompts *prompts) error
	// begin and end enclose a run of the prompts.
	begin(prompts *prompts)
	end(prompts *prompts, answers []answer) cacheUse
}

// cacheUse is what a run's prompts found in a server's cache.
type cacheUse struct {
	tokens    int64 // unknownTokens where nobody knows
	suspected bool  // it must have been something
}

const unknownTokens = -1

// prompts is what a cache has to know of a job.
type prompts struct {
	first   map[int64]bool // the first token of each
	number  int            // of requests that are in flight at once
	lengths []int64        // of each, in tokens as we count them
	// computed and found are how long a server took for them, by its own clock, when they were not in its cache and when
	// they were; 0 where that is not known.
	computed, found time.Duration
}

// remoteJob is a batch of requests that are in flight at once.
type remoteJob struct {
	ctx       context.Context //nolint:containedctx // Run has none; this one ends with the worker
	prefill   bool
	questions []question
	answers   []answer
	cache     promptCache   // nil: the server is told with each request, or nothing can be done about it
	server    *ollamaServer // nil where it is none of Ollama's
	prompts   prompts
	eos       int64
	asked     int64      // new tokens of each sequence
	flags     []Flag     // of every run
	rehearsed []identity // what the server named in a rehearsal, nil where it names nothing
	isReady   bool

	itl      []time.Duration
	requests []time.Duration
	output   [][]int64
	ids      []int64 // the memory of output
}

var (
	_ Job     = (*remoteJob)(nil)
	_ Readier = (*remoteJob)(nil)
)

// identity is a text and the tokens that it is.
type identity struct {
	text string
	ids  []int64
}

// newRemoteJob makes a job of as many questions as the task has sequences, which fill gives it.
func newRemoteJob(ctx context.Context, task Task, eos int64) *remoteJob {
	batch := task.Prompt.Batch()
	j := &remoteJob{ctx: ctx, prefill: task.Mode == record.Prefill, answers: newAnswers(task), eos: eos, asked: int64(newTokensOf(task)),
		prompts: prompts{first: map[int64]bool{}, number: batch}, output: make([][]int64, batch),
		itl: make([]time.Duration, 0, newTokensOf(task)), requests: make([]time.Duration, 0, batch),
		ids: make([]int64, 0, batch*(newTokensOf(task)+1))}
	for i, mask := range task.Prompt.Mask {
		j.prompts.lengths = append(j.prompts.lengths, task.Prompt.Length(i))
		j.prompts.first[task.Prompt.IDs[i][max(0, slices.Index(mask, 1))]] = true
	}
	return j
}

// rehearsal is what is asked before the first run, to see that the server counts the same tokens as we do.
type rehearsal struct {
	questions []question
	asked     int64 // new tokens of each sequence
}

// fill gives the job its questions, and returns those of the rehearsal, for so many new tokens. Ask makes both for sequence i.
func (j *remoteJob) fill(p workload.Prompt, asked int64, ask func(i int, text string) (run, rehearse question, err error)) (rehearsal, error) {
	r := rehearsal{asked: asked}
	for i := range p.Batch() {
		text, err := promptText(p, i)
		if err != nil {
			return rehearsal{}, err
		}
		run, rehearse, err := ask(i, text)
		if err != nil {
			return rehearsal{}, err
		}
		j.questions = append(j.questions, run)
		r.questions = append(r.questions, rehearse)
	}
	return r, nil
}

// rehearse asks a rehearsal's questions.
func (j *remoteJob) rehearse(r rehearsal) error {
	if err := j.Ready(); err != nil {
		return err
	}
	j.isReady = false
	_, err := j.round(r.questions, j.answers)
	return err
}

// newTokensOf is how many tokens are asked for: prefill over HTTP is a request for one.
func newTokensOf(task Task) int {
	if task.Mode == record.Prefill {
		return 1
	}
	return task.MaxNewTokens
}

// newAnswers has room for a run's answers.
func newAnswers(task Task) []answer {
	const room = 8 // bytes of a token's text
	n := newTokensOf(task) + 1
	out := make([]answer, task.Prompt.Batch())
	for i := range out {
		out[i] = answer{arrived: make([]time.Duration, 0, n), text: make([]byte, 0, room*n), ends: make([]int, 0, n)}
	}
	return out
}

// Ready implements Readier.
func (j *remoteJob) Ready() error {
	if j.isReady || j.cache == nil {
		return nil
	}
	if err := j.cache.empty(j.ctx, &j.prompts); err != nil {
		return whileRunning(j.server.explain(err))
	}
	j.isReady = true
	return nil
}

// Close implements Job.
func (j *remoteJob) Close() error { return nil }

// Run implements Job.
func (j *remoteJob) Run() (Result, error) {
	if err := j.Ready(); err != nil {
		return Result{}, err
	}
	j.isReady = false
	use, err := j.round(j.questions, j.answers)
	if err != nil {
		return Result{}, whileRunning(j.server.explain(err))
	}
	return j.result(use)
}

// round asks all questions once.
func (j *remoteJob) round(questions []question, answers []answer) (cacheUse, error) {
	if j.cache == nil {
		return cacheUse{tokens: unknownTokens}, askAll(j.ctx, questions, answers)
	}
	j.cache.begin(&j.prompts)
	err := askAll(j.ctx, questions, answers)
	return j.cache.end(&j.prompts, answers), err
}

// askAll has all requests in flight at once. The first error ends them all.
func askAll(ctx context.Context, questions []question, answers []answer) error {
	for i := range answers {
		answers[i].reset()
	}
	if len(questions) == 1 {
		return questions[0].ask(ctx, time.Now(), &answers[0])
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	gate := make(chan time.Time, len(questions))
	var all sync.WaitGroup
	for i, q := range questions {
		all.Go(func() {
			if err := q.ask(ctx, <-gate, &answers[i]); err != nil {
				cancel(fmt.Errorf("sequence %d: %w", i+1, err))
			}
		})
	}
	start := time.Now()
	for range questions {
		gate <- start
	}
	all.Wait()
	return context.Cause(ctx)
}

// result sums up the answers. Step k is over when every sequence has its token number k or has ended, so it is as late as
// the latest of them.
func (j *remoteJob) result(use cacheUse) (Result, error) {
	res := Result{Output: j.output, Flags: slices.Clone(j.flags)}
	j.itl, j.requests, j.ids = j.itl[:0], j.requests[:0], j.ids[:0]
	isMerged, longest := false, 0
	for i := range j.answers {
		a := &j.answers[i]
		n, merged, err := j.count(i, j.asked)
		if err != nil {
			return Result{}, err
		}
		isMerged = isMerged || merged
		res.Generated += n
		longest = max(longest, len(a.arrived))
		j.requests = append(j.requests, a.arrived[len(a.arrived)-1])
		if res.Output != nil && !j.identify(i, n) {
			res.Output = nil
		}
	}
	var doubtful bool
	res.Cached, res.CacheTold, doubtful = j.cached(use)
	if doubtful {
		res.Flags = append(res.Flags, PromptCached)
	}
	res.Server = meanTimes(j.answers)
	if len(j.answers) > 1 {
		res.Requests = j.requests
	}
	j.clock(&res, longest)
	if j.prefill {
		res.TTFT, res.ITL, res.Generated = 0, nil, 0
	} else if isMerged {
		res.Flags = append(res.Flags, MergedTokens)
	}
	return res, nil
}

// cached is how many of the prompts' tokens came from a cache, whether that is known, and whether there is reason to doubt
// the run. A number that no prompt can have is not believed: then something was cached, and how much is unknown.
func (j *remoteJob) cached(use cacheUse) (tokens int64, told, doubtful bool) {
	if use.tokens != unknownTokens {
		return use.tokens, true, use.tokens > 0 || use.suspected
	}
	for i := range j.answers {
		a := &j.answers[i]
		if a.cached < 0 || a.cached > max(a.prompt, j.prompts.lengths[i]) {
			return 0, false, true
		}
		tokens += a.cached
	}
	return tokens, tokens > 0, tokens > 0 || use.suspected
}

// count is the number of new tokens of sequence i, and whether a piece brought several. Only an end of sequence makes them
// fewer than were asked for, and nothing more.
func (j *remoteJob) count(i int, asked int64) (n int64, merged bool, err error) {
	n, merged, err = j.answers[i].tokens(asked)
	if err == nil && n < asked && !j.answers[i].stopped {
		err = &RunError{Reason: AnswerCut,
			Detail: fmt.Sprintf("sequence %d: the server ended its answer at a limit of its own, after %d tokens, want %d; "+
				"give it a longer context, or ask for fewer new tokens", i+1, n, asked)}
	}
	return n, merged, err
}

// clock fills in the times.
func (j *remoteJob) clock(res *Result, longest int) {
	for step := range longest {
		var at time.Duration
		for i := range j.answers {
			arrived := j.answers[i].arrived
			at = max(at, arrived[min(step, len(arrived)-1)])
		}
		if step == 0 {
			res.TTFT = at
		} else {
			j.itl = append(j.itl, at-res.Latency)
		}
		res.Latency = at
	}
	res.ITL = j.itl
}

// identify fills in the output of sequence i, if it is known.
func (j *remoteJob) identify(i int, n int64) bool {
	a := &j.answers[i]
	from := len(j.ids)
	ids, ok := a.identify(j.ids, n, j.eos)
	if !ok && j.rehearsed != nil && j.rehearsed[i].ids != nil && j.rehearsed[i].text == string(a.text) {
		ids, ok = append(j.ids, j.rehearsed[i].ids...), int64(len(j.rehearsed[i].ids)) == n
	}
	if !ok {
		return false
	}
	j.ids = ids
	j.output[i] = ids[from:len(ids):len(ids)]
	return true
}

// meanTimes is the mean of what the server says of each request; nil where it says nothing of one.
func meanTimes(answers []answer) *ServerTimes {
	n := time.Duration(len(answers))
	var sum ServerTimes
	for i := range answers {
		s := answers[i].server
		if s == nil {
			return nil
		}
		sum.Load += s.Load / n
		sum.Prefill += s.Prefill / n
		sum.Decode += s.Decode / n
	}
	return &sum
}

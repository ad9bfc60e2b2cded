package backend

import (
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/banterhearts/bh/pkg/record"
	"github.com/banterhearts/bh/pkg/workload"
)

// TestNoRunFindsItsPrompt runs jobs of several sizes in any order on servers with any number of slots: no prompt of a run
// may find anything of itself, whatever the runs before it left behind.
func TestNoRunFindsItsPrompt(t *testing.T) {
	for seed := range uint64(3) {
		random := rand.New(rand.NewPCG(seed, 0))
		m := startOllama(t, []int{1, 2, 4}[seed%3])
		e := m.engine(t, false)
		e.cache.surely = 3 * clearlyTogether
		var jobs []Job
		for i := range 3 {
			jobs = append(jobs, m.job(t, e, random, i))
		}
		for range 6 {
			m.runAndLook(t, jobs[random.IntN(len(jobs))], random.IntN(2) == 0)
		}
	}
}

// measuredTokens tells the requests of a run from those of a rehearsal and those that empty the cache.
const measuredTokens = 3

// job is one of up to three prompts of different first words, as those of one run may meet each other.
func (m *mockOllama) job(t *testing.T, e *ollamaEngine, random *rand.Rand, i int) Job {
	t.Helper()
	words := []string{" apple", " house", " river", " night", " table", " green"}
	var texts []string
	for _, first := range random.Perm(len(words))[:1+random.IntN(3)] {
		texts = append(texts, words[first]+words[i])
	}
	j, err := e.Prepare(Task{Mode: record.GenerateCached, Prompt: textPrompt(t, texts...), MaxNewTokens: measuredTokens})
	if err != nil {
		t.Fatal(err)
	}
	return j
}

func (m *mockOllama) runAndLook(t *testing.T, j Job, ready bool) {
	t.Helper()
	if ready {
		if err := j.(Readier).Ready(); err != nil {
			t.Fatal(err)
		}
	}
	before := len(m.since(0))
	got, err := j.Run()
	if err != nil || len(got.Flags) > 0 {
		t.Fatalf("saw %+v, %v", got, err)
	}
	for _, f := range m.since(before) {
		if f.predict == measuredTokens && f.tokens > 0 {
			t.Errorf("%d slots: %q found %d tokens of itself; all requests: %v", len(m.slots), f.prompt, f.tokens, m.since(0))
		}
	}
}

// TestPromptBeginsAsAFiller: what took the place of prompts in slots that are not in use any more is in nobody's way.
func TestPromptBeginsAsAFiller(t *testing.T) {
	m := startOllama(t, 2)
	e := m.engine(t, false)
	task := Task{Mode: record.GenerateCached, Prompt: textPrompt(t, " apple pie", " house cat"), MaxNewTokens: measuredTokens}
	j, err := e.Prepare(task)
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		m.runAndLook(t, j, true)
	}
	if err := j.(Readier).Ready(); err != nil {
		t.Fatal(err)
	}
	for _, slot := range slices.Clone(m.slots) {
		word, err := workload.Decode(slot.tokens)
		if err != nil {
			t.Fatal(err)
		}
		task.Prompt = textPrompt(t, string(word)+" apple pie")
		if j, err = e.Prepare(task); err != nil {
			t.Fatal(err)
		}
		m.runAndLook(t, j, true)
	}
}

// TestCachedPromptIsNoticed: where the cache is left alone, a prompt that takes as little time as one in the cache is
// doubtful.
func TestCachedPromptIsNoticed(t *testing.T) {
	for allow, want := range map[bool][]Flag{false: nil, true: {PromptCached}} {
		m := startOllama(t, 1)
		j, err := m.engine(t, allow).Prepare(Task{Mode: record.Prefill, Prompt: textPrompt(t, "The quick brown fox jumps over the lazy dog")})
		if err != nil {
			t.Fatal(err)
		}
		for range 3 {
			got, err := j.Run()
			if err != nil || !slices.Equal(got.Flags, want) {
				t.Errorf("allowed %v: saw %+v, %v, want flags %v", allow, got, err, want)
			}
		}
	}
}

// TestGroupEmptiesTheCacheOnce: of jobs that run together only the first empties the cache, before any of them asks.
func TestGroupEmptiesTheCacheOnce(t *testing.T) {
	m := startOllama(t, 2)
	e := m.engine(t, false)
	var jobs []Job
	for _, text := range []string{" apple pie", " house cat"} {
		j, err := e.Prepare(Task{Mode: record.GenerateCached, Prompt: textPrompt(t, text), MaxNewTokens: 40})
		if err != nil {
			t.Fatal(err)
		}
		jobs = append(jobs, j)
	}
	for range 3 {
		for _, j := range jobs {
			if err := j.(Readier).Ready(); err != nil {
				t.Fatal(err)
			}
		}
		before := len(m.since(0))
		errs := make(chan error, len(jobs))
		for _, j := range jobs {
			go func() {
				_, err := j.Run()
				errs <- err
			}()
		}
		for range jobs {
			if err := <-errs; err != nil {
				t.Fatal(err)
			}
		}
		asked := m.since(before)
		if len(asked) != 2 || asked[0].tokens+asked[1].tokens != 0 {
			t.Errorf("saw %v, want two requests that find nothing", asked)
		}
	}
}

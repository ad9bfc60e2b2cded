package backend

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/banterhearts/bh/pkg/record"
	"github.com/banterhearts/bh/pkg/stream"
	"github.com/banterhearts/bh/pkg/workload"
)

const eosForTest = 50256

// said is an answer whose pieces arrived at the given milliseconds.
func said(counted int64, stopped bool, finished int, pieces ...any) *answer {
	a := &answer{counted: counted}
	for i := 0; i < len(pieces); i += 2 {
		a.piece(time.Duration(pieces[i].(int))*time.Millisecond, pieces[i+1].(string))
	}
	a.finish(time.Duration(finished)*time.Millisecond, stopped, false)
	return a
}

func millis(d []time.Duration) []int {
	out := make([]int, len(d))
	for i := range d {
		out[i] = int(d[i] / time.Millisecond)
	}
	return out
}

// TestTokens holds what is made of a server's count, its pieces and its reason to end.
func TestTokens(t *testing.T) {
	for name, c := range map[string]struct {
		a       *answer
		n       int64
		merged  bool
		arrived []int
		ids     []int64 // nil: not known
	}{
		"one piece for each token":          {said(2, false, 21, 10, " jumps", 20, " over"), 2, false, []int{10, 20}, []int64{18045, 625}},
		"EOS counted by the server":         {said(3, true, 30, 10, " jumps", 20, " over"), 3, false, []int{10, 20, 30}, []int64{18045, 625, eosForTest}},
		"EOS not counted by the server":     {said(2, true, 30, 10, " jumps", 20, " over"), 3, false, []int{10, 20, 30}, []int64{18045, 625, eosForTest}},
		"EOS at once":                       {said(1, true, 10), 1, false, []int{10}, []int64{eosForTest}},
		"EOS at once, not counted":          {said(0, true, 10), 1, false, []int{10}, []int64{eosForTest}},
		"two tokens in a piece":             {said(3, false, 31, 10, " jumps", 30, " over the"), 3, true, []int{10, 31}, nil},
		"the last token has no text":        {said(2, false, 20, 10, " jumps"), 2, true, []int{20}, nil},
		"two tokens in a piece, then EOS":   {said(4, true, 40, 10, " jumps", 30, " over the"), 4, true, []int{10, 30, 40}, nil},
		"no token has text":                 {said(1, false, 10), 1, false, []int{10}, nil},
		"a piece that is no token":          {said(1, false, 10, 10, " jumps over"), 1, false, []int{10}, nil},
		"what may remain of a token":        {said(2, false, 20, 10, " jumps", 20, " "), 2, false, []int{10, 20}, nil},
		"the same, then EOS":                {said(3, true, 30, 10, " jumps", 20, " "), 3, false, []int{10, 20, 30}, nil},
		"the same, not at the end":          {said(2, false, 20, 10, " ", 20, " over"), 2, false, []int{10, 20}, []int64{220, 625}},
		"a piece that stands for no UTF-8":  {said(1, false, 10, 10, "\ufffd"), 1, false, []int{10}, nil},
		"a token that is part of a chinese": {said(1, false, 10, 10, "\xe6\x9d"), 1, false, []int{10}, nil},
	} {
		n, merged, err := c.a.tokens(c.n)
		if err != nil || n != c.n || merged != c.merged || !slices.Equal(millis(c.a.arrived), c.arrived) {
			t.Errorf("%s: saw %d tokens, merged %v, at %v, %v; want %d, %v, at %v", name, n, merged, millis(c.a.arrived), err, c.n, c.merged, c.arrived)
		}
		if name == "a token that is part of a chinese" { // bytes that no JSON brings: only that nothing breaks
			continue
		}
		ids, ok := c.a.identify(nil, n, eosForTest)
		if ok != (c.ids != nil) || ok && !slices.Equal(ids, c.ids) {
			t.Errorf("%s: saw tokens %v, known %v, want %v", name, ids, ok, c.ids)
		}
	}
	var broken *RunError
	if _, _, err := said(1, false, 30, 10, "a", 20, "b").tokens(2); !errors.As(err, &broken) || broken.Reason != RunFailed {
		t.Errorf("more pieces than tokens: saw %v", err)
	}
}

// TestMoreTokensThanAskedFor: a server that does not keep to the limit is an error, by its count or by its pieces.
func TestMoreTokensThanAskedFor(t *testing.T) {
	for name, a := range map[string]*answer{
		"three times as many": said(6, false, 60, 10, " a", 20, " b", 30, " c", 40, " d", 50, " e", 60, " f"),
		"by its count":        said(9, false, 20, 10, " a", 20, " b"),
		"by its pieces":       said(2, false, 30, 10, " a", 20, " b", 30, " c"),
		"an end on top":       said(3, true, 30, 10, " a", 20, " b"),
	} {
		for _, mode := range []record.Mode{record.GenerateCached, record.Prefill} { // prefill asks for one token
			_, err := jobOf(t, mode, 2, fixed{answer: a}).Run()
			var broken *RunError
			if !errors.As(err, &broken) || broken.Reason != AnswerTooLong || !strings.Contains(broken.Detail, "want at most") {
				t.Errorf("%s, %s: saw %v, want answer_too_long", name, mode, err)
			}
		}
	}
	always := said(2, true, 30, 10, " jumps", 20, " over") // says stop whatever ended it
	got, err := jobOf(t, record.GenerateCached, 2, fixed{answer: always}).Run()
	if err != nil || got.Generated != 2 || got.Latency != 20*time.Millisecond || !slices.Equal(got.Output[0], []int64{18045, 625}) {
		t.Errorf("an end without a token: saw %+v, %v", got, err)
	}
}

// TestNamedTokens takes what a server names over what its pieces look like.
func TestNamedTokens(t *testing.T) {
	for name, c := range map[string]struct {
		ids     []int64
		n       int64
		stopped bool
		want    []int64
	}{
		"all of them":      {[]int64{1, 2, 3}, 3, false, []int64{1, 2, 3}},
		"EOS among them":   {[]int64{1, 2, eosForTest}, 3, true, []int64{1, 2, eosForTest}},
		"EOS left out":     {[]int64{1, 2}, 3, true, []int64{1, 2, eosForTest}},
		"one is missing":   {[]int64{1, 2}, 3, false, nil},
		"one is not clear": {[]int64{1, unnamed, 3}, 3, false, nil},
	} {
		a := &answer{ids: c.ids, stopped: c.stopped}
		got, ok := a.identify([]int64{7}, c.n, eosForTest)
		if ok != (c.want != nil) || ok && !slices.Equal(got[1:], c.want) {
			t.Errorf("%s: saw %v, %v, want %v", name, got, ok, c.want)
		}
	}
}

// fixed is a question whose answer is known.
type fixed struct {
	answer *answer
	err    error
}

func (f fixed) ask(_ context.Context, _ time.Time, a *answer) error {
	if f.answer != nil {
		*a = *f.answer
		a.arrived, a.ids = slices.Clone(f.answer.arrived), slices.Clone(f.answer.ids)
	}
	return f.err
}

func jobOf(t *testing.T, mode record.Mode, tokens int, questions ...question) *remoteJob {
	t.Helper()
	ids := make([][]int64, len(questions))
	for i := range ids {
		ids[i] = []int64{int64(i) + 1, 2}
	}
	j := newRemoteJob(t.Context(), Task{Mode: mode, Prompt: batchOf(ids...), MaxNewTokens: tokens}, eosForTest)
	j.questions = questions
	return j
}

// TestStepsOfABatch: a step is over when every sequence has its token, or has ended.
func TestStepsOfABatch(t *testing.T) {
	quick := said(2, true, 30, 10, " jumps") // with EOS at 30
	slow := said(3, false, 80, 20, " over", 50, " the", 80, " lazy")
	quick.server, slow.server = &ServerTimes{Load: 2, Prefill: 10, Decode: 30}, &ServerTimes{Load: 4, Prefill: 20, Decode: 50}
	slow.cached = 2
	got, err := jobOf(t, record.GenerateCached, 3, fixed{answer: quick}, fixed{answer: slow}).Run()
	if err != nil {
		t.Fatal(err)
	}
	ms := time.Millisecond
	want := Result{Latency: 80 * ms, TTFT: 20 * ms, ITL: []time.Duration{30 * ms, 30 * ms}, Generated: 5,
		Output: [][]int64{{18045, eosForTest}, {625, 262, 16931}}, Requests: []time.Duration{30 * ms, 80 * ms},
		Server: &ServerTimes{Load: 3, Prefill: 15, Decode: 40}, Cached: 2, CacheTold: true, Flags: []Flag{PromptCached}}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("saw %+v, want %+v", got, want)
	}
}

// TestMoreCachedTokensThanThePromptHas are not believed: the number is unknown, and the doubt stays.
func TestMoreCachedTokensThanThePromptHas(t *testing.T) {
	for name, c := range map[string]struct {
		cached, prompt, want int64
		told                 bool
	}{
		"all of the prompt":       {cached: 2, want: 2, told: true},
		"more than that":          {cached: 3},
		"a chat's longer prompt":  {cached: 9, prompt: 9, want: 9, told: true},
		"more than that one, too": {cached: 999, prompt: 9},
		"less than nothing":       {cached: -1},
	} {
		a := said(1, false, 21, 20, " over")
		a.cached, a.prompt = c.cached, c.prompt
		got, err := jobOf(t, record.Prefill, 1, fixed{answer: a}).Run()
		if err != nil || got.Cached != c.want || got.CacheTold != c.told || !slices.Equal(got.Flags, []Flag{PromptCached}) {
			t.Errorf("%s: saw %+v, %v, want %d cached tokens, told %v, and the flag", name, got, err, c.want, c.told)
		}
	}
}

func TestPrefillHasNoTokens(t *testing.T) {
	j := jobOf(t, record.Prefill, 3, fixed{answer: said(1, false, 21, 20, " over")})
	for range 2 {
		got, err := j.Run()
		want := Result{Latency: 20 * time.Millisecond, Output: [][]int64{{625}}}
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("saw %+v, %v, want %+v", got, err, want)
		}
	}
}

// TestMergedTokens: the times are of the pieces, the sum is still the latency, and the ids are those of the rehearsal if
// the text is the same.
func TestMergedTokens(t *testing.T) {
	j := jobOf(t, record.GenerateCached, 4, fixed{answer: said(4, false, 45, 10, " jumps", 40, " over the lazy")})
	j.rehearsed = []identity{{text: " jumps over the lazy", ids: []int64{18045, 625, 262, 16931}}}
	got, err := j.Run()
	if err != nil || got.Generated != 4 || len(got.ITL) != 1 || got.TTFT+got.ITL[0] != got.Latency || !slices.Equal(got.Flags, []Flag{MergedTokens}) {
		t.Errorf("saw %+v, %v", got, err)
	}
	if len(got.Output) != 1 || !slices.Equal(got.Output[0], j.rehearsed[0].ids) {
		t.Errorf("saw output %v", got.Output)
	}
	j.rehearsed[0].text = "something else"
	if got, err = j.Run(); err != nil || got.Output != nil {
		t.Errorf("another text than in the rehearsal: saw output %v, %v", got.Output, err)
	}
}

func TestErrorsOfARun(t *testing.T) {
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	for name, c := range map[string]struct {
		err  error
		want Reason
	}{
		"unreachable": {fmt.Errorf("%w: connection refused", stream.ErrUnreachable), ServerLost},
		"lost":        {fmt.Errorf("%w: EOF", stream.ErrLost), ServerLost},
		"status":      {&stream.StatusError{Code: 500, Message: "out of memory"}, RunFailed},
		"malformed":   {stream.ErrMalformed, RunFailed},
		"cut":         {(&answer{}).cut(), AnswerCut},
		"its own":     {&RunError{Reason: OutputInvalid}, OutputInvalid},
	} {
		for _, questions := range [][]question{{fixed{err: c.err}}, {fixed{answer: said(1, false, 1, 1, "a")}, fixed{err: c.err}}} {
			_, err := jobOf(t, record.GenerateCached, 1, questions...).Run()
			var broken *RunError
			if !errors.As(err, &broken) || broken.Reason != c.want {
				t.Errorf("%s, %d requests: saw %v, want %s", name, len(questions), err, c.want)
			}
		}
	}
	if _, err := jobOf(t, record.Prefill, 1, fixed{err: ended.Err()}).Run(); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: saw %v", err)
	}
}

// TestACutAnswerSaysWhy: where Ollama's limit of equal pieces was reached the error says so and what to do, elsewhere not.
func TestACutAnswerSaysWhy(t *testing.T) {
	for name, c := range map[string]struct {
		pieces []string
		want   string
	}{
		"nothing":                  {nil, "after 0 pieces of text; its log"},
		"different pieces":         {append(slices.Repeat([]string{" a"}, 40), " b"), "after 41 pieces of text; its log"},
		"not enough equal ones":    {append([]string{" b"}, slices.Repeat([]string{" a"}, 29)...), "after 30 pieces of text; its log"},
		"equal ones":               {append([]string{" b", " c", " b"}, slices.Repeat([]string{" a"}, 31)...), "the last 31 of them equal"},
		"with other white space":   {append(slices.Repeat([]string{" a", "a\n"}, 15), "a"), "the last 31 of them equal"},
		"white space from the top": {slices.Repeat([]string{"\n", " "}, 15), "the last 30 of them equal"},
	} {
		a := &answer{}
		for _, text := range c.pieces {
			a.piece(1, text)
		}
		err := a.cut()
		var broken *RunError
		if !errors.As(err, &broken) || broken.Reason != AnswerCut || !strings.Contains(broken.Detail, c.want) ||
			strings.Contains(broken.Detail, "temperature above 0") != strings.Contains(c.want, "equal") {
			t.Errorf("%s: saw %v, want answer_cut with %q", name, err, c.want)
		}
		if err := whileOpening(err, "do this"); !errors.As(err, &broken) {
			t.Errorf("%s: in a rehearsal: saw %v, want it as it is", name, err)
		}
	}
}

// TestFewerTokensThanAskedFor: only an end of sequence may end an answer early.
func TestFewerTokensThanAskedFor(t *testing.T) {
	full := said(3, false, 30, 10, " jumps", 20, " over", 30, " the")
	if got, err := jobOf(t, record.GenerateCached, 3, fixed{answer: full}).Run(); err != nil || got.Generated != 3 {
		t.Errorf("all tokens: saw %+v, %v", got, err)
	}
	ended := said(3, true, 30, 10, " jumps", 20, " over")
	if got, err := jobOf(t, record.GenerateCached, 9, fixed{answer: ended}).Run(); err != nil || got.Generated != 3 {
		t.Errorf("end of sequence: saw %+v, %v", got, err)
	}
	var broken *RunError
	_, err := jobOf(t, record.GenerateCached, 4, fixed{answer: full}).Run()
	if !errors.As(err, &broken) || broken.Reason != AnswerCut || !strings.Contains(broken.Detail, "after 3 tokens, want 4") {
		t.Errorf("a limit of its own: saw %v, want answer_cut", err)
	}
}

func TestErrorsWhileOpening(t *testing.T) {
	for name, c := range map[string]struct {
		err  error
		want Reason
	}{
		"unreachable": {stream.ErrUnreachable, ServerNotFound},
		"lost":        {stream.ErrLost, ServerNotFound},
		"slow":        {context.DeadlineExceeded, ServerNotFound},
		"key":         {&stream.StatusError{Code: 401, Message: "no"}, ServerRefused},
		"forbidden":   {&stream.StatusError{Code: 403, Message: "no"}, ServerRefused},
		"other":       {&stream.StatusError{Code: 400, Message: "no"}, ServerRefused},
		"no model":    {&stream.StatusError{Code: 404, Message: "The model `x` does not exist"}, ServerModelNotFound},
		"no page":     {&stream.StatusError{Code: 404, Message: "page not found"}, ServerRefused},
		"malformed":   {stream.ErrMalformed, ServerRefused},
		"its own":     {&Unavailable{Reason: PromptUnsupported}, PromptUnsupported},
	} {
		var missing *Unavailable
		if err := whileOpening(fmt.Errorf("outer: %w", c.err), "do this"); !errors.As(err, &missing) || missing.Reason != c.want {
			t.Errorf("%s: saw %v, want %s", name, err, c.want)
		}
	}
	if err := whileOpening(context.Canceled, ""); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: saw %v", err)
	}
}

func TestPromptText(t *testing.T) {
	p := workload.Prompt{IDs: [][]int64{{50256, 5, 6}, {7, 8, 9}}, Mask: [][]int64{{0, 1, 1}, {1, 1, 1}}, Texts: []string{"&'", ""}}
	if text, err := promptText(p, 0); err != nil || text != "&'" || p.Length(0) != 2 {
		t.Errorf("saw %q, %d, %v", text, p.Length(0), err)
	}
	var missing *Unavailable
	if _, err := promptText(p, 1); !errors.As(err, &missing) || missing.Reason != PromptUnsupported {
		t.Errorf("no text: saw %v", err)
	}
	if _, err := promptText(workload.Prompt{IDs: p.IDs, Mask: p.Mask}, 0); !errors.As(err, &missing) {
		t.Errorf("no texts: saw %v", err)
	}
}

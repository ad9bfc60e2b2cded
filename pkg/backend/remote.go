package backend

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/banterhearts/bh/pkg/stream"
	"github.com/banterhearts/bh/pkg/workload"
)

// What the backends that ask a server over HTTP have in common: how its errors become reasons, how an answer is taken
// down, and how the times of a batch follow from those of its answers.
//
// Times are those of a client: a request is one sequence, and its first token has arrived when the bytes that hold it were
// read. So HTTP, the server's own work around the engine and the way between them are in TTFT; Result.Server has what the
// engine says it took. Prefill over HTTP is a request for one token: a pass over the prompt, and the choice of that token.

// ownSampler says in Info that above temperature 0 the server draws with its own random numbers, and not as sampler does.
const ownSampler = "server"

// InfoThreads is the key of Info that says ThreadsOfServer where the server chose its number of threads itself.
const (
	InfoThreads     = "threads"
	ThreadsOfServer = "server"
)

// locality is all that a record says of where a server is.
func locality(c *stream.Client) string {
	if c.Local() {
		return "local"
	}
	return "remote"
}

// whileOpening turns an error from before the first run into why the backend cannot work here; an error that says so
// already stays.
func whileOpening(err error, remedy string) error {
	var known *Unavailable
	var broken *RunError
	var refused *stream.StatusError
	switch {
	case err == nil, errors.As(err, &known), errors.As(err, &broken), errors.Is(err, context.Canceled):
		return err
	case errors.As(err, &refused):
		return refusal(refused)
	case errors.Is(err, stream.ErrUnreachable), errors.Is(err, stream.ErrLost), errors.Is(err, context.DeadlineExceeded):
		return &Unavailable{Reason: ServerNotFound, Detail: err.Error(), Remedy: remedy}
	case errors.Is(err, stream.ErrMalformed):
		return &Unavailable{Reason: ServerRefused, Detail: err.Error()}
	}
	return err
}

// whileRehearsing turns an error of a rehearsal into why the run broke: a server that has begun to answer is there. Only
// its refusal says that nothing ran.
func whileRehearsing(err error) error {
	var known *Unavailable
	var refused *stream.StatusError
	switch {
	case errors.As(err, &known):
		return err
	case errors.As(err, &refused):
		return refusal(refused)
	}
	return whileRunning(err)
}

func refusal(refused *stream.StatusError) *Unavailable {
	u := &Unavailable{Reason: ServerRefused, Detail: "the server refuses: " + refused.Error()}
	switch {
	case refused.Code == http.StatusUnauthorized, refused.Code == http.StatusForbidden:
		u.Remedy = "set $" + envOpenAIKey + " to a key that it accepts"
	case refused.Code == http.StatusNotFound && strings.Contains(strings.ToLower(refused.Message), "model"):
		u.Reason = ServerModelNotFound
	}
	return u
}

// whileRunning turns an error from within a run into why the run broke.
func whileRunning(err error) error {
	var known *RunError
	switch {
	case err == nil, errors.As(err, &known), errors.Is(err, context.Canceled):
		return err
	case errors.Is(err, stream.ErrUnreachable), errors.Is(err, stream.ErrLost):
		return &RunError{Reason: ServerLost, Detail: err.Error()}
	}
	return &RunError{Reason: RunFailed, Detail: err.Error()}
}

// calibration is of this process: its engines share it.
var calibration struct {
	sync.Mutex
	info map[string]string
}

// withCalibration adds to info what the client itself takes.
func withCalibration(ctx context.Context, info map[string]string) error {
	calibration.Lock()
	defer calibration.Unlock()
	if calibration.info == nil {
		measured, err := stream.Calibrate(ctx)
		if err != nil {
			return err
		}
		calibration.info = measured.Info()
	}
	maps.Copy(info, calibration.info)
	return nil
}

// promptText is the prompt of sequence i as text.
func promptText(p workload.Prompt, i int) (string, error) {
	if i >= len(p.Texts) || p.Texts[i] == "" {
		return "", &Unavailable{Reason: PromptUnsupported,
			Detail: fmt.Sprintf("sequence %d: no text encodes to exactly its tokens, and the server takes text", i+1)}
	}
	return p.Texts[i], nil
}

// answer is one answer of a server, taken down as it arrives. Times are since the run began.
type answer struct {
	arrived  []time.Duration // of each piece, the last one being the end of sequence where that came alone
	text     []byte
	ends     []int         // where each piece of text ends
	finished time.Duration // when the server said why it stopped; 0: it has not
	stopped  bool          // at an end of sequence, not at the limit
	done     bool          // nothing more comes
	prompt   int64         // tokens of the prompt, as the server counts them
	counted  int64         // new tokens, as the server counts them
	cached   int64         // tokens of the prompt that came from a cache, as far as the server tells
	server   *ServerTimes  // nil where it does not tell
	ids      []int64       // of the new tokens, where the server names them
}

func (a *answer) reset() {
	*a = answer{arrived: a.arrived[:0], text: a.text[:0], ends: a.ends[:0], ids: a.ids[:0]}
}

// piece takes down text that arrived.
func (a *answer) piece(at time.Duration, text string) {
	a.arrived = append(a.arrived, at)
	a.text = append(a.text, text...)
	a.ends = append(a.ends, len(a.text))
}

// finish takes down the end. The message that says so stands for the end of sequence, unless it brings text too.
func (a *answer) finish(at time.Duration, stopped, withText bool) {
	a.finished, a.stopped = at, stopped
	if stopped && !withText {
		a.arrived = append(a.arrived, at)
	}
}

// tokens is the number of new tokens, the end of sequence included, which some servers count and others do not: where they
// counted no more tokens than there were pieces of text, they did not. merged says that a piece brought several. More than
// the asked ones are an error; an end of sequence takes the place of a token, so where all asked ones came as text the
// server's word for the end adds none.
//
// Text is held back while it ends in the middle of a character, and Ollama drops what is no UTF-8. The last token then
// arrived when the server said that it was done, and not with the last piece.
func (a *answer) tokens(asked int64) (n int64, merged bool, err error) {
	n = a.counted
	pieces := int64(len(a.ends))
	switch {
	case max(n, pieces) > asked:
		return 0, false, tooLong(pieces, n, asked)
	case a.stopped && n == pieces && n < asked:
		n++
	case n == pieces && n == asked:
		a.arrived = a.arrived[:n] // without the message that says so
	}
	if len(a.arrived) == 0 {
		a.arrived = append(a.arrived, a.finished)
	}
	if int64(len(a.arrived)) > n {
		return 0, false, &RunError{Reason: RunFailed,
			Detail: fmt.Sprintf("the server sent %d pieces and counts %d tokens", len(a.arrived), n)}
	}
	merged = int64(len(a.arrived)) < n
	if merged && !a.stopped {
		a.arrived[len(a.arrived)-1] = a.finished
	}
	return n, merged, nil
}

// tooLong is the error of an answer that has more than what was asked for.
func tooLong(pieces, counted, asked int64) error {
	return &RunError{Reason: AnswerTooLong, Detail: fmt.Sprintf("the server sent %d pieces of text and counts %d new tokens, want at most %d; "+
		"it does not keep to the limit of new tokens that it is given", pieces, counted, asked)}
}

// ollamaRepeats is how many equal pieces of text Ollama passes on before it ends an answer without a word: 31, or 30 where
// they are white space and begin the answer (llm/server.go, "token repeat limit reached").
const ollamaRepeats = 30

// cut is the error of an answer that ended in the middle, with what to do about it.
func (a *answer) cut() error {
	detail := fmt.Sprintf("the server ended its answer in the middle, after %d pieces of text", len(a.ends))
	if n := a.equalAtEnd(); n >= ollamaRepeats {
		detail += fmt.Sprintf(", the last %d of them equal, which is where Ollama gives up; ask for at most %d new tokens, "+
			"or for a temperature above 0, or import trained weights", n, ollamaRepeats)
	} else {
		detail += "; its log may say why"
	}
	return &RunError{Reason: AnswerCut, Detail: detail}
}

// equalAtEnd is how many pieces of text at the end of an answer are equal, white space aside, as Ollama counts them.
func (a *answer) equalAtEnd() int {
	n, last := 0, []byte(nil)
	for i := len(a.ends) - 1; i >= 0; i-- {
		piece := bytes.TrimSpace(a.text[lastStart(a.ends[:i+1]):a.ends[i]])
		if n > 0 && !bytes.Equal(piece, last) {
			break
		}
		n, last = n+1, piece
	}
	return n
}

// identify appends the ids of the n new tokens to out: what the server named, else the token that each piece of text is,
// where every token has a piece of its own. It says whether they are known.
func (a *answer) identify(out []int64, n int64, eos int64) ([]int64, bool) {
	before := int64(len(out))
	if len(a.ids) > 0 {
		out = append(out, a.ids...)
	} else {
		start := 0
		for _, end := range a.ends {
			out = append(out, tokenNamed(a.text[start:end]))
			start = end
		}
		if len(a.ends) > 0 && beginsTokens()[string(a.text[lastStart(a.ends):])] {
			out[len(out)-1] = unnamed
		}
	}
	if a.stopped && int64(len(out))-before == n-1 {
		out = append(out, eos)
	}
	return out, int64(len(out))-before == n && !slices.Contains(out[before:], unnamed)
}

// lastStart is where the last piece begins.
func lastStart(ends []int) int {
	if len(ends) < 2 {
		return 0
	}
	return ends[len(ends)-2]
}

// beginsTokens are the texts that remain of tokens which end in the middle of a character, once that is cut off, as Ollama
// does at the end of an answer: whether such a last piece is a token or what remains of one cannot be seen.
var beginsTokens = sync.OnceValue(func() map[string]bool {
	out := map[string]bool{}
	for id := range int64(workload.VocabSize) {
		token, err := workload.Decode([]int64{id})
		if err != nil || utf8.Valid(token) {
			continue
		}
		whole := 0
		for whole < len(token) {
			r, size := utf8.DecodeRune(token[whole:])
			if r == utf8.RuneError && size <= 1 {
				break
			}
			whole += size
		}
		out[string(token[:whole])] = true
	}
	delete(out, "")
	return out
})

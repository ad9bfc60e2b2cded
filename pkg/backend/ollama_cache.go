package backend

import (
	"context"
	"fmt"
	"maps"
	"sync"
	"time"

	"github.com/banterhearts/bh/pkg/ollama"
	"github.com/banterhearts/bh/pkg/workload"
)

// ollamaCachePolicy is what is done about cached prompts, for the record.
const ollamaCachePolicy = "avoided: other prompts take its place before each run"

// ollamaCache keeps prompts out of an Ollama server's cache, and notices those that were in it.
//
// Ollama has no switch for it. It works in as many slots as OLLAMA_NUM_PARALLEL says; a slot keeps the tokens of its last
// request, and a new one goes to the free slot with the longest common beginning, of which only the rest is computed; where
// there is none, to the first free slot (v0.17.4, runner/llamarunner/cache.go). So, before a run whose prompts might find
// something, as many requests as slots were in use are made with prompts that begin otherwise. They are in flight at once,
// as one after the other would all go to the first slot: that they were is seen from the times of their tokens, and they
// are made longer until it is so. All of that is outside of the measured times.
//
// What was found in spite of it our own server says in its log. Another server's is known only by how long the prompt
// took: where a prompt that is in the cache takes less than half of what it takes otherwise, a run as quick as that is
// doubtful. With OLLAMA_MULTIUSER_CACHE slots are chosen otherwise, and then only this tells.
type ollamaCache struct {
	server *ollamaServer
	model  string
	allow  bool // leave the cache alone

	mu       sync.Mutex
	held     map[int64]bool // first tokens of the prompts that slots may hold
	fillers  map[int64]bool // first tokens of what took their place, in every slot that was in use by then
	slots    int            // that prompts have been in since then
	most     int            // that have ever been in use
	inFlight int
	asked    int         // requests since mark
	mark     ollama.Mark // of the log, before the requests in flight
	length   int         // of a filler's answer, in tokens
	next     int64       // the token that the next filler begins with, or one after it
	// surely is how long requests that are sent at once take at least, if one of them is over before the next one is begun
	// only because the server takes no more of them.
	surely time.Duration
}

var _ promptCache = (*ollamaCache)(nil)

const (
	fillerStart = 4
	fillerMost  = 512
	firstFiller = 1000 // the ids below are characters and endings
	// startSkew is well above what lies between the beginnings of requests that are sent at once: Ollama reads the file of
	// the model's vocabulary again for each.
	startSkew = 300 * time.Millisecond
	// clearlyTogether is how long requests are seen to be at work together before it is believed: on a busy machine the end
	// of one may be seen late.
	clearlyTogether = 20 * time.Millisecond
)

// fillTries is how often the fillers are sent again when they were not at work at the same time.
const fillTries = 4

func newOllamaCache(server *ollamaServer, model string, allow bool) *ollamaCache {
	return &ollamaCache{server: server, model: model, allow: allow, held: map[int64]bool{}, fillers: map[int64]bool{},
		length: fillerStart, next: firstFiller, surely: startSkew}
}

// empty implements promptCache.
func (c *ollamaCache) empty(ctx context.Context, p *prompts) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.allow || c.inFlight > 0 { // while requests are in flight it is too late
		return nil
	}
	return c.emptyFor(ctx, p)
}

func (c *ollamaCache) emptyFor(ctx context.Context, p *prompts) error {
	if meet(c.fillers, p.first) {
		c.slots = c.most
	} else if !meet(c.held, p.first) {
		return nil
	}
	if err := c.fill(ctx, max(1, c.slots), p); err != nil {
		return fmt.Errorf("empty the server's cache of prompts: %w", err)
	}
	c.slots = 0
	clear(c.held)
	return nil
}

func meet(a, b map[int64]bool) bool {
	for k := range a {
		if b[k] {
			return true
		}
	}
	return false
}

// fill puts other prompts into so many slots.
func (c *ollamaCache) fill(ctx context.Context, slots int, p *prompts) error {
	if slots == 1 {
		_, _, err := c.occupy(ctx, 1, 1, p)
		return err
	}
	most := 0
	for try := 0; ; {
		atOnce, shortest, err := c.occupy(ctx, slots, c.length, p)
		most = max(most, atOnce)
		switch {
		case err != nil:
			return err
		case atOnce >= slots:
			return nil
		case shortest < c.surely && c.length < fillerMost:
			c.length *= 2
		case try < fillTries: // other work on the machine kept them apart
			try++
		case c.server.parallel == 0: // it has no more of them
			c.server.parallel, c.most = most, most
			return nil
		default: // what the run finds in the cache all the same, the server's log tells, and the run is flagged
			return nil
		}
	}
}

// occupy makes so many requests for length tokens each. It returns how many of them were at work at once, and how long the
// shortest was.
func (c *ollamaCache) occupy(ctx context.Context, slots, length int, p *prompts) (atOnce int, shortest time.Duration, err error) {
	questions, answers := make([]question, slots), make([]answer, slots)
	for i := range questions {
		text, err := c.filler(p)
		if err != nil {
			return 0, 0, err
		}
		// So hot that no text comes again and again, which the server would end.
		hot := ollamaSampling(Task{Temperature: 2, Seed: c.next}, i)
		questions[i] = c.server.question(c.model, text, length, hot)
	}
	if err := askAll(ctx, questions, answers); err != nil {
		return 0, 0, err
	}
	for i := range answers {
		begun, ended := answers[i].span()
		if i == 0 || ended-begun < shortest {
			shortest = ended - begun
		}
		together := 0 // at the time when this one has begun
		for k := range answers {
			if first, last := answers[k].span(); first <= begun && begun+clearlyTogether <= last {
				together++
			}
		}
		atOnce = max(atOnce, together)
	}
	return atOnce, shortest, nil
}

// span is from the first piece to the last one, which the server has sent while it held the slot.
func (a *answer) span() (first, last time.Duration) {
	if len(a.arrived) == 0 {
		return a.finished, a.finished
	}
	return a.arrived[0], a.arrived[len(a.arrived)-1]
}

// filler is a text of one token that no prompt begins with, a word.
func (c *ollamaCache) filler(p *prompts) (string, error) {
	for range 2 * workload.VocabSize {
		id := c.next
		if c.next++; c.next >= workload.VocabSize {
			c.next = firstFiller
			clear(c.fillers)
		}
		text, err := workload.Decode([]int64{id})
		if err != nil {
			return "", err
		}
		if isPlainWord(text) && !c.held[id] && !c.fillers[id] && !p.first[id] {
			c.fillers[id] = true
			return string(text), nil
		}
	}
	return "", fmt.Errorf("saw every word of the vocabulary begin a prompt")
}

// isPlainWord says whether a token is a space and small letters: such a text is one token for every tokeniser of GPT-2.
func isPlainWord(token []byte) bool {
	if len(token) < 2 || token[0] != ' ' {
		return false
	}
	for _, b := range token[1:] {
		if b < 'a' || b > 'z' {
			return false
		}
	}
	return true
}

// begin implements promptCache.
func (c *ollamaCache) begin(p *prompts) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.inFlight == 0 {
		c.asked, c.mark = 0, c.server.logMark()
	}
	c.asked += p.number
	c.inFlight += p.number
	c.slots = max(c.slots, c.inFlight)
	if c.server.parallel > 0 {
		c.slots = min(c.slots, c.server.parallel)
	}
	c.most = max(c.most, c.slots)
	maps.Copy(c.held, p.first)
}

// end implements promptCache. The last of several jobs that ran together answers for all.
func (c *ollamaCache) end(p *prompts, answers []answer) cacheUse {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.inFlight -= p.number
	if c.server.own == nil {
		return cacheUse{tokens: unknownTokens, suspected: p.suspect(answers)}
	}
	if c.inFlight > 0 {
		return cacheUse{}
	}
	return cacheUse{tokens: c.server.cacheUse(c.mark, c.asked)}
}

// learn measures how long another's server takes for the prompts when they are in the cache and when they are not.
func (c *ollamaCache) learn(j *remoteJob, rehearsal []question) error {
	if c.server.own != nil {
		return nil
	}
	const times = 2
	for i := range times {
		c.mu.Lock()
		err := c.emptyFor(j.ctx, &j.prompts)
		c.mu.Unlock()
		if err != nil {
			return err
		}
		var took [2]time.Duration // computed, found
		for k := range took {
			if _, err := j.round(rehearsal, j.answers); err != nil {
				return err
			}
			took[k] = meanTimes(j.answers).Prefill
		}
		if i == 0 || took[0] < j.prompts.computed {
			j.prompts.computed = took[0]
		}
		j.prompts.found = max(j.prompts.found, took[1])
	}
	return nil
}

// suspect says whether the prompts took as little time as when they are in the cache, where that is a difference.
func (p *prompts) suspect(answers []answer) bool {
	const clearly, about = 2, 1.25
	mean := meanTimes(answers)
	return mean != nil && p.found > 0 && p.computed > clearly*p.found && float64(mean.Prefill) <= about*float64(p.found)
}

// logMark is where our own server's log ends now.
func (s *ollamaServer) logMark() ollama.Mark {
	if s.own == nil {
		return 0
	}
	mark, err := s.own.Mark()
	if err != nil {
		return 0 // the count of the prompts will not fit, which makes their use of the cache unknown
	}
	return mark
}

// cacheUse is how many tokens of so many prompts since mark came from the cache, unknownTokens where the log does not tell. A
// line may take a moment to get there.
func (s *ollamaServer) cacheUse(mark ollama.Mark, asked int) int64 {
	const tries, wait = 20, time.Millisecond
	for range tries {
		use, err := s.own.CacheUse(mark)
		switch {
		case err != nil || use.Prompts > asked:
			return unknownTokens
		case use.Prompts == asked:
			return use.Tokens
		}
		time.Sleep(wait)
	}
	return unknownTokens
}

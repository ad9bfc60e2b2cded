package backend

import (
	"errors"

	ort "github.com/yalue/onnxruntime_go"
)

// prepareCached plans one pass over the prompt with an empty cache, and then one pass per token. The cache goes back and
// forth between two buffers per layer and part: a pass reads its past from one and writes its present into the other, so
// that nothing is copied or allocated between passes.
func (e *ortEngine) prepareCached(task Task) (Job, error) {
	s, err := e.kvSession()
	if err != nil {
		return nil, err
	}
	j := e.newGenerateJob(task)
	batch, prompt := task.Prompt.Batch(), task.Prompt.Tokens()
	cache, scratch := e.newCache(batch, prompt+task.MaxNewTokens-1), e.scratch(batch, prompt)
	for step := range task.MaxNewTokens {
		seq, past := 1, prompt+step-1
		if step == 0 {
			seq, past = prompt, 0
		}
		p, err := e.newCachedPass(s, cache, scratch, step, batch, seq, past)
		if err != nil {
			return nil, errors.Join(err, j.Close())
		}
		if step == 0 {
			fill(p.ids, p.seq, task.Prompt.IDs)
		}
		fill(p.mask, past+seq, task.Prompt.Mask)
		j.passes = append(j.passes, p)
	}
	j.feed = func(step int, next []int64) { copy(j.passes[step].ids, next) }
	return j, nil
}

// kvCache is the memory of past and present keys and values: two buffers of batch x heads x tokens x head size for each
// layer and part.
type kvCache struct {
	buffers [2][][]float32
}

func (e *ortEngine) newCache(batch, tokens int) *kvCache {
	c := &kvCache{}
	cfg := e.folder.Config
	for side := range c.buffers {
		for range 2 * cfg.NLayer {
			c.buffers[side] = append(c.buffers[side], make([]float32, batch*tokens*cfg.NEmbd))
		}
	}
	return c
}

// newCachedPass is newPass with the cache's tensors: past in from the side that the pass before wrote, present out into
// the other.
func (e *ortEngine) newCachedPass(s *ort.DynamicAdvancedSession, c *kvCache, scratch []float32, step, batch, seq, past int) (*pass, error) {
	p, err := e.newPass(s, scratch, batch, seq, past)
	if err != nil {
		return nil, err
	}
	cfg := e.folder.Config
	heads, size := cfg.NHead, cfg.NEmbd/cfg.NHead
	for i := range 2 * cfg.NLayer {
		err := errors.Join(
			addTensor(&p.in, c.buffers[(step+1)%2][i], batch, heads, past, size),
			addTensor(&p.out, c.buffers[step%2][i], batch, heads, past+seq, size))
		if err != nil {
			return nil, errors.Join(err, p.close())
		}
	}
	return p, nil
}

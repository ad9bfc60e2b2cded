package backend

import (
	"errors"
	"fmt"
	"math"
	"net/http"
	"strings"

	"github.com/banterhearts/bh/pkg/record"
	"github.com/banterhearts/bh/pkg/stream"
)

// Prepare implements Engine. It rehearses the requests once, to see that the server counts the same tokens as we do, and
// has it name the tokens where it can.
func (e *openaiEngine) Prepare(task Task) (Job, error) {
	if task.Mode != record.Prefill && task.Mode != record.GenerateCached {
		return nil, &Unavailable{Reason: ModeUnsupported, Detail: "openai does not do " + string(task.Mode)}
	}
	j := newRemoteJob(e.ctx, task, e.eos)
	j.cache, j.server = e.cache, e.ollama
	asked := int64(newTokensOf(task))
	if e.kind == serverOllama {
		asked = 1
	}
	first, err := j.fill(task.Prompt, asked, func(i int, text string) (run, rehearse question, err error) {
		plain, err := newOpenAIQuestion(e.client, e.path(), e.body(task, i, text))
		if err != nil {
			return nil, nil, err
		}
		naming, err := newOpenAIQuestion(e.client, e.path(), e.askForNames(e.body(task, i, text)))
		return plain, naming, err
	})
	if err != nil {
		return nil, err
	}
	if err := e.rehearse(j, first); err != nil {
		return nil, whileRehearsing(e.ollama.explain(err))
	}
	return j, nil
}

func (e *openaiEngine) path() string {
	if e.endpoint == endpointChat {
		return "/chat/completions"
	}
	return "/completions"
}

// body is the request for sequence i. What it asks for besides is what makes a server sample from the whole distribution:
// servers differ in their defaults.
func (e *openaiEngine) body(task Task, i int, text string) map[string]any {
	b := map[string]any{
		"model": e.model, "stream": true, "stream_options": map[string]bool{"include_usage": true},
		"max_tokens": newTokensOf(task), "temperature": task.Temperature, "seed": seedOf(task, i),
	}
	if e.endpoint == endpointChat {
		b["messages"] = []map[string]string{{"role": "user", "content": text}}
	} else {
		b["prompt"] = text
	}
	if e.kind != serverTGI { // which refuses a top_p of 1, its default
		b["top_p"], b["presence_penalty"], b["frequency_penalty"] = 1, 0, 0
	}
	switch e.kind {
	case serverVLLM:
		b["top_k"], b["min_p"], b["repetition_penalty"] = -1, 0, 1
		if !e.allow {
			b[openaiSalt] = strings.Repeat("0", 2*saltBytes)
		}
	case serverLlama:
		b["top_k"], b["min_p"], b["repeat_penalty"], b["cache_prompt"] = 0, 0, 1, e.allow
	}
	return b
}

// askForNames has a server name the tokens. Ollama names none in completions, and in chats not those that are no UTF-8, so
// the pieces of its answers say as much.
func (e *openaiEngine) askForNames(b map[string]any) map[string]any {
	switch {
	case e.kind == serverOllama:
		b["max_tokens"] = 1
	case e.kind == serverVLLM:
		b["return_token_ids"] = true
	case e.endpoint == endpointChat:
		b["logprobs"] = true
	default:
		b["logprobs"] = 1
	}
	return b
}

// seedOf gives each sequence of a batch a seed of its own. Servers want 31 bits.
func seedOf(task Task, i int) int64 { return (task.Seed + int64(task.Offset+i)) & math.MaxInt32 }

// rehearse asks once, unmeasured. A server that does not like to name tokens is asked without.
func (e *openaiEngine) rehearse(j *remoteJob, r rehearsal) error {
	err := j.rehearse(r)
	var refused *stream.StatusError
	if errors.As(err, &refused) && (refused.Code == http.StatusBadRequest || refused.Code == http.StatusUnprocessableEntity) {
		r.asked = j.asked
		_, err = j.round(j.questions, j.answers)
	}
	if err != nil {
		return err
	}
	for i := range j.answers {
		a := &j.answers[i]
		if err := e.checkCount(j, i, a.prompt, j.prompts.lengths[i]); err != nil {
			return err
		}
		known := identity{text: string(a.text)}
		n, _, err := j.count(i, r.asked)
		if err != nil {
			return err
		}
		if ids, ok := a.identify(nil, n, e.eos); ok && e.kind != serverOllama {
			known.ids = ids
		}
		j.rehearsed = append(j.rehearsed, known)
	}
	return nil
}

// checkCount compares the server's count of a prompt's tokens with ours. A chat's template adds tokens: the run then did
// more than its record says, which a flag tells.
func (e *openaiEngine) checkCount(j *remoteJob, i int, got, want int64) error {
	switch {
	case got == want:
		return nil
	case got == 0:
		return &Unavailable{Reason: PromptUnsupported, Detail: "the server does not say how many tokens the prompt has (usage in a stream)"}
	case got > want && e.endpoint == endpointChat:
		if len(j.flags) == 0 {
			j.flags = append(j.flags, PromptTemplated)
		}
		return nil
	}
	return &Unavailable{Reason: PromptUnsupported, Detail: fmt.Sprintf("sequence %d: the server counts %d tokens, want %d", i+1, got, want)}
}

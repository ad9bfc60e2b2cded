package backend

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/banterhearts/bh/pkg/stream"
)

// ollamaForever is the time that a model stays loaded.
const ollamaForever = -1

// ollamaRequest is what /api/generate is asked. Raw takes the prompt as it is; a prompt or an answer that does not fit the
// context is an error, or the end, instead of being cut.
type ollamaRequest struct {
	Model     string         `json:"model"`
	Prompt    string         `json:"prompt"`
	Raw       bool           `json:"raw"`
	Stream    bool           `json:"stream"`
	Truncate  bool           `json:"truncate"`
	Shift     bool           `json:"shift"`
	KeepAlive int            `json:"keep_alive"`
	Options   map[string]any `json:"options"`
}

// ollamaLine is one line of its answer. Only the last one counts.
type ollamaLine struct {
	Response   string        `json:"response"`
	Done       bool          `json:"done"`
	DoneReason string        `json:"done_reason"`
	Load       time.Duration `json:"load_duration"` // nanoseconds, as all of them
	Prompt     int64         `json:"prompt_eval_count"`
	PromptTime time.Duration `json:"prompt_eval_duration"`
	New        int64         `json:"eval_count"` // the end of sequence included
	NewTime    time.Duration `json:"eval_duration"`
	Error      string        `json:"error"`
}

// ollamaSampling is how sequence i is sampled: from the whole distribution, or greedily at temperature 0. The seed is of
// llama.cpp's own generator: the same seed gives the same tokens here, but not those of other backends.
func ollamaSampling(task Task, i int) map[string]any {
	return map[string]any{
		"temperature": task.Temperature, "seed": seedOf(task, i), "top_k": 0, "top_p": 1, "min_p": 0, "typical_p": 1,
		"repeat_penalty": 1, "presence_penalty": 0, "frequency_penalty": 0,
	}
}

// ollamaQuestion is a request to /api/generate.
type ollamaQuestion struct {
	client  *stream.Client
	request *stream.Request
}

var _ question = (*ollamaQuestion)(nil)

// question prepares a request for so many new tokens.
func (s *ollamaServer) question(model, text string, tokens int, options map[string]any) *ollamaQuestion {
	all := map[string]any{"num_predict": tokens}
	for k, v := range options {
		all[k] = v
	}
	body, err := json.Marshal(ollamaRequest{Model: model, Prompt: text, Raw: true, Stream: true, KeepAlive: ollamaForever, Options: all})
	if err != nil {
		panic("ollama: request: " + err.Error()) // texts and numbers
	}
	return &ollamaQuestion{client: s.client, request: s.client.Request("/api/generate", stream.Lines, body)}
}

// ask implements question.
func (q *ollamaQuestion) ask(ctx context.Context, start time.Time, a *answer) error {
	err := q.request.Do(ctx, func(at time.Time, line []byte) (bool, error) {
		err := q.take(a, at.Sub(start), line)
		return a.done, err
	})
	if err != nil {
		return err
	}
	if !a.done {
		return a.cut()
	}
	return nil
}

// take takes down one line.
func (q *ollamaQuestion) take(a *answer, at time.Duration, data []byte) error {
	var line ollamaLine
	if err := json.Unmarshal(data, &line); err != nil {
		return fmt.Errorf("%w: a line that is no JSON: %w", stream.ErrMalformed, err)
	}
	if line.Error != "" {
		return &RunError{Reason: RunFailed, Detail: "Ollama says: " + q.client.Message(data)}
	}
	if line.Response != "" {
		a.piece(at, line.Response)
	}
	if !line.Done {
		return nil
	}
	if line.DoneReason != "stop" && line.DoneReason != "length" {
		return &RunError{Reason: RunFailed, Detail: fmt.Sprintf("Ollama ended its answer for the reason %.40q, want length or stop", line.DoneReason)}
	}
	a.finish(at, line.DoneReason == "stop", line.Response != "")
	a.done, a.prompt, a.counted = true, line.Prompt, line.New
	a.server = &ServerTimes{Load: line.Load, Prefill: line.PromptTime, Decode: line.NewTime}
	return nil
}

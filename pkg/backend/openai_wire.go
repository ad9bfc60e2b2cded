package backend

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"time"
	"unicode/utf8"

	"github.com/banterhearts/bh/pkg/stream"
	"github.com/banterhearts/bh/pkg/workload"
)

// The format of OpenAI's API (platform.openai.com/docs/api-reference: completions, chat, streaming), and what the servers
// that offer it add: vLLM token_ids and cache_salt, llama-server timings and ids in logprobs, TGI its own reasons to finish
// and usage beside the last text.

// openaiChunk is one event of an answer. Which fields are there depends on the server and on the event.
type openaiChunk struct {
	Choices []openaiChoice  `json:"choices"`
	Usage   *openaiUsage    `json:"usage"`
	Timings *openaiTimings  `json:"timings"`
	Error   json.RawMessage `json:"error"`
	Object  string          `json:"object"` // older vLLM puts "error" here
}

type openaiChoice struct {
	Text  string `json:"text"` // completions
	Delta struct {
		Content string `json:"content"`
	} `json:"delta"` // chat
	FinishReason string          `json:"finish_reason"` // null, or "" in TGI's completions, until the end
	TokenIDs     []int64         `json:"token_ids"`     // vLLM, where they were asked for
	Logprobs     json.RawMessage `json:"logprobs"`      // null but in a rehearsal
}

// openaiLogprobs names the tokens of a piece, where they were asked for.
type openaiLogprobs struct {
	Content []struct { // chat, and llama-server
		ID    *int64 `json:"id"` // llama-server
		Token string `json:"token"`
		Bytes []int  `json:"bytes"` // the token, also where it is not UTF-8 alone
	} `json:"content"`
	Tokens []string `json:"tokens"` // completions
}

type openaiUsage struct {
	Prompt  int64 `json:"prompt_tokens"`
	New     int64 `json:"completion_tokens"`
	Details *struct {
		Cached int64 `json:"cached_tokens"`
	} `json:"prompt_tokens_details"`
}

// openaiTimings is llama-server's.
type openaiTimings struct {
	Cached    int64   `json:"cache_n"`
	PromptMS  float64 `json:"prompt_ms"`
	PredictMS float64 `json:"predicted_ms"`
}

// openaiDone is the event after the last one.
var openaiDone = []byte("[DONE]")

// openaiQuestion is a request to such a server.
type openaiQuestion struct {
	client  *stream.Client
	request *stream.Request
	// salt is where in the body a text stands that is another one each time, so that vLLM finds no prompt in its cache; nil
	// for other servers.
	salt []byte
}

var _ question = (*openaiQuestion)(nil)

// saltBytes is the entropy of a salt, which is sent as hexadecimal.
const saltBytes = 16

// newOpenAIQuestion prepares a body. Its cache_salt, where there is one, stands in it once.
func newOpenAIQuestion(client *stream.Client, path string, body map[string]any) (*openaiQuestion, error) {
	data, err := json.Marshal(body)
	if err != nil {
		return nil, fmt.Errorf("openai: request: %w", err)
	}
	q := &openaiQuestion{client: client, request: client.Request(path, stream.Events, data)}
	if salt, ok := body[openaiSalt].(string); ok {
		if i := bytes.Index(data, []byte(`"`+openaiSalt+`":"`+salt)); i >= 0 {
			i += len(openaiSalt) + len(`"":"`)
			q.salt = data[i : i+len(salt)]
		}
	}
	return q, nil
}

// ask implements question.
func (q *openaiQuestion) ask(ctx context.Context, start time.Time, a *answer) error {
	if q.salt != nil {
		var fresh [saltBytes]byte
		_, _ = rand.Read(fresh[:]) // never fails
		hex.Encode(q.salt, fresh[:])
	}
	err := q.request.Do(ctx, func(at time.Time, event []byte) (bool, error) {
		err := q.take(a, at.Sub(start), event)
		return a.done, err
	})
	if err != nil {
		return err
	}
	if a.finished == 0 {
		return a.cut()
	}
	return nil
}

// take takes down one event.
func (q *openaiQuestion) take(a *answer, at time.Duration, event []byte) error {
	if bytes.Equal(bytes.TrimSpace(event), openaiDone) {
		a.done = true
		return nil
	}
	var chunk openaiChunk
	if err := json.Unmarshal(event, &chunk); err != nil {
		return fmt.Errorf("%w: an event that is no JSON: %w", stream.ErrMalformed, err)
	}
	if chunk.Object == "error" || len(chunk.Error) > 0 && !bytes.Equal(chunk.Error, []byte("null")) {
		return &RunError{Reason: RunFailed, Detail: "the server says: " + q.client.Message(event)}
	}
	for i := range chunk.Choices {
		if err := a.takeChoice(at, &chunk.Choices[i]); err != nil {
			return err
		}
	}
	a.takeCounts(chunk.Usage, chunk.Timings)
	return nil
}

// takeChoice takes down the text of an event. The first event of a chat names only the role.
func (a *answer) takeChoice(at time.Duration, c *openaiChoice) error {
	text := c.Text + c.Delta.Content
	if c.FinishReason == "eos_token" { // TGI sends the token's name as its text
		text = ""
	}
	if text != "" {
		a.piece(at, text)
	}
	a.ids = append(a.ids, c.names()...)
	switch c.FinishReason {
	case "":
	case "length":
		a.finish(at, false, text != "")
	case "stop", "eos_token":
		a.finish(at, true, text != "")
	default:
		return &RunError{Reason: RunFailed, Detail: fmt.Sprintf("the server ended its answer for the reason %.40q, want length or stop", c.FinishReason)}
	}
	return nil
}

// unnamed is the id of a token that a server named in a way that leaves open which one it is.
const unnamed = -1

// names are the ids of the tokens of an event, as far as the server names them.
func (c *openaiChoice) names() []int64 {
	var logprobs openaiLogprobs
	if len(c.TokenIDs) > 0 || len(c.Logprobs) == 0 || json.Unmarshal(c.Logprobs, &logprobs) != nil { // other forms name nothing
		return c.TokenIDs
	}
	var ids []int64
	for _, t := range logprobs.Content {
		switch {
		case t.ID != nil:
			ids = append(ids, *t.ID)
		case t.Bytes != nil:
			text := make([]byte, len(t.Bytes))
			for i, b := range t.Bytes {
				text[i] = byte(b)
			}
			ids = append(ids, tokenNamed(text))
		default:
			ids = append(ids, tokenNamed([]byte(t.Token)))
		}
	}
	for _, t := range logprobs.Tokens {
		ids = append(ids, tokenNamed([]byte(t)))
	}
	return ids
}

// tokenNamed is the token of that text. The replacement character stands in texts for any bytes that are no UTF-8.
func tokenNamed(text []byte) int64 {
	id, ok := workload.TokenID(text)
	if !ok || bytes.ContainsRune(text, utf8.RuneError) {
		return unnamed
	}
	return id
}

// takeCounts takes down what the server counted. Ollama sends counts of zero until the last event.
func (a *answer) takeCounts(u *openaiUsage, t *openaiTimings) {
	if u != nil && u.Prompt > 0 {
		a.prompt, a.counted = u.Prompt, u.New
		if u.Details != nil {
			a.cached = u.Details.Cached
		}
	}
	if t != nil {
		const perMS = float64(time.Millisecond)
		a.cached = max(a.cached, t.Cached)
		a.server = &ServerTimes{Prefill: time.Duration(t.PromptMS * perMS), Decode: time.Duration(t.PredictMS * perMS)}
	}
}

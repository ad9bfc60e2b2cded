package stream

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"
)

var (
	// ErrUnreachable means that no connection to the server could be had.
	ErrUnreachable = errors.New("no server answers")
	// ErrLost means that a connection broke, or that the server fell silent, before the answer was over.
	ErrLost = errors.New("the server stopped answering")
	// ErrMalformed means that the answer is not in the format that was asked for.
	ErrMalformed = errors.New("the server's answer makes no sense")
)

var errSilent = errors.New("no data arrived for a long time")

// StatusError is a server's refusal.
type StatusError struct {
	Code    int
	Message string // the server's own, without secrets
}

func (e *StatusError) Error() string {
	return fmt.Sprintf("status %d %s: %s", e.Code, http.StatusText(e.Code), e.Message)
}

// callerError carries an error of Do's caller through the parser.
type callerError struct{ error }

// shortestKey is how many characters a key must have to be told from text that holds the same letters by chance.
const shortestKey = 8

// secrets replaces what must not reach a record: the key, a password in the address, and the address of a server elsewhere.
// Of a key shorter than shortestKey, such as the "x" or "EMPTY" of servers that want none, only the header is replaced.
func secrets(base *url.URL, key string) *strings.Replacer {
	var pairs []string
	hide := func(secret, instead string) {
		if secret == "" {
			return
		}
		quoted, err := json.Marshal(secret)
		if err == nil { // a string always is
			pairs = append(pairs, strings.Trim(string(quoted), `"`), instead)
		}
		pairs = append(pairs, secret, instead, url.QueryEscape(secret), instead)
	}
	if key != "" && len(key) < shortestKey {
		key = "Bearer " + key
	}
	hide(key, "[key]")
	if password, ok := base.User.Password(); ok {
		hide(password, "[password]")
	}
	if !local(base.Hostname()) {
		hide(base.Host, "[server]")
		hide(base.Hostname(), "[server]")
	}
	return strings.NewReplacer(pairs...)
}

// Redact takes the secrets out of a text that came from the server or from the network.
func (c *Client) Redact(text string) string { return c.secrets.Replace(text) }

// failure describes an error of the network without secrets. What ended because ctx did gives the cause of that.
func (c *Client) failure(ctx context.Context, err error) error {
	kind := ErrLost
	if ctx.Err() != nil {
		if err = context.Cause(ctx); !errors.Is(err, errSilent) {
			return err
		}
	}
	var dial *net.OpError
	var name *net.DNSError
	if errors.As(err, &dial) && dial.Op == "dial" || errors.As(err, &name) || errors.Is(err, http.ErrSchemeMismatch) {
		kind = ErrUnreachable
	}
	return fmt.Errorf("%w (%s): %s", kind, c.where(), c.Redact(reason(err)))
}

// Slow is the error of a server that has not answered a short question within a limit.
func (c *Client) Slow(limit time.Duration) error {
	return fmt.Errorf("%w (%s): nothing came within %s", ErrUnreachable, c.where(), limit)
}

// where is the server's address as far as it may be published: that of a server elsewhere may not, see secrets.
func (c *Client) where() string {
	if c.Local() {
		return c.base.Host
	}
	return "a server elsewhere"
}

// reason is the innermost part of a network error: the outer ones repeat addresses.
func reason(err error) string {
	var name *net.DNSError
	var op *net.OpError
	var request *url.Error
	switch {
	case errors.As(err, &name):
		return name.Err
	case errors.As(err, &op):
		return op.Err.Error()
	case errors.As(err, &request):
		return request.Err.Error()
	}
	return err.Error()
}

const (
	maxRefusal = 64 << 10 // bytes of an answer that are looked at for a message
	maxMessage = 300      // bytes of a message that are passed on
)

// refusal is the error that an answer without success stands for.
func (c *Client) refusal(res *http.Response) error {
	data, err := io.ReadAll(io.LimitReader(res.Body, maxRefusal))
	if err != nil && len(data) == 0 {
		return c.failure(res.Request.Context(), err)
	}
	return &StatusError{Code: res.StatusCode, Message: c.Message(data)}
}

// Message is what a server says in an error, whatever JSON or text it puts it into: {"error": "…"} (Ollama, TGI),
// {"error": {"message": "…"}} (OpenAI, vLLM, llama-server), {"message": "…"} and {"detail": "…"} (vLLM). It holds no secret.
func (c *Client) Message(data []byte) string {
	text := c.Redact(strings.Join(strings.Fields(message(data)), " ")) // one line, as it goes into a record
	if len(text) > maxMessage {
		text = strings.ToValidUTF8(text[:maxMessage], "") + "…"
	}
	if text == "" {
		return "(no message)"
	}
	return text
}

func message(data []byte) string {
	var fields map[string]json.RawMessage
	if json.Unmarshal(data, &fields) != nil {
		return string(data)
	}
	for _, name := range []string{"error", "message", "detail"} {
		value, ok := fields[name]
		if !ok || bytes.Equal(value, []byte("null")) {
			continue
		}
		var text string
		if json.Unmarshal(value, &text) == nil {
			return text
		}
		return message(value)
	}
	return string(data)
}

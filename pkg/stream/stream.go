// Package stream asks a server over HTTP and says when each piece of its answer arrived. It knows JSON, JSON lines and
// server-sent events, and nothing of language models: what a piece means is package backend's.
//
// A piece's time is read right after the system call that brought its last byte, on the monotonic clock, before the piece
// is looked at. Nothing is compressed and nothing is buffered on the way: small packets are sent at once (TCP_NODELAY, Go's
// default), and a server on this machine is never asked through a proxy.
package stream

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"
)

const (
	// HeaderTimeout is how long a server may take until its answer begins. That includes loading a model, and for most
	// servers reading the whole prompt.
	HeaderTimeout = 5 * time.Minute
	// IdleTimeout is how long a server may be silent within an answer.
	IdleTimeout = time.Minute
)

const (
	dialTimeout  = 10 * time.Second
	drainTimeout = time.Second
	chunkBytes   = 32 << 10
	maxIdle      = 256 // connections kept for the next run: as many as requests were in flight at once
)

// Options of a client. The zero value is ready for use.
type Options struct {
	Key           string        // sent as "Authorization: Bearer KEY" and in no error; empty: not sent
	HeaderTimeout time.Duration // 0 is the constant
	IdleTimeout   time.Duration // 0 is the constant
}

// Client asks one server. Several goroutines may use it at once.
type Client struct {
	base    *url.URL
	key     string
	idle    time.Duration
	http    *http.Client
	secrets *strings.Replacer
}

// New makes a client of the server at base, whose path is put before that of each request.
func New(base *url.URL, o Options) *Client {
	if o.HeaderTimeout == 0 {
		o.HeaderTimeout = HeaderTimeout
	}
	if o.IdleTimeout == 0 {
		o.IdleTimeout = IdleTimeout
	}
	c := &Client{base: base, key: o.Key, idle: o.IdleTimeout, secrets: secrets(base, o.Key)}
	c.http = &http.Client{
		Transport: &http.Transport{
			Proxy:                 c.proxy,
			DialContext:           (&net.Dialer{Timeout: dialTimeout}).DialContext,
			TLSHandshakeTimeout:   dialTimeout,
			ResponseHeaderTimeout: o.HeaderTimeout,
			DisableCompression:    true,
			MaxIdleConns:          maxIdle,
			MaxIdleConnsPerHost:   maxIdle,
		},
		// A redirect would be timed as part of the answer, and could carry the key elsewhere.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	return c
}

// Close gives up the connections.
func (c *Client) Close() { c.http.CloseIdleConnections() }

// Local says whether the server is on this machine, as far as its address tells.
func (c *Client) Local() bool { return local(c.base.Hostname()) }

func local(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && (ip.IsLoopback() || ip.IsUnspecified())
}

func (c *Client) proxy(r *http.Request) (*url.URL, error) {
	if c.Local() {
		return nil, nil
	}
	return http.ProxyFromEnvironment(r)
}

// request makes a request that may be repeated: net/http then sends it again by itself where a kept connection turns out
// to have been closed by the server in the meantime.
func (c *Client) request(ctx context.Context, method, path string, body io.Reader) (*http.Request, error) {
	r, err := http.NewRequestWithContext(ctx, method, c.base.JoinPath(path).String(), body)
	if err != nil {
		return nil, c.failure(ctx, err)
	}
	r.Header["Idempotency-Key"] = nil // marks it as repeatable and is not sent
	if body != nil {
		r.Header.Set("Content-Type", "application/json")
	}
	if c.key != "" {
		r.Header.Set("Authorization", "Bearer "+c.key)
	}
	return r, nil
}

// do sends a request and turns what is no success into an error.
func (c *Client) do(r *http.Request) (*http.Response, error) {
	res, err := c.http.Do(r)
	if err != nil {
		return nil, c.failure(r.Context(), err)
	}
	if res.StatusCode < 200 || res.StatusCode > 299 {
		defer res.Body.Close() //nolint:errcheck // only read
		return nil, c.refusal(res)
	}
	return res, nil
}

// Request is a question that is asked again and again, one time after the other.
type Request struct {
	Body []byte // JSON

	client *Client
	path   string
	parser parser
	chunk  []byte
}

// Request prepares a question.
func (c *Client) Request(path string, f Format, body []byte) *Request {
	return &Request{Body: body, client: c, path: path, parser: parser{format: f}, chunk: make([]byte, chunkBytes)}
}

// errEnough ends a stream whose last piece has been seen.
var errEnough = errors.New("enough")

// Do asks and hands over each piece of the answer with its time; a piece's bytes hold only until each returns. Once each
// says that this was the last piece, the rest of the answer is dropped. An answer that ends without a last piece is no
// error here. An error of each comes back as it is.
func (r *Request) Do(ctx context.Context, each func(at time.Time, piece []byte) (last bool, err error)) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	req, err := r.client.request(ctx, http.MethodPost, r.path, bytes.NewReader(r.Body))
	if err != nil {
		return err
	}
	res, err := r.client.do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close() //nolint:errcheck // only read
	silence := time.AfterFunc(r.client.idle, func() { cancel(errSilent) })
	defer silence.Stop()
	err = r.read(res.Body, func() { silence.Reset(r.client.idle) }, each)
	var callers *callerError
	switch {
	case err == nil, errors.Is(err, ErrMalformed):
		return err
	case errors.Is(err, errEnough):
		silence.Reset(drainTimeout)
		_, _ = io.Copy(io.Discard, res.Body) // to the end, as the connection is used again only then
		return nil
	case errors.As(err, &callers):
		return callers.error
	}
	return r.client.failure(ctx, err)
}

// read reads the body to its end or to its last piece.
func (r *Request) read(body io.Reader, alive func(), each func(time.Time, []byte) (bool, error)) error {
	r.parser.reset()
	var at time.Time
	emit := func(piece []byte) error {
		last, err := each(at, piece)
		switch {
		case err != nil:
			return &callerError{err}
		case last:
			return errEnough
		}
		return nil
	}
	for {
		n, err := body.Read(r.chunk)
		at = time.Now()
		if n > 0 {
			alive()
			if err := r.parser.feed(r.chunk[:n], emit); err != nil {
				return err
			}
		}
		if errors.Is(err, io.EOF) {
			return r.parser.end(emit)
		}
		if err != nil {
			return err
		}
	}
}

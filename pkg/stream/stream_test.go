package stream

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"
)

const secret = `sk-s3cret"key/+`

// serve starts a server and makes a client of it.
func serve(t *testing.T, o Options, handler http.HandlerFunc) *Client {
	t.Helper()
	s := httptest.NewServer(handler)
	t.Cleanup(s.Close)
	base, err := url.Parse(s.URL)
	if err != nil {
		t.Fatal(err)
	}
	c := New(base, o)
	t.Cleanup(c.Close)
	return c
}

// collect asks and returns all pieces; "last" is the last one.
func collect(ctx context.Context, r *Request) (got []string, at []time.Time, err error) {
	err = r.Do(ctx, func(when time.Time, piece []byte) (bool, error) {
		got, at = append(got, string(piece)), append(at, when)
		return string(piece) == "last", nil
	})
	return got, at, err
}

func send(w http.ResponseWriter, text string) {
	_, _ = io.WriteString(w, text) // a client that is gone is part of some tests
	w.(http.Flusher).Flush()
}

// awaitClose waits until the client has closed the connection, which net/http notices once the body has been read.
func awaitClose(r *http.Request) {
	_, _ = io.Copy(io.Discard, r.Body)
	<-r.Context().Done()
}

func TestDoTellsWhenEachPieceArrived(t *testing.T) {
	var sent []time.Time
	c := serve(t, Options{}, func(w http.ResponseWriter, r *http.Request) {
		if body, err := io.ReadAll(r.Body); r.Method != http.MethodPost || r.URL.Path != "/v1/x" || string(body) != `{"q":1}` || err != nil {
			t.Errorf("saw %s %s %q", r.Method, r.URL.Path, body)
		}
		for _, text := range []string{"one", "two", "last"} {
			sent = append(sent, time.Now())
			send(w, "data: "+text+"\n\n")
			time.Sleep(5 * time.Millisecond)
		}
		send(w, "data: more than that\n\n")
	})
	start := time.Now()
	got, at, err := collect(t.Context(), c.Request("v1/x", Events, []byte(`{"q":1}`)))
	if err != nil || !slices.Equal(got, []string{"one", "two", "last"}) {
		t.Fatalf("saw %q, %v", got, err)
	}
	for i := range at {
		before := start
		if i > 0 {
			before = at[i-1]
		}
		if at[i].Before(sent[i]) || !at[i].After(before) {
			t.Errorf("piece %d: sent at %v, seen at %v, the one before at %v", i, sent[i], at[i], before)
		}
	}
}

func TestPiecesOfOneChunkHaveOneTime(t *testing.T) {
	c := serve(t, Options{}, func(w http.ResponseWriter, _ *http.Request) { send(w, "one\ntwo\n") })
	got, at, err := collect(t.Context(), c.Request("x", Lines, nil))
	if err != nil || len(got) != 2 || !at[0].Equal(at[1]) {
		t.Errorf("saw %q at %v, %v", got, at, err)
	}
}

// A connection is used again, also after an answer that was not read to its end; nothing is asked to be compressed.
func TestConnectionIsKept(t *testing.T) {
	from := map[string]int{}
	c := serve(t, Options{}, func(w http.ResponseWriter, r *http.Request) {
		from[r.RemoteAddr]++
		for _, h := range []string{"Accept-Encoding", "Idempotency-Key", "Authorization"} {
			if v := r.Header.Values(h); v != nil {
				t.Errorf("saw %s: %q", h, v)
			}
		}
		send(w, "last\nsomething else\n")
	})
	r := c.Request("x", Lines, []byte("{}"))
	for range 3 {
		if _, _, err := collect(t.Context(), r); err != nil {
			t.Fatal(err)
		}
	}
	if len(from) != 1 {
		t.Errorf("saw connections %v, want one", from)
	}
}

func TestErrors(t *testing.T) {
	short := Options{HeaderTimeout: 50 * time.Millisecond, IdleTimeout: 50 * time.Millisecond}
	wait := func(_ http.ResponseWriter, r *http.Request) { awaitClose(r) }
	for name, c := range map[string]struct {
		options Options
		handler http.HandlerFunc
		want    error
		text    string
	}{
		"no answer":       {short, wait, ErrLost, "timeout"},
		"falls silent":    {short, func(w http.ResponseWriter, r *http.Request) { send(w, "one\n"); wait(w, r) }, ErrLost, "no data"},
		"breaks off":      {Options{}, func(w http.ResponseWriter, _ *http.Request) { send(w, "one\n"); panic(http.ErrAbortHandler) }, ErrLost, "EOF"},
		"an endless line": {Options{}, func(w http.ResponseWriter, _ *http.Request) { send(w, strings.Repeat("x", MaxPiece+1)) }, ErrMalformed, "bytes"},
	} {
		_, _, err := collect(t.Context(), serve(t, c.options, c.handler).Request("x", Lines, []byte("{}")))
		if !errors.Is(err, c.want) || !strings.Contains(err.Error(), c.text) {
			t.Errorf("%s: saw %v, want %v with %q", name, err, c.want, c.text)
		}
	}
}

// A refused connection and a name that is not there are told apart from a connection that broke; a server elsewhere is not
// named.
func TestUnreachable(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	closed := l.Addr().String()
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	for host, want := range map[string]string{closed: "(" + closed + "): connect: connection refused", "no-such-host.invalid:80": "(a server elsewhere)"} {
		c := New(&url.URL{Scheme: "http", Host: host}, Options{})
		c.http.Transport.(*http.Transport).Proxy = nil // of the machine that runs the test
		err := c.Call(t.Context(), http.MethodGet, "/", nil, nil)
		if !errors.Is(err, ErrUnreachable) || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "no-such-host") {
			t.Errorf("%s: saw %v", host, err)
		}
	}
}

func TestCancel(t *testing.T) {
	ctx, cancel := context.WithCancelCause(t.Context())
	why := errors.New("enough of that")
	c := serve(t, Options{}, func(w http.ResponseWriter, r *http.Request) {
		send(w, "one\n")
		cancel(why)
		awaitClose(r)
	})
	if got, _, err := collect(ctx, c.Request("x", Lines, nil)); !errors.Is(err, why) {
		t.Errorf("saw %q, %v", got, err)
	}
}

func TestErrorOfTheCallerComesBack(t *testing.T) {
	c := serve(t, Options{}, func(w http.ResponseWriter, _ *http.Request) { send(w, "one\n") })
	mine := errors.New("not this")
	err := c.Request("x", Lines, nil).Do(t.Context(), func(time.Time, []byte) (bool, error) { return false, mine })
	if err != mine { //nolint:errorlint // the very same error is the point
		t.Errorf("saw %v", err)
	}
}

// TestKeyIsSentAndNeverTold: a server that repeats the key in its answers, however it writes it, gives no error that holds it.
func TestKeyIsSentAndNeverTold(t *testing.T) {
	bodies := map[string]func(auth string) string{
		"text": func(auth string) string { return "bad header " + auth },
		"json": func(auth string) string {
			return toJSON(t, map[string]any{"error": map[string]any{"message": "no: " + auth}})
		},
		"nested": func(auth string) string { return toJSON(t, map[string]any{"other": auth}) },
		"query":  func(auth string) string { return "/v1?key=" + url.QueryEscape(strings.TrimPrefix(auth, "Bearer ")) },
		"long":   func(auth string) string { return strings.Repeat("x", maxMessage-10) + auth },
	}
	for name, body := range bodies {
		c := serve(t, Options{Key: secret}, func(w http.ResponseWriter, r *http.Request) {
			auth := r.Header.Get("Authorization")
			if auth != "Bearer "+secret {
				t.Errorf("saw header %q", auth)
			}
			w.WriteHeader(http.StatusUnauthorized)
			send(w, body(auth))
		})
		_, _, err := collect(t.Context(), c.Request("x", Lines, nil))
		var refused *StatusError
		if !errors.As(err, &refused) || refused.Code != http.StatusUnauthorized || refused.Message == "" {
			t.Fatalf("%s: saw %v", name, err)
		}
		for _, form := range []string{secret, secret[:10], "s3cret", url.QueryEscape(secret)} {
			if strings.Contains(err.Error(), form) {
				t.Errorf("%s: the key is in %q", name, err)
			}
		}
	}
}

func toJSON(t *testing.T, v any) string {
	t.Helper()
	data, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

func TestMessage(t *testing.T) {
	c := New(&url.URL{Scheme: "https", Host: "gpu7.example.org:8000", User: url.UserPassword("me", "hunter2")}, Options{Key: secret})
	for in, want := range map[string]string{
		`{"error":"model 'x' not found"}`:                           "model 'x' not found",
		`{"error":{"message":"Bad key","type":"auth","code":null}}`: "Bad key",
		`{"object":"error","message":"too long","code":400}`:        "too long",
		`{"detail":[{"loc":["body"],"msg":"field required"}]}`:      `[{"loc":["body"],"msg":"field required"}]`,
		`{"error":null,"message":"m"}`:                              "m",
		" plain text\n":                                             "plain text",
		"":                                                          "(no message)",
		"at gpu7.example.org:8000 or gpu7.example.org, hunter2":     "at [server] or [server], [password]",
		strings.Repeat("é", maxMessage):                             strings.Repeat("é", maxMessage/2) + "…",
	} {
		if got := c.Message([]byte(in)); got != want {
			t.Errorf("%.60q: saw %q, want %q", in, got, want)
		}
	}
}

// A key of a few letters is in every other text by chance; only where it is sent is it known for one.
func TestShortKeyIsNoText(t *testing.T) {
	for key, want := range map[string]string{
		"":      "model of Bearer EMPTY",
		"a":     "model of Bearer EMPTY",
		"EMPTY": "model of [key]",
	} {
		c := New(&url.URL{Scheme: "http", Host: "localhost:1"}, Options{Key: key})
		if got := c.Redact("model of Bearer EMPTY"); got != want {
			t.Errorf("%q: saw %q, want %q", key, got, want)
		}
	}
}

func TestSlowSaysWhereAndHowLong(t *testing.T) {
	for host, want := range map[string]string{"127.0.0.1:8000": "(127.0.0.1:8000): nothing came within 300ms", "h.example:1": "(a server elsewhere): nothing"} {
		c := New(&url.URL{Scheme: "http", Host: host, User: url.UserPassword("me", "hunter2")}, Options{})
		if err := c.Slow(300 * time.Millisecond); !errors.Is(err, ErrUnreachable) || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: saw %v, want %q", host, err, want)
		}
	}
}

func TestRedirectIsNotFollowed(t *testing.T) {
	c := serve(t, Options{}, func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/elsewhere", http.StatusFound) })
	var refused *StatusError
	if err := c.Call(t.Context(), http.MethodGet, "/", nil, nil); !errors.As(err, &refused) || refused.Code != http.StatusFound {
		t.Errorf("saw %v", err)
	}
}

func TestServerOnThisMachineNeedsNoProxy(t *testing.T) {
	for host, want := range map[string]bool{
		"localhost:1": true, "127.0.0.1": true, "127.3.2.1:9": true, "[::1]:80": true, "0.0.0.0:80": true, "example.org": false, "10.0.0.1:80": false,
	} {
		c := New(&url.URL{Scheme: "http", Host: host}, Options{})
		if c.Local() != want {
			t.Errorf("%s: saw local %v", host, c.Local())
		}
		if p, err := c.proxy(&http.Request{URL: c.base}); want && (p != nil || err != nil) {
			t.Errorf("%s: saw proxy %v, %v", host, p, err)
		}
	}
}

func TestCallAndUpload(t *testing.T) {
	c := serve(t, Options{}, func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		fmt.Fprintf(w, `{"got":%q,"length":%d}`, body, r.ContentLength)
	})
	var out struct {
		Got    string
		Length int64
	}
	if err := c.Call(t.Context(), http.MethodPost, "x", map[string]int{"a": 1}, &out); err != nil || out.Got != `{"a":1}` {
		t.Errorf("saw %+v, %v", out, err)
	}
	if err := c.Upload(t.Context(), "x", strings.NewReader("weights"), 7); err != nil {
		t.Error(err)
	}
	var number int
	if err := c.Call(t.Context(), http.MethodGet, "x", nil, &number); !errors.Is(err, ErrMalformed) {
		t.Errorf("an answer of another form: saw %v", err)
	}
}

func TestPathOfTheAddressIsNotTold(t *testing.T) {
	c := serve(t, Options{}, func(w http.ResponseWriter, _ *http.Request) { send(w, "<html>") })
	c.base = c.base.JoinPath("s3cret-path")
	var out struct{}
	err := c.Call(t.Context(), http.MethodGet, "/models", nil, &out)
	if !errors.Is(err, ErrMalformed) || !strings.Contains(err.Error(), "GET /models") || strings.Contains(err.Error(), "s3cret") {
		t.Errorf("saw %v", err)
	}
}

func TestCalibrate(t *testing.T) {
	got, err := Calibrate(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for name, s := range map[string]Spread{"first piece": got.FirstPiece, "piece": got.Piece, "gap": got.Gap} {
		if s.Median < 0 || s.P95 < s.Median || s.Max < s.P95 || s.Max == 0 {
			t.Errorf("%s: saw %+v", name, s)
		}
	}
	info := got.Info()
	for _, key := range []string{"client_overhead_ttft_median_us", "client_piece_late_p95_us", "client_overhead_itl_max_us"} {
		if info[key] == "" {
			t.Errorf("no %s in %v", key, info)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Calibrate(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: saw %v", err)
	}
}

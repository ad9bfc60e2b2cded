package stream

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/banterhearts/bh/pkg/stats"
)

// Calibration says how much of a figure is this client and not the server. It comes from a server in this process, whose
// own times are on the same clock. The way through the kernel and both ends of net/http are in it, so it is an upper bound
// of the client's own part.
type Calibration struct {
	// FirstPiece is how much longer the client waits for the first piece than the server took to make it.
	FirstPiece Spread
	// Piece is how much later the client sees a piece than the server sent it.
	Piece Spread
	// Gap is by how much the client's time between two pieces differs from the server's, either way.
	Gap Spread
}

// Spread summarises repeated measurements.
type Spread struct{ Median, P95, Max time.Duration }

const (
	calibrationAnswers = 16 // of one piece
	calibrationPieces  = 64 // of one answer
	calibrationGap     = 2 * time.Millisecond
)

// calibrationEvent is as long as a piece of a real server.
const calibrationEvent = `data: {"id":"cmpl-0123456789abcdef","object":"text_completion","created":1700000000,"model":"calibration",` +
	`"choices":[{"index":0,"text":" token","logprobs":null,"finish_reason":null}],"usage":null}` + "\n\n"

// Calibrate measures the client: about 0.2 seconds.
func Calibrate(ctx context.Context) (_ Calibration, err error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return Calibration{}, fmt.Errorf("calibrate: %w", err)
	}
	mock := &mockServer{}
	server := &http.Server{Handler: mock, ReadHeaderTimeout: dialTimeout}
	served := make(chan error, 1)
	go func() { served <- server.Serve(listener) }()
	client := New(&url.URL{Scheme: "http", Host: listener.Addr().String()}, Options{})
	defer func() {
		client.Close()
		err = errors.Join(err, server.Close())
		if serveErr := <-served; !errors.Is(serveErr, http.ErrServerClosed) {
			err = errors.Join(err, serveErr)
		}
	}()
	return mock.measure(ctx, client)
}

// mockServer sends as many pieces as the path says. Only one request is under way at a time.
type mockServer struct {
	received time.Time   // when it had read the request
	sent     []time.Time // right before each piece was written
}

// ServeHTTP implements http.Handler.
func (m *mockServer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	m.received, m.sent = time.Now(), m.sent[:0]
	pieces, err := strconv.Atoi(r.URL.Path[1:])
	flusher, ok := w.(http.Flusher)
	if err != nil || !ok {
		http.Error(w, "no number of pieces", http.StatusBadRequest)
		return
	}
	w.Header().Set("Content-Type", "text/event-stream")
	for i := range pieces {
		if i > 0 {
			time.Sleep(calibrationGap)
		}
		m.sent = append(m.sent, time.Now())
		_, _ = w.Write([]byte(calibrationEvent)) // the client counts the pieces
		flusher.Flush()
	}
}

// measure asks for short answers, the first of which opens the connection, and for a long one.
func (m *mockServer) measure(ctx context.Context, client *Client) (Calibration, error) {
	var first []time.Duration
	for i := range calibrationAnswers + 1 {
		start, seen, err := ask(ctx, client, 1)
		if err != nil {
			return Calibration{}, err
		}
		if i > 0 {
			first = append(first, seen[0].Sub(start)-m.sent[0].Sub(m.received))
		}
	}
	_, seen, err := ask(ctx, client, calibrationPieces)
	if err != nil {
		return Calibration{}, err
	}
	var late, gaps []time.Duration
	for i := range seen {
		late = append(late, seen[i].Sub(m.sent[i]))
		if i > 0 {
			gaps = append(gaps, (late[i] - late[i-1]).Abs())
		}
	}
	var c Calibration
	for _, part := range []struct {
		of   *Spread
		from []time.Duration
	}{{&c.FirstPiece, first}, {&c.Piece, late}, {&c.Gap, gaps}} {
		if *part.of, err = spread(part.from); err != nil {
			return Calibration{}, fmt.Errorf("calibrate: %w", err)
		}
	}
	return c, nil
}

// ask returns when the request was sent and when each of its pieces arrived.
func ask(ctx context.Context, client *Client, pieces int) (start time.Time, seen []time.Time, err error) {
	seen = make([]time.Time, 0, pieces)
	r := client.Request("/"+strconv.Itoa(pieces), Events, []byte("{}"))
	start = time.Now()
	err = r.Do(ctx, func(at time.Time, _ []byte) (bool, error) {
		seen = append(seen, at)
		return false, nil
	})
	if err == nil && len(seen) != pieces {
		err = fmt.Errorf("saw %d pieces, want %d", len(seen), pieces)
	}
	if err != nil {
		return start, nil, fmt.Errorf("calibrate: %w", err)
	}
	return start, seen, nil
}

// spread summarises values.
func spread(values []time.Duration) (Spread, error) {
	ns := make([]float64, len(values))
	for i, v := range values {
		ns[i] = float64(v)
	}
	var out Spread
	for p, d := range map[float64]*time.Duration{50: &out.Median, 95: &out.P95, 100: &out.Max} {
		v, err := stats.Percentile(ns, p)
		if err != nil {
			return Spread{}, err
		}
		*d = time.Duration(v)
	}
	return out, nil
}

// Info is the calibration in microseconds, as it stands in a manifest.
func (c Calibration) Info() map[string]string {
	out := map[string]string{}
	for name, s := range map[string]Spread{"client_overhead_ttft": c.FirstPiece, "client_piece_late": c.Piece, "client_overhead_itl": c.Gap} {
		for suffix, d := range map[string]time.Duration{"_median_us": s.Median, "_p95_us": s.P95, "_max_us": s.Max} {
			out[name+suffix] = strconv.FormatFloat(float64(d)/float64(time.Microsecond), 'f', 1, 64)
		}
	}
	return out
}

package stream

import (
	"bytes"
	"errors"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// pieces parses a stream that arrives cut at the given places.
func pieces(f Format, text string, cuts ...int) ([]string, error) {
	p := parser{format: f}
	var out []string
	emit := func(piece []byte) error {
		out = append(out, string(piece))
		return nil
	}
	from := 0
	for _, to := range append(slices.Sorted(slices.Values(cuts)), len(text)) {
		if err := p.feed([]byte(text[from:to]), emit); err != nil {
			return out, err
		}
		from = to
	}
	return out, p.end(emit)
}

func TestPieces(t *testing.T) {
	for name, c := range map[string]struct {
		format Format
		text   string
		want   []string
	}{
		"lines":                     {Lines, "{\"a\":1}\n{\"b\":2}\n", []string{`{"a":1}`, `{"b":2}`}},
		"last line without its end": {Lines, "one\ntwo", []string{"one", "two"}},
		"lines of Windows, empty":   {Lines, "one\r\n\r\n \r\ntwo\r\n", []string{"one", "two"}},
		"events":                    {Events, "data: one\n\ndata: two\n\n", []string{"one", "two"}},
		"no space, two spaces":      {Events, "data:one\n\ndata:  two\n\n", []string{"one", " two"}},
		"data in several lines":     {Events, "data: one\ndata: two\n\n", []string{"one\ntwo"}},
		"empty data":                {Events, "data\n\ndata:\ndata:\n\n", []string{"", "\n"}},
		"comments keep it alive":    {Events, ": keep-alive\n\n:\n\ndata: one\n: more\n\n", []string{"one"}},
		"other fields":              {Events, "event: error\nid: 7\nretry: 10\ndata: one\n\nevent: x\n\n", []string{"one"}},
		"fields that look alike":    {Events, "datum: x\n data: y\n\ndata: one\n\n", []string{"one"}},
		"carriage returns":          {Events, "data: one\r\rdata: two\r\n\r\n", []string{"one", "two"}},
		"byte order mark":           {Events, "\ufeffdata: one\n\n\ufeffdata: two\n\n", []string{"one"}},
		"an event without its end":  {Events, "data: one\n\ndata: two\n", []string{"one"}},
		"nothing":                   {Events, "", nil},
	} {
		got, err := pieces(c.format, c.text)
		if err != nil || !slices.Equal(got, c.want) {
			t.Errorf("%s: saw %q, %v, want %q", name, got, err, c.want)
		}
	}
}

func TestPiecesAreBounded(t *testing.T) {
	long := strings.Repeat("x", MaxPiece+1)
	half := strings.Repeat("x", MaxPiece/2+1)
	for name, c := range map[string]struct {
		format Format
		text   string
	}{
		"a line":                {Lines, long + "\n"},
		"a line without an end": {Lines, long},
		"a field":               {Events, "data: " + long},
		"an event":              {Events, "data: " + half + "\ndata: " + half + "\n\n"},
	} {
		if got, err := pieces(c.format, c.text); !errors.Is(err, ErrMalformed) {
			t.Errorf("%s: saw %d pieces and error %v", name, len(got), err)
		}
	}
	if got, err := pieces(Lines, long[1:]+"\n", MaxPiece/3); err != nil || len(got) != 1 {
		t.Errorf("the longest line: saw %d pieces and error %v", len(got), err)
	}
}

// TestPiecesDoNotDependOnChunks writes events in one of the ways that the format allows and cuts them anywhere.
func TestPiecesDoNotDependOnChunks(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		want := rapid.SliceOf(rapid.StringMatching(`[a-z:{}" é]{1,12}(\n[a-z: ]{0,5}){0,2}`)).Draw(t, "events")
		newline := rapid.SampledFrom([]string{"\n", "\r\n", "\r"})
		noise := rapid.SampledFrom([]string{"", ": ping", "event: message", "id: 1"})
		var text strings.Builder
		for _, event := range want {
			if n := noise.Draw(t, "noise"); n != "" {
				text.WriteString(n + newline.Draw(t, "end"))
			}
			for _, line := range strings.Split(event, "\n") {
				text.WriteString("data: " + line + newline.Draw(t, "end"))
			}
			end := newline.Draw(t, "end")
			if end == "\n" && strings.HasSuffix(text.String(), "\r") { // together they would be one end of line
				end = "\r"
			}
			text.WriteString(end)
			if end == "\r" {
				text.WriteString(":\n") // nor may the next line begin with "\n"
			}
		}
		cuts := rapid.SliceOf(rapid.IntRange(0, text.Len())).Draw(t, "cuts")
		got, err := pieces(Events, text.String(), cuts...)
		if err != nil || !slices.Equal(got, want) {
			t.Fatalf("%q cut at %v: saw %q, %v, want %q", text.String(), cuts, got, err, want)
		}
	})
}

// FuzzPieces holds that any bytes, cut anywhere, give the same pieces as in one chunk.
func FuzzPieces(f *testing.F) {
	f.Add([]byte("data: one\r\n\r\ndata: two\n\n"), uint16(3), uint16(11))
	f.Add([]byte("{\"a\":1}\n{}\r\r\n"), uint16(0), uint16(9))
	f.Add([]byte("\ufeff: x\rdata\n\r"), uint16(1), uint16(2))
	f.Fuzz(func(t *testing.T, text []byte, a, b uint16) {
		cuts := []int{int(a) % (len(text) + 1), int(b) % (len(text) + 1)}
		for _, format := range []Format{Lines, Events} {
			whole, wholeErr := pieces(format, string(text))
			cut, cutErr := pieces(format, string(text), cuts...)
			if !slices.Equal(whole, cut) || (wholeErr == nil) != (cutErr == nil) {
				t.Fatalf("%q: saw %q, %v in one chunk, and %q, %v cut at %v", text, whole, wholeErr, cut, cutErr, cuts)
			}
			for _, piece := range whole {
				if format == Lines && bytes.ContainsAny([]byte(piece), "\r\n") {
					t.Fatalf("%q: saw a line with an end of line in it: %q", text, piece)
				}
			}
		}
	})
}

// BenchmarkParse cuts an answer of 64 events, each as long as a real one, out of a chunk of its own: the time for a piece
// without JSON.
func BenchmarkParse(b *testing.B) {
	p := parser{format: Events}
	event, seen := []byte(calibrationEvent), 0
	emit := func(piece []byte) error {
		seen += len(piece)
		return nil
	}
	b.SetBytes(int64(len(event)))
	for b.Loop() {
		if err := p.feed(event, emit); err != nil {
			b.Fatal(err)
		}
	}
	if seen == 0 {
		b.Fatal("no piece")
	}
}

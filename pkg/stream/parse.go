package stream

import (
	"bytes"
	"fmt"
)

// Format is how a server cuts its answer into pieces.
type Format int

// The formats.
const (
	// Lines is one JSON object per line (NDJSON). Empty lines are skipped.
	Lines Format = iota
	// Events is server-sent events (HTML Living Standard, 9.2): the lines "data: …" up to an empty one are a piece.
	Events
)

// MaxPiece bounds a line, and a piece, in bytes: a server that sends no end of line must not fill the memory.
const MaxPiece = 1 << 20

// parser cuts a stream that arrives in chunks of any size into pieces.
type parser struct {
	format Format
	line   []byte // of a line whose end has not arrived
	data   []byte // of an event whose end has not arrived
	event  bool   // data is there, though it may be empty
	begun  bool   // the first line is over
	afterR bool   // the last chunk ended in "\r": a "\n" that comes next belongs to it
}

// reset prepares for another stream and keeps the memory.
func (p *parser) reset() {
	*p = parser{format: p.format, line: p.line[:0], data: p.data[:0]}
}

// feed takes the next chunk and emits every piece that it completes. A piece's bytes hold only until emit returns.
func (p *parser) feed(chunk []byte, emit func([]byte) error) error {
	for len(chunk) > 0 {
		if p.afterR && chunk[0] == '\n' {
			chunk = chunk[1:]
		}
		p.afterR = false
		end := lineEnd(chunk)
		if end < 0 {
			return p.keep(chunk)
		}
		if err := p.keepOrUse(chunk[:end], emit); err != nil {
			return err
		}
		if chunk[end] == '\r' {
			p.afterR = true
		}
		chunk = chunk[end+1:]
	}
	return nil
}

// lineEnd is where the first "\n" or "\r" stands, -1 where there is none.
func lineEnd(chunk []byte) int {
	n := bytes.IndexByte(chunk, '\n')
	if n < 0 {
		return bytes.IndexByte(chunk, '\r')
	}
	if r := bytes.IndexByte(chunk[:n], '\r'); r >= 0 {
		return r
	}
	return n
}

// keep puts the beginning of a line aside.
func (p *parser) keep(part []byte) error {
	if len(p.line)+len(part) > MaxPiece {
		return fmt.Errorf("%w: saw a line of more than %d bytes", ErrMalformed, MaxPiece)
	}
	p.line = append(p.line, part...)
	return nil
}

// keepOrUse takes the end of a line, which stands in the chunk where it also began there.
func (p *parser) keepOrUse(part []byte, emit func([]byte) error) error {
	if len(p.line) == 0 && len(part) <= MaxPiece {
		return p.use(part, emit)
	}
	if err := p.keep(part); err != nil {
		return err
	}
	err := p.use(p.line, emit)
	p.line = p.line[:0]
	return err
}

var byteOrderMark = []byte("\ufeff")

// use takes a whole line.
func (p *parser) use(line []byte, emit func([]byte) error) error {
	if !p.begun {
		p.begun = true
		line = bytes.TrimPrefix(line, byteOrderMark)
	}
	if p.format == Lines {
		if len(bytes.TrimSpace(line)) == 0 {
			return nil
		}
		return emit(line)
	}
	if len(line) == 0 {
		return p.dispatch(emit)
	}
	field, value, _ := bytes.Cut(line, []byte(":"))
	if string(field) != "data" { // comments, which keep a connection alive, event names, ids
		return nil
	}
	value = bytes.TrimPrefix(value, []byte(" "))
	if p.event {
		p.data = append(p.data, '\n')
	}
	if len(p.data)+len(value) > MaxPiece {
		return fmt.Errorf("%w: saw an event of more than %d bytes", ErrMalformed, MaxPiece)
	}
	p.data = append(p.data, value...)
	p.event = true
	return nil
}

// dispatch emits the event that an empty line ends.
func (p *parser) dispatch(emit func([]byte) error) error {
	if !p.event {
		return nil
	}
	err := emit(p.data)
	p.data, p.event = p.data[:0], false
	return err
}

// end takes the end of the stream. A last line needs no end of line; an event whose empty line is missing is not one.
func (p *parser) end(emit func([]byte) error) error {
	if p.format == Events || len(p.line) == 0 {
		return nil
	}
	err := p.use(p.line, emit)
	p.line = p.line[:0]
	return err
}

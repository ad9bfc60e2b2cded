package store

import (
	"math"
	"strconv"
)

// jsonCursor walks through one line of JSON. Its methods move past what they recognise; those that report false leave
// the cursor anywhere, unless they say otherwise. What they take is a subset of what RFC 8259 allows.
type jsonCursor struct {
	b  []byte
	at int
}

// peek is the byte at the cursor, 0 at the end of the line: a zero byte is not allowed in JSON.
func (p *jsonCursor) peek() byte {
	if p.at < len(p.b) {
		return p.b[p.at]
	}
	return 0
}

func (p *jsonCursor) take() byte {
	c := p.peek()
	p.at++
	return c
}

func (p *jsonCursor) space() {
	for p.at < len(p.b) && (p.b[p.at] == ' ' || p.b[p.at] == '\t' || p.b[p.at] == '\r' || p.b[p.at] == '\n') {
		p.at++
	}
}

// literal moves past s if that is what comes, and else stays.
func (p *jsonCursor) literal(s string) bool {
	end := p.at + len(s)
	if end > len(p.b) || string(p.b[p.at:end]) != s {
		return false
	}
	p.at = end
	return true
}

// quoted moves past s in quotes if that is what comes, and else stays. All of s must be plain.
func (p *jsonCursor) quoted(s string) bool {
	start, end := p.at+1, p.at+1+len(s)
	if end >= len(p.b) || p.b[p.at] != '"' || p.b[end] != '"' || string(p.b[start:end]) != s {
		return false
	}
	p.at = end + 1
	return true
}

// plain reads a string that stands for itself: ASCII without escapes.
func (p *jsonCursor) plain() ([]byte, bool) {
	if p.take() != '"' {
		return nil, false
	}
	start := p.at
	for p.at < len(p.b) && plainByte(p.b[p.at]) {
		p.at++
	}
	s := p.b[start:p.at]
	return s, p.take() == '"'
}

// stringToken finds the end of any string, and returns it with its quotes; what is inside is not checked.
func (p *jsonCursor) stringToken() ([]byte, bool) {
	start := p.at
	if p.take() != '"' {
		return nil, false
	}
	for p.at < len(p.b) {
		switch p.take() {
		case '\\':
			p.at++
		case '"':
			if p.at > len(p.b) {
				return nil, false
			}
			return p.b[start:p.at], true
		}
	}
	return nil, false
}

// skip moves past a value of an unknown field: one that is not nested.
func (p *jsonCursor) skip() bool {
	switch c := p.peek(); {
	case c == '"':
		_, ok := p.plain()
		return ok
	case c == '-' || isDigit(c):
		_, ok := p.numberToken()
		return ok
	}
	return p.literal("null") || p.literal("true") || p.literal("false")
}

// maxDigits is how many digits surely fit in a uint64.
const maxDigits = 19

func (p *jsonCursor) integer() (int64, bool) {
	negative := p.peek() == '-'
	if negative {
		p.at++
	}
	start, v := p.at, uint64(0)
	for i := start; i < len(p.b) && isDigit(p.b[i]); i++ {
		v = v*10 + uint64(p.b[i]-'0') // wraps around past maxDigits, and is then dropped
		p.at++
	}
	digits := p.at - start
	if digits == 0 || digits > maxDigits || v > math.MaxInt64 || digits > 1 && p.b[start] == '0' {
		return 0, false
	}
	if c := p.peek(); c == '.' || c == 'e' || c == 'E' {
		return 0, false
	}
	if negative {
		return -int64(v), true
	}
	return int64(v), true
}

func (p *jsonCursor) number() (float64, bool) {
	token, ok := p.numberToken()
	if !ok {
		return 0, false
	}
	v, err := strconv.ParseFloat(string(token), 64)
	return v, err == nil && !math.IsInf(v, 0)
}

// numberToken finds the end of a number as RFC 8259 writes it.
func (p *jsonCursor) numberToken() ([]byte, bool) {
	start := p.at
	if p.peek() == '-' {
		p.at++
	}
	first := p.peek()
	if n := p.digits(); n == 0 || n > 1 && first == '0' {
		return nil, false
	}
	if p.peek() == '.' {
		p.at++
		if p.digits() == 0 {
			return nil, false
		}
	}
	if c := p.peek(); c == 'e' || c == 'E' {
		p.at++
		if c := p.peek(); c == '+' || c == '-' {
			p.at++
		}
		if p.digits() == 0 {
			return nil, false
		}
	}
	return p.b[start:p.at], true
}

// digits moves past digits and counts them.
func (p *jsonCursor) digits() int {
	start := p.at
	for i := start; i < len(p.b) && isDigit(p.b[i]); i++ {
		p.at++
	}
	return p.at - start
}

// integers reads a list, appending to list.
func (p *jsonCursor) integers(list []int64) ([]int64, bool) {
	if p.take() != '[' {
		return nil, false
	}
	p.space()
	if p.peek() == ']' {
		p.at++
		return list, true
	}
	for {
		p.space()
		v, ok := p.integer()
		if !ok {
			return nil, false
		}
		list = append(list, v)
		p.space()
		switch p.take() {
		case ',':
		case ']':
			return list, true
		default:
			return nil, false
		}
	}
}

func isDigit(c byte) bool { return c >= '0' && c <= '9' }

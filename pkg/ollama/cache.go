package ollama

import (
	"bytes"
	"fmt"
	"regexp"
	"strconv"
)

// Mark is a place in a server's log.
type Mark int64

// Mark is where the log ends now.
func (s *Server) Mark() (Mark, error) {
	size, err := s.log.size()
	return Mark(size), err
}

// CacheUse says how much of the prompts since a mark came from the server's cache of earlier prompts.
type CacheUse struct {
	Prompts int   // that the server began with
	Tokens  int64 // that it took from the cache instead of computing them
}

// cacheLine is what the pinned version logs when it begins with a prompt (runner/llamarunner/cache.go, LoadCacheSlot). Its
// answers do not tell: prompt_eval_count counts cached tokens too.
var cacheLine = regexp.MustCompile(`^.* msg="loading cache slot" .*\bused=(\d+) .*$`)

// CacheUse reads the log from mark on. The line of a request is there by the time of its answer, but for the moments that
// it takes through a pipe; a caller knows how many prompts it sent. Another version of Ollama may log otherwise.
func (s *Server) CacheUse(mark Mark) (CacheUse, error) {
	text, err := s.log.from(int64(mark))
	if err != nil {
		return CacheUse{}, fmt.Errorf("log of ollama: %w", err)
	}
	return parseCacheUse(text)
}

func parseCacheUse(log []byte) (CacheUse, error) {
	var use CacheUse
	for line := range bytes.Lines(log) {
		m := cacheLine.FindSubmatch(bytes.TrimSuffix(line, []byte("\n")))
		if m == nil || !bytes.HasSuffix(line, []byte("\n")) {
			continue // another line, or one still being written
		}
		n, err := strconv.ParseInt(string(m[1]), 10, 64)
		if err != nil {
			return CacheUse{}, fmt.Errorf("log of ollama: %q: %w", line, err)
		}
		use.Prompts, use.Tokens = use.Prompts+1, use.Tokens+n
	}
	return use, nil
}

package main

import (
	"errors"
	"io"
	"os"
)

// results is where a command writes what it was asked for. A closed standard output would take it without an error.
func results(out io.Writer) io.Writer {
	if out == io.Writer(os.Stdout) && stdoutClosed() {
		return noOutput{}
	}
	return out
}

// noOutput is a standard output that is closed.
type noOutput struct{}

func (noOutput) Write([]byte) (int, error) {
	return 0, errors.New("cannot write to standard output: it is closed")
}

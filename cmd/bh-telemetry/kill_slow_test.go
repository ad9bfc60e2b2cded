//go:build integration

package main

import (
	"testing"
	"time"
)

// Sixty more of TestKilledAtAnyMoment, and longer ones.
func TestSlowKilledAtAnyMoment(t *testing.T) { killMany(t, 60, 6, 6*time.Second) }

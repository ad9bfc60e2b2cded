//go:build integration

package pipelines

import "testing"

func TestSlowScripts(t *testing.T) { runScripts(t, "testdata/slow") }

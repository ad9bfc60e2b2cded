//go:build !linux

package main

// awaitExit does nothing where no source reads processes.
func awaitExit(int) {}

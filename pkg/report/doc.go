// Package report writes the technical report about an experiment from its stored artifacts: a view model (Document, made
// of blocks) that sections build from the data and that every output format renders, so that no two formats can say
// different things; figures; checks; and the verification of a finished report against its artifacts.
//
// Every number in it is a number with a source: the artifact, row and column it came from and what was done with it. The
// package reads artifacts and writes reports; it measures nothing, prices nothing and tests nothing, which is the work of
// packages cell, cost and compare. To add a section, a figure or an output format, add a file that registers it.
package report

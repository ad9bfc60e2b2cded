package main

import "os"

// forwarded are the signals that this tool must outlive while its command handles them: the console sends Ctrl-C to both.
var forwarded = []os.Signal{os.Interrupt}

// endings: a closed console comes as SIGTERM.
var endings []os.Signal

func forward(*os.Process, os.Signal) {}

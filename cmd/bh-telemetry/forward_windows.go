package main

import "os"

// forwarded are the signals that this tool must outlive while its command handles them: the console sends Ctrl-C to both.
var forwarded = []os.Signal{os.Interrupt}

func forward(*os.Process, os.Signal) {}

package main

import (
	"os"
	"os/signal"
	"syscall"
)

// outliveReaders keeps this program going when who reads its messages does not, as
// in "2>&1 | head": half of a pass, or no master any more, is worse than what nobody
// reads. Programs that it starts get the signal as ever. It holds to the end of this
// one, which has its last message still to print.
func outliveReaders() {
	signal.Notify(make(chan os.Signal, 1), syscall.SIGPIPE) // a write that fails tells enough
}

package main

import "runtime/debug"

// proxyGCPercent makes a master collect when its heap has grown by half instead
// of having doubled: it is small beside the nodes' services, runs for months, and
// the answer about a large computer is some megabytes at once.
const proxyGCPercent = 50

// saveMemory applies proxyGCPercent unless GOGC is set; the result takes it back.
func (a *app) saveMemory() (restore func()) {
	if a.getenv("GOGC") != "" {
		return func() {}
	}
	before := debug.SetGCPercent(proxyGCPercent)
	return func() { debug.SetGCPercent(before) }
}

// Package slaptest is for tests of programs that use package slap: a transport
// that records the calls to the master, and breaks those it is told to.
//
// Put a [Transport] between the client and a master. The master may be the
// handler of package proxy, called without a socket, or any server:
//
//	line := slaptest.New(slaptest.Handler(master))
//	client, err := slap.New("http://localhost/", slap.WithTransport(line))
//
// It passes everything on until it is given a [Fault], which says what goes
// wrong and for which calls:
//
//	line.Inject(
//		slaptest.CutAfter().OnPath("requestComputerPartition").Once(),
//		slaptest.Status(503, "warming up").OnMethod("GET").Every(3),
//	)
//
// Afterwards [Transport.Calls] tells what the program asked for, and how each
// call ended:
//
//	require.Len(t, line.CallsTo("requestComputerPartition"), 2)
//	require.Empty(t, line.Unused()) // every fault struck
//
// Three faults come in pairs: [CutBefore] and [CutAfter], [Delay] and
// [DelayAfter], [Status] and [StatusAfter]. Those ending in After let the master
// act first. The client sees no difference, but the state of the master is
// another, and this is what makes them worth a test: a program must come to the
// same end both ways. Which calls may simply be made again is in the
// documentation of package slap.
//
// A client pauses between the attempts of a read, and waits for what is not
// ready. In a test, switch the former off with slap.WithRetry(0), or run the
// test in a bubble of package testing/synctest, where pauses take no time. The
// master then is a handler that is made in the bubble, as proxytest.NewInProcess
// does: a bubble with sockets never ends.
//
// Package proxy/proxytest starts a master in memory; the example shows both
// together.
package slaptest

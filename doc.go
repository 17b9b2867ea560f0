// Package slapos is the root of a Go SDK for SlapOS.
//
// SlapOS runs services on many computers. A master knows which software
// releases and which instances each computer must have. The node agent,
// slapgrid, asks the master over the slap protocol, builds the software
// releases, deploys the instances into computer partitions (one user, one
// directory and some addresses each, prepared by slapformat), supervises
// their processes, checks their promises, and reports usage in TioFormat.
//
// This package holds no code. Start with one of these:
//
//   - [github.com/slapos/slapos-go/slap]: the client of a master. Import it to
//     supply software, request instances and read what they published, or to
//     write a recipe in Go.
//   - [github.com/slapos/slapos-go/proxy]: a stand-alone master, as an
//     http.Handler over an SQLite file or over memory.
//   - [github.com/slapos/slapos-go/slapgrid]: the node agent.
//   - [github.com/slapos/slapos-go/slapformat]: prepares a computer and its
//     partitions and tells the master about them.
//   - [github.com/slapos/slapos-go/tio]: TioFormat documents.
//
// The command in examples/slapos is a drop-in for the reference's slapos
// command, and examples/quickstart plays the life of a service from the first
// supply to the last cleanup on one machine.
//
// Everything speaks and stores what slapos.core, the Python reference, speaks
// and stores, in its documented release 1.6.10 and in its newest one, 1.26.1:
// each part can stand in for its counterpart on a running node. The one
// exception is the database of the proxy, which has a schema of its own.
package slapos

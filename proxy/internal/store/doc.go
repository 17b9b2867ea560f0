// Package store keeps the state of the stand-alone master: computers, their
// partitions, the instances that occupy them, shared instances, supplied
// software releases and usage reports.
//
// The package knows tables, not rules. What a request means is decided by the
// package above it, inside the function that it passes to [Store.Update]; the
// store promises that this function runs alone, that all of its changes or
// none are kept, and that they are on the disk when Update returns.
//
// There is one implementation, [Open], on SQLite. Its SQL keeps to what
// PostgreSQL understands too, except for the statements of sqlite.go.
package store

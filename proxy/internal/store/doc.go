// Package store keeps the state of the stand-alone master: computers, their
// partitions, the instances that occupy them, shared instances, supplied
// software releases and usage reports.
//
// The package knows tables, not rules. What a request means is decided by the
// package above it, inside the function that it passes to [Store.Update]; the
// store promises that this function runs alone, that all of its changes or
// none are kept, and that they are on the disk when Update returns.
//
// There are two implementations, [Open] on SQLite and [OpenPostgres] on a server
// that several masters share. Their schema and their statements are the same text,
// which keeps to what both understand; what differs is in the files whose names
// begin with sqlite and postgres. Package storetest holds the tests that both pass.
package store

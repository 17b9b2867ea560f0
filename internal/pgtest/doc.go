// Package pgtest starts a PostgreSQL server of its own for tests (on Linux), from
// the programs that Debian's package postgresql installs. It listens on a socket
// in a temporary directory and ends with the tests, however these end.
package pgtest

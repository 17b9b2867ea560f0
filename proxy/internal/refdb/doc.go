// Package refdb reads and writes the SQLite files of the reference's proxy, the
// one written in Python, of its schemas 10 to 18.
//
// A schema is told by the names of its tables: partition14 is a table of schema
// 14. Releases 1.6.10 and 1.26 of the reference use schemas 14 and 18. The package
// knows rows, not what they mean: [Read] gives the rows of any schema in one form,
// with what older schemas lack filled in as the reference does; [Write] writes
// rows that are already what the schema wants.
//
// Files come from outside. Only plain tables are read, so that no view, trigger
// or virtual table of a file does anything; each value is checked and bounded.
package refdb

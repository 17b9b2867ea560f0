// Package tio reads, checks and writes TioFormat: the documents in which nodes
// report consumption, and in which invoices and state histories travel.
//
// A document is a [Journal] of transactions; a partition reports a
// [Consumption], which the node puts into a journal. What is read is checked
// against the schema while it is read: a document that is not valid gives an
// error with line, column, path and rule.
package tio

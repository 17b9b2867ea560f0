// Package tio reads, checks and writes TioFormat, the XML format in which
// SlapOS nodes report what was consumed, by whom and when.
//
// A Journal holds transactions, a Transaction has arrows (who provided a
// service to whom) and movements (how much of which resource). Partitions
// report movements alone, as a Consumption; a node gathers them by Aggregate.
//
//	j, err := tio.Decode(file)
//	if err != nil {
//		return err // every broken rule with line, column and element
//	}
//	totals, err := j.Totals()
//
// Decode and Encode handle whole documents. Decoder and Encoder handle one
// transaction header and one movement at a time, whatever the size of the
// document, and Validate checks one of any size in constant memory.
//
// What is valid is what the schema tio.xsd of the SlapOS documentation (chapter
// 3) says, and a validating XML library agrees on every document, but for what
// this package refuses on purpose: document types and with them entities, XML
// versions other than 1.0, encodings other than UTF-8, UTF-16, US-ASCII and
// ISO-8859-1, numbers with an exponent mark without digits (1e), and documents
// beyond the limits (DefaultMaxText and the others).
//
// A Number keeps its text, so that what is read and written again does not
// change. An Optional tells an absent element from an empty one.
//
// The package uses nothing but the standard library.
package tio

// Package instancexml reads and writes `<instance>` documents, the text form in
// which a master stores the parameters and connection parameters of an
// instance, and computes the hash by which connection parameters are compared.
//
// What is written equals, byte for byte, what the reference writes, and the hash
// is the same. What is read is what it reads, empty texts as null included, with
// these deviations:
//
//	a parameter without id        has the empty key instead of null, which no
//	                              Go map of texts can hold
//	entities that hold elements,  are refused: entities that expand to
//	expand to more than 64 KiB    text only can be bounded
//	encodings other than UTF-8,   are refused: no master uses them
//	UTF-16 and ISO-8859-1
//	documents beyond 64 MiB       are refused, also on writing, to bound memory
//	some text that is not         is read: to find all errors costs time
//	well-formed XML
//	values that would be text     are refused on writing: a small value may
//	of more than 64 MiB           hold another one many times
package instancexml

// Package marshal reads and writes the values that travel in the slap tool
// protocol: the `<marshal>` documents produced by xml_marshaller, which carry
// null, booleans, integers, floats, text, lists, dictionaries, tuples and the
// four object classes of the protocol.
//
// What is written equals, byte for byte, what xml_marshaller 1.0 writes under
// Python 3. What is read is at least what it reads, within limits: the size
// of a document, its depth and the expansion of its entities are bounded, no
// external entity is ever opened, and an object of any class outside the
// protocol is refused by name.
package marshal

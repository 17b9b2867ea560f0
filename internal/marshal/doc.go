// Package marshal reads and writes the values that travel in the slap tool
// protocol: the `<marshal>` documents produced by xml_marshaller, which carry
// null, booleans, integers, floats, text, lists, dictionaries, tuples and the
// four object classes of the protocol.
//
// What is written equals, byte for byte, what xml_marshaller 1.0 writes under
// Python 3.11 and later. What is read is what it reads, with the deviations
// below. Of ids and of dictionary keys that come twice, the last one counts, as
// there.
//
// # Limits
//
// Documents come from the network. Their size (MaxBytes) and depth (MaxDepth)
// are bounded, on writing too, and time and memory are in proportion to their
// size: 64 KiB is all that their entities may expand to, an integer has 4300
// digits at most, and a document that refers to its own values many times, or a
// value to itself, is as small in memory as it was on the wire. Native and
// StrWithin, which write such values out, fail when that would be too much.
//
// # Deviations
//
// Read here, and refused by the reference:
//
//	a state of null                   its own writer produces that
//	a partition with a request in     a forwarding master of 1.6.10 sends that
//	its state only                    for an instance that is not ready
//	integers with more than 4300      they are not long once the zeros
//	digits, most of them zeros        are gone
//	some text that is not             to find all errors costs time: unbound
//	well-formed XML                   prefixes, ]]> in text, -- in comments
//
// Refused here, and read by the reference:
//
//	entities that hold elements       no master sends them; entities that expand
//	or expand to more than 64 KiB,    to text only can be bounded
//	parameter entities
//	other encodings than UTF-8,       no master uses them
//	UTF-16 and ISO-8859-1
//	more than 64 attributes           no element has them
//	values more than 1000 deep,       no master sends them; so that a hostile
//	documents beyond 64 MiB           one cannot exhaust stack or memory
//
// Read otherwise:
//
//	a reference to an object          gives the object; the reference's reader
//	                                  gives an empty placeholder
//	an object                         is read as data: the reference calls the
//	                                  constructor, which may touch files
package marshal

// Package tio reads, checks, writes and sums TioFormat, the XML format in which
// SlapOS nodes tell their master what was consumed, by whom and when.
//
// # The format
//
// A [Journal] is one document. It holds transactions in the order in which they
// are to be booked.
//
// A [Transaction] is one delivery: what was exchanged between the same parties in
// one period of time. Its attribute type says of what kind it is, such as "Sale
// Packing List"; start_date and stop_date bound the period, reference identifies
// it for good, currency and payment_mode are for prices. Categories are free
// labels of the sender.
//
// An [Arrow] of a transaction says who provided (source) to whom (destination).
// Nodes leave that to the master and send an arrow without either.
//
// A [Movement] of a transaction says how much of one resource was exchanged:
// quantity, price of one unit, VAT, and a reference, which in reports of nodes is
// the partition or its user. Quantity and price are numbers; everything else is
// text of any form, and may be empty. Some elements may also be absent, which is
// not the same: see [Optional].
//
//	<journal>
//	  <transaction type="Sale Packing List">
//	    <title>Disk of January</title>             optional
//	    <start_date>2026-01-01 00:00:00</start_date>
//	    <stop_date>2026-01-31 23:59:59</stop_date>
//	    <reference>2026-01-global</reference>
//	    <currency>EUR</currency>
//	    <payment_mode></payment_mode>
//	    <category>label</category>                 any number
//	    <arrow type="Destination">                 one or more
//	      <source>provider</source>                optional
//	      <destination>consumer</destination>      optional
//	    </arrow>
//	    <movement>                                 one or more
//	      <resource>service_module/disk_used</resource>
//	      <title>Disk of slappart0</title>         optional
//	      <reference>slappart0</reference>         optional
//	      <quantity>12.5</quantity>
//	      <price>0.0</price>
//	      <VAT></VAT>
//	      <category>label</category>               any number
//	    </movement>
//	  </transaction>
//	</journal>
//
// The order of elements is fixed, and nothing else is allowed but white space
// between elements, comments and processing instructions. No element is in a
// namespace. A text is all there is between its tags, white space included; the
// grammar of numbers is at [Number].
//
// # Where documents come from
//
// Partitions report movements alone, in an element consumption: a [Consumption].
// Once in a while a node gathers those of all its partitions into one journal
// with one transaction and the partitions as references: [Aggregate] makes it, and
// [Journal.Usages] takes it apart. Once a day a node also reports its own load,
// and that of the users of its partitions: [NodeDay] makes that journal,
// [ParseNodeDay] reads it.
//
// # Reading and writing
//
//	j, err := tio.Decode(file)
//	if err != nil {
//		return err // every broken rule with line, column and element
//	}
//	totals, err := j.Totals()
//
// [Decode], [ParseConsumption], [Encode] and [EncodeConsumption] handle whole
// documents in memory. [Decoder] and [Encoder] handle one transaction header and
// one movement at a time, in constant memory whatever the size of the document or
// of a transaction; so do [Validate], [ValidateConsumption], [Check] and
// [Totals.Read]. Reading is cancelled by leaving a loop or through
// [ContextReader].
//
// A broken document gives [Errors], each with its [Rule]. What is valid and odd,
// such as a stop before a start or the same reference twice, is a [Warning] of
// [Check] or [Journal.Warnings], never an error. A Number keeps its text, so that
// what is read and written again does not change.
//
// # What is valid
//
// What the schema in chapter 3 of the SlapOS documentation says. The verdict is
// that of libxml2, with which the reference validates, and tests compare
// them on thousands of mutated documents, but for what this package refuses on purpose:
//
//   - document types, and with them entities ([Doctype]): expansion and
//     reading of other files are ways to attack;
//   - XML versions other than 1.0 ([Version]);
//   - encodings other than UTF-8, UTF-16, US-ASCII and ISO-8859-1, and a declared one
//     that is not that of the bytes ([Encoding]);
//   - numbers with an exponent mark without digits, 1e or 1e+ ([Float]);
//   - the types ID, IDREF and ENTITY in xsi:type, which refer to other places
//     ([XSIType]), and characters beyond Latin-1 in names of such types;
//   - documents beyond limits ([Limit]): [DefaultMaxText] and the others, which options
//     change, and 256 elements inside each other, 256 attributes of a tag and 1 MiB
//     of their values, 256 namespaces at once, 1024 bytes of a name or a namespace.
//
// Where libxml2 is stricter than the standards, this package is too: no white
// space after INF, -INF and NaN or around the name in xsi:type, and names of
// namespaces are references of RFC 3986.
//
// The package uses nothing but the standard library.
package tio

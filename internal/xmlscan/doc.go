// Package xmlscan splits an XML document that lies in memory into its pieces,
// quickly and within limits. It serves the codecs of the slap tool protocol,
// whose documents come from the network: no external entity is ever opened,
// entities of the document itself are expanded within a budget and only to
// text, and size, depth and number of attributes are bounded.
//
// It is not a validator: it accepts some documents that are not well-formed,
// but none in which elements are not properly nested or characters are not
// allowed in XML.
package xmlscan

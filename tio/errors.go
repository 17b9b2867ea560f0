package tio

import (
	"fmt"
	"strings"
)

// Rule names what a document breaks (tio.md 3.1).
type Rule string

// The rules. The first block is about XML itself, the second about the schema;
// Doctype, Version, Encoding and Limit are stricter than other validators.
const (
	WellFormedness Rule = "well-formedness" // not XML 1.0 with namespaces
	Doctype        Rule = "doctype"         // a document type declaration
	Version        Rule = "xml-version"     // XML 1.1 or another version
	Encoding       Rule = "encoding"        // an encoding that is not supported
	Limit          Rule = "limit"           // larger or deeper than allowed

	Root              Rule = "root"               // wrong document element
	Namespace         Rule = "namespace"          // an element in a namespace
	MissingElement    Rule = "missing-element"    // a required child is absent
	RepeatedElement   Rule = "repeated-element"   // more than the maximum
	Order             Rule = "order"              // a known child at the wrong place
	UnexpectedElement Rule = "unexpected-element" // a child that the parent does not know
	MissingAttribute  Rule = "missing-attribute"  // the attribute type is absent
	UnknownAttribute  Rule = "unknown-attribute"  // any attribute but type
	StrayText         Rule = "text"               // characters where only elements may be
	ElementInText     Rule = "element-in-text"    // an element where only text may be
	Float             Rule = "float"              // not the text of a number
	Nil               Rule = "nil"                // xsi:nil, which nothing allows
	XSIType           Rule = "xsi-type"           // xsi:type with another type

	// Character is a value that no XML document can hold; it is found when
	// values are written.
	Character Rule = "character"
)

// Error is one broken rule at one place.
type Error struct {
	Rule    Rule
	Line    int    // of the tag or text concerned, counted from 1; 0 for values that come from no document
	Column  int    // in characters, counted from 1
	Path    string // such as /journal/transaction[2]/movement[1]/quantity
	Message string
}

// Error gives place, message and rule in one line.
func (e *Error) Error() string {
	return describe(position{e.Line, e.Column}, e.Path, e.Message, string(e.Rule))
}

func describe(at position, path, message, rule string) string {
	var b strings.Builder
	if at.line > 0 {
		fmt.Fprintf(&b, "line %d, column %d: ", at.line, at.column)
	}
	if path != "" {
		b.WriteString(path + ": ")
	}
	fmt.Fprintf(&b, "%s (%s)", message, rule)
	return b.String()
}

// Errors are all rules that a document breaks, in the order of their places. It
// is never empty when it is returned as an error.
type Errors []*Error

// Error gives one line for each.
func (e Errors) Error() string {
	lines := make([]string, len(e))
	for i, one := range e {
		lines[i] = one.Error()
	}
	return strings.Join(lines, "\n")
}

// Unwrap lets errors.As find each *Error.
func (e Errors) Unwrap() []error {
	out := make([]error, len(e))
	for i, one := range e {
		out[i] = one
	}
	return out
}

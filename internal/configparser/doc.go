// Package configparser reads configuration files as Python's configparser
// does, because the files are shared with programs written in Python and
// edited by people who know its habits.
//
// The dialect: section names are case-sensitive, keys are folded to lower case;
// "key = value" and "key: value"; "#" and ";" start a comment only at
// the beginning of a line; a line indented deeper than its key continues the
// value, blank lines inside a value are kept; [DEFAULT] is visible in every
// section; a section or a key given twice is an error. Parse reads %(name)s
// references and %% as ConfigParser does, ParseRaw leaves them alone as
// RawConfigParser does. The first line of each error is the one that Python
// prints.
//
// Deliberate differences: a byte order mark at the start is skipped, and files
// beyond MaxSize are refused.
package configparser

package main

import (
	"encoding/json"
	"io"
	"maps"
	"slices"
	"strings"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/slapos/slapos-go/internal/instancexml"
)

// prettyWidth is the width that Python's pprint fills.
const prettyWidth = 80

// pretty renders parameters as Python's pprint does: on one line if that fits,
// else one key a line, long texts split into adjacent literals.
func pretty(parameters map[string]any) string {
	line := instancexml.PyRepr(sortedDict(parameters))
	if len([]rune(line)) <= prettyWidth {
		return line
	}
	var b strings.Builder
	b.WriteByte('{')
	for i, key := range slices.Sorted(maps.Keys(parameters)) {
		if i > 0 {
			b.WriteString(",\n ")
		}
		head := instancexml.PyRepr(key) + ": "
		b.WriteString(head)
		b.WriteString(prettyValue(parameters[key], 1+len([]rune(head))))
	}
	b.WriteByte('}')
	return b.String()
}

// prettyValue renders one value that begins in a column.
func prettyValue(v any, column int) string {
	text, ok := v.(string)
	literal := instancexml.PyRepr(v)
	if !ok || column+len([]rune(literal)) <= prettyWidth {
		return literal
	}
	var pieces []string
	for line := range strings.Lines(text) {
		pieces = append(pieces, splitLiteral(line, prettyWidth-column-1)...)
	}
	return strings.Join(pieces, "\n"+strings.Repeat(" ", column))
}

// splitLiteral cuts a line behind its blanks into literals of at most width.
func splitLiteral(line string, width int) []string {
	if len([]rune(instancexml.PyRepr(line))) <= width {
		return []string{instancexml.PyRepr(line)}
	}
	var out []string
	current := ""
	for _, word := range strings.SplitAfter(line, " ") {
		if current != "" && len([]rune(instancexml.PyRepr(current+word))) > width {
			out = append(out, instancexml.PyRepr(current))
			current = ""
		}
		current += word
	}
	if current != "" {
		out = append(out, instancexml.PyRepr(current))
	}
	return out
}

// sortedDict gives nil maps the look of empty ones.
func sortedDict(parameters map[string]any) map[string]any {
	if parameters == nil {
		return map[string]any{}
	}
	return parameters
}

// writeJSON prints v as the commands print JSON: two blanks a level, other
// characters than ASCII escaped.
func writeJSON(w io.Writer, v any) error {
	text, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return err
	}
	_, err = io.WriteString(w, escapeASCII(string(text))+"\n")
	return err
}

// escapeASCII replaces what is not ASCII by \uXXXX and undoes the escapes that
// Go adds for HTML.
func escapeASCII(text string) string {
	text = strings.NewReplacer(`\u003c`, "<", `\u003e`, ">", `\u0026`, "&").Replace(text)
	const hex = "0123456789abcdef"
	var b strings.Builder
	escape := func(u uint16) {
		b.WriteString(`\u`)
		for shift := 12; shift >= 0; shift -= 4 {
			b.WriteByte(hex[u>>shift&15])
		}
	}
	for _, r := range text {
		switch {
		case r < utf8.RuneSelf:
			b.WriteRune(r)
		case r > 0xffff:
			high, low := utf16.EncodeRune(r)
			escape(uint16(high))
			escape(uint16(low))
		default:
			escape(uint16(r))
		}
	}
	return b.String()
}

// prettyAny is pretty for a value that need not be a mapping.
func prettyAny(v any) string {
	if m, ok := v.(map[string]any); ok {
		return pretty(m)
	}
	return instancexml.PyRepr(v)
}

package supervise

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// expand replaces %(name)s, %(name)d (with an optional width such as %(process_num)02d) and %% in
// value, the part of Python's formatting that supervisord documents.
func expand(value string, names map[string]string, what string) (string, error) {
	var b strings.Builder
	rest := value
	for {
		at := strings.IndexByte(rest, '%')
		if at < 0 {
			b.WriteString(rest)
			return b.String(), nil
		}
		b.WriteString(rest[:at])
		text, tail, err := expandOne(rest[at+1:], names)
		if err != nil {
			return "", fmt.Errorf("value %q of %s: %w", value, what, err)
		}
		b.WriteString(text)
		rest = tail
	}
}

// expandOne expands what follows a percent sign and returns what is left of s.
func expandOne(s string, names map[string]string) (text, rest string, err error) {
	if tail, ok := strings.CutPrefix(s, "%"); ok {
		return "%", tail, nil
	}
	end := strings.IndexByte(s, ')')
	if !strings.HasPrefix(s, "(") || end < 0 {
		return "", "", fmt.Errorf("%%%.10s is no %%(name)s; a percent sign is written %%%%", s)
	}
	name := s[1:end]
	found, ok := names[name]
	if !ok {
		known := strings.Join(slices.Sorted(maps.Keys(names)), ", ")
		return "", "", fmt.Errorf("unknown name %q (known: %s)", name, known)
	}
	verb := end + 1
	for verb < len(s) && s[verb] >= '0' && s[verb] <= '9' {
		verb++
	}
	if verb >= len(s) || s[verb] != 's' && s[verb] != 'd' {
		return "", "", fmt.Errorf("%%(%s) must be followed by s or d", name)
	}
	width := s[end+1 : verb]
	if text, err = format(found, width, s[verb]); err != nil {
		return "", "", fmt.Errorf("%%(%s): %w", name, err)
	}
	return text, s[verb+1:], nil
}

func format(value, width string, verb byte) (string, error) {
	pad := 0
	if width != "" {
		var err error
		if pad, err = strconv.Atoi(width); err != nil || pad > 1000 {
			return "", fmt.Errorf("bad width %q", width)
		}
	}
	if verb == 's' {
		return fmt.Sprintf("%*s", pad, value), nil
	}
	number, err := strconv.Atoi(value)
	if err != nil {
		return "", fmt.Errorf("%q is no number", value)
	}
	if strings.HasPrefix(width, "0") {
		return fmt.Sprintf("%0*d", pad, number), nil
	}
	return fmt.Sprintf("%*d", pad, number), nil
}

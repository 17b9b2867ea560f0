package supervise

import (
	"errors"
	"fmt"
	"strings"
	"unicode"
)

// splitCommand splits a command line into words like a POSIX shell that knows quotes
// and backslashes but neither variables nor comments.
func splitCommand(s string) ([]string, error) {
	var words []string
	var word strings.Builder
	inWord := false
	for i := 0; i < len(s); i++ {
		switch c := s[i]; c {
		case ' ', '\t', '\n', '\r':
			if inWord {
				words = append(words, word.String())
				word.Reset()
				inWord = false
			}
		case '\\':
			if i++; i == len(s) {
				return nil, errors.New("no escaped character")
			}
			word.WriteByte(s[i])
			inWord = true
		case '\'', '"':
			n, err := quoted(&word, s[i:])
			if err != nil {
				return nil, err
			}
			i += n - 1
			inWord = true
		default:
			word.WriteByte(c)
			inWord = true
		}
	}
	if inWord {
		words = append(words, word.String())
	}
	return words, nil
}

// quoted copies the quoted text at the start of s and returns its length with quotes.
func quoted(word *strings.Builder, s string) (int, error) {
	quote := s[0]
	for i := 1; i < len(s); i++ {
		switch {
		case s[i] == quote:
			return i + 1, nil
		case quote == '"' && s[i] == '\\' && i+1 < len(s) && (s[i+1] == '"' || s[i+1] == '\\'):
			i++
			word.WriteByte(s[i])
		default:
			word.WriteByte(s[i])
		}
	}
	return 0, errors.New("no closing quotation")
}

// parsePairs reads KEY="value",KEY2=value2 of an environment option. Quotes
// allow any character but themselves in a value.
func parsePairs(s string) (map[string]string, error) {
	tokens, err := pairTokens(s)
	if err != nil {
		return nil, fmt.Errorf("environment %q: %w", s, err)
	}
	pairs := map[string]string{}
	for len(tokens) > 0 {
		if len(tokens) < 3 || tokens[1] != "=" {
			return nil, fmt.Errorf("environment %q: unexpected end of key/value pairs", s)
		}
		pairs[tokens[0]] = strings.Trim(tokens[2], `'"`)
		tokens = tokens[min(4, len(tokens)):]
	}
	return pairs, nil
}

func pairTokens(s string) ([]string, error) {
	var tokens []string
	for s != "" {
		switch c := rune(s[0]); {
		case unicode.IsSpace(c):
			s = s[1:]
		case c == '#':
			_, s, _ = strings.Cut(s, "\n")
		case c == '"' || c == '\'':
			end := strings.IndexByte(s[1:], s[0])
			if end < 0 {
				return nil, errors.New("no closing quotation")
			}
			tokens = append(tokens, s[:end+2])
			s = s[end+2:]
		default:
			n := max(1, pairWord(s))
			tokens = append(tokens, s[:n])
			s = s[n:]
		}
	}
	return tokens, nil
}

// pairWord returns the length of the unquoted word at the start of s.
func pairWord(s string) int {
	n := strings.IndexFunc(s, func(r rune) bool {
		return !unicode.IsLetter(r) && !unicode.IsDigit(r) && !strings.ContainsRune(`_/.+-():"'`, r)
	})
	if n < 0 {
		return len(s)
	}
	return n
}

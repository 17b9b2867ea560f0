package slap

import (
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"strings"
)

// maxNetrc bounds the size of a netrc file, in bytes.
const maxNetrc = 1 << 20

// readNetrc returns the credentials of a host, or of the default entry, in a
// netrc file; nil if there are none or no such file.
func readNetrc(path, host string) (*url.Userinfo, error) {
	file, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("netrc file: %w", err)
	}
	defer file.Close()
	data, err := readBounded(file, maxNetrc, 0)
	if err != nil {
		return nil, fmt.Errorf("netrc file: %w", err)
	}
	return findNetrc(string(data), host), nil
}

// findNetrc finds the credentials of a host. The first matching entry counts.
func findNetrc(text, host string) *url.Userinfo {
	words := netrcWords(text)
	for i := 0; i < len(words); i++ {
		switch {
		case words[i] == "default":
		case words[i] == "machine" && i+1 < len(words):
			i++
			if words[i] != host {
				continue
			}
		default:
			continue
		}
		login, password := "", ""
		for i+2 < len(words) && words[i+1] != "machine" && words[i+1] != "default" {
			switch words[i+1] {
			case "login", "user":
				login = words[i+2]
			case "password":
				password = words[i+2]
			}
			i += 2
		}
		return url.UserPassword(login, password)
	}
	return nil
}

// netrcWords splits a netrc file, without comments and macros.
func netrcWords(text string) []string {
	var words []string
	macro := false
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		if line == "" {
			macro = false
		}
		if macro || strings.HasPrefix(line, "#") {
			continue
		}
		for _, word := range strings.Fields(line) {
			if word == "macdef" {
				macro = true
				break
			}
			words = append(words, word)
		}
	}
	return words
}

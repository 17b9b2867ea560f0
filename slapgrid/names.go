package slapgrid

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// longestName bounds the name of a partition, in bytes: file names are made of
// it that must stay under the 255 bytes of file systems.
const longestName = 200

// checkName refuses names that would break the files and answers of the
// supervisor, and with them the other partitions. The real one expands percent
// signs in the names of logs twice, so that they cannot be escaped for both.
func checkName(name string) error {
	unusable := func(r rune) bool {
		return !unicode.IsPrint(r) || strings.ContainsRune(" \"'\\,:;[]%", r)
	}
	if name == "" || !utf8.ValidString(name) || strings.ContainsFunc(name, unusable) {
		return fmt.Errorf("%q is no usable name: blanks, control characters and any of \"'\\,:;[]%% are not possible", name)
	}
	if strings.HasPrefix(name, "#") {
		return fmt.Errorf("%q is no usable name: it would be a comment", name)
	}
	return nil
}

// checkPartitionID refuses ids that are no name of a directory for partitions:
// the master must not lead the agent to other directories, nor to its own.
func checkPartitionID(id string) error {
	switch {
	case len(id) > longestName:
		return fmt.Errorf("partition id of %d bytes is no usable directory name: at most %d are possible", len(id), longestName)
	case strings.HasPrefix(id, ".") || strings.Contains(id, "/") || id == "etc" || id == "var" || checkName(id) != nil:
		return fmt.Errorf("partition id %q is no usable directory name (correct it in the master)", id)
	}
	return nil
}

// checkReleaseURL refuses URLs that cannot be written into profiles and
// environments.
func checkReleaseURL(url string) error {
	const longest = 8 << 10
	switch {
	case len(url) > longest:
		return fmt.Errorf("software release URL of %d bytes is not usable: at most %d are possible", len(url), longest)
	case strings.ContainsFunc(url, unicode.IsControl) || !utf8.ValidString(url):
		return fmt.Errorf("software release URL %q is not usable: it holds control characters", url)
	}
	return nil
}

package main

import (
	"fmt"
	"io"
	"net/url"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/slapos/slapos-go/slap"
)

// hidden stands for a secret.
const hidden = "***"

// secretWords are what the names of secrets have in them.
var secretWords = []string{"pass", "pwd", "secret", "token", "key", "credential", "cookie", "auth"}

// published returns connection parameters without secrets. A name tells a
// secret, and so does a URL with a user, a query or a fragment; what is nested
// in JSON ("_") is not looked into, but hidden.
func published(parameters slap.Parameters) map[string]string {
	shown := map[string]string{}
	for _, key := range parameters.Keys() {
		text, _ := parameters.String(key)
		shown[key] = public(key, text)
	}
	return shown
}

func public(key, text string) string {
	name := strings.ToLower(key)
	if key == "_" || slices.ContainsFunc(secretWords, func(word string) bool { return strings.Contains(name, word) }) {
		return hidden
	}
	u, err := url.Parse(text)
	switch {
	case err == nil && u.Host != "" && (u.User != nil || u.RawQuery != "" || u.Fragment != ""):
		return (&url.URL{Scheme: u.Scheme, Host: u.Host, Path: u.Path}).String() + " " + hidden
	case strings.Contains(text, "@"): // user and password, perhaps
		return hidden
	}
	return text
}

// printTable prints a line for each release and each partition.
func printTable(out io.Writer, computers []*computer) error {
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "COMPUTER\tWHAT\tTITLE\tWANTED\tSTATUS\tPUBLISHED")
	for _, c := range computers {
		for _, r := range c.Releases {
			fmt.Fprintf(table, "%s\trelease\t%s\t%s\t%s\t\n", c.Computer, r.URL, r.Wanted, r.Status)
		}
		for _, p := range c.Partitions {
			if p.Free {
				fmt.Fprintf(table, "%s\t%s\t\tfree\t\t\n", c.Computer, p.Partition)
				continue
			}
			fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\t%s\n", c.Computer, p.Partition, p.Title, p.Wanted, p.Status, pairs(p.Published))
		}
	}
	return table.Flush()
}

// pairs prints a dictionary on one line.
func pairs(dictionary map[string]string) string {
	var all []string
	for key, value := range dictionary {
		all = append(all, fmt.Sprintf("%s=%q", key, value))
	}
	slices.Sort(all)
	return strings.Join(all, " ")
}

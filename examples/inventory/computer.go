package main

import (
	"context"
	"errors"
	"strings"

	"github.com/slapos/slapos-go/slap"
)

// computer is what is told of one. Problem tells why not all of it is.
type computer struct {
	Computer   string      `json:"computer"`
	Problem    string      `json:"problem,omitempty"`
	Releases   []release   `json:"releases"`
	Partitions []partition `json:"partitions"`
}

type release struct {
	URL    string     `json:"url"`
	Wanted slap.State `json:"wanted"`
	Status string     `json:"status"`
}

// partition is a place, and the instance in it if there is one.
type partition struct {
	Partition string            `json:"partition"`
	Free      bool              `json:"free"`
	Title     string            `json:"title,omitempty"`
	Type      string            `json:"type,omitempty"`
	Release   string            `json:"release,omitempty"`
	Wanted    slap.State        `json:"wanted,omitempty"`
	Status    string            `json:"status,omitempty"`
	Published map[string]string `json:"published,omitempty"`
}

// read asks for everything about a computer.
func read(ctx context.Context, c *slap.Computer) *computer {
	found := &computer{Computer: c.ID(), Releases: []release{}, Partitions: []partition{}}
	if err := found.read(ctx, c); err != nil {
		found.Problem = err.Error()
	}
	return found
}

func (c *computer) read(ctx context.Context, from *slap.Computer) error {
	releases, err := from.SoftwareReleases(ctx)
	if err != nil {
		return err
	}
	partitions, err := from.Partitions(ctx) // this asks for nothing: both came together
	if err != nil {
		return err
	}
	for _, r := range releases {
		status, err := statusText(r.Status(ctx))
		if err != nil {
			return err
		}
		c.Releases = append(c.Releases, release{r.URI(), r.State(), status})
	}
	for _, p := range partitions {
		read, err := readPartition(ctx, p)
		if err != nil {
			return err
		}
		c.Partitions = append(c.Partitions, read)
	}
	return nil
}

func readPartition(ctx context.Context, p *slap.ComputerPartition) (partition, error) {
	id, err := p.ID()
	if err != nil {
		return partition{}, err
	}
	r, err := p.SoftwareRelease()
	if errors.Is(err, slap.ErrNotFound) {
		return partition{Partition: id, Free: true}, nil
	}
	if err != nil {
		return partition{}, err
	}
	read := partition{
		Partition: id, Release: r.URI(), Title: p.Title(), Published: published(p.ConnectionParameters()),
	}
	if read.Wanted, err = p.State(); err != nil {
		return partition{}, err
	}
	if read.Type, err = p.Type(); err != nil && !errors.Is(err, slap.ErrNotReady) {
		return partition{}, err
	}
	read.Status, err = statusText(p.Status(ctx))
	return read, err
}

// statusText returns the text of a status, "unknown" from masters that keep
// none: those of the reference answer 404 or "Not implemented.".
func statusText(s slap.Status, err error) (string, error) {
	if errors.Is(err, slap.ErrNotFound) {
		return "unknown", nil
	}
	if err == nil && (strings.Contains(s.Text, "no data found") || s.Text == "Not implemented.") {
		return "unknown", nil
	}
	return s.Text, err
}

// inError tells whether something on the computer reported an error.
func (c *computer) inError() bool {
	for _, r := range c.Releases {
		if strings.HasPrefix(r.Status, "#error") {
			return true
		}
	}
	for _, p := range c.Partitions {
		if strings.HasPrefix(p.Status, "#error") {
			return true
		}
	}
	return false
}

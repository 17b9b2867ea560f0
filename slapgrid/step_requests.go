package slapgrid

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strings"

	"github.com/slapos/slapos-go/slap"
)

func (p *partition) requestsFile() string { return ".slapos-request-transaction-" + p.id }

// forgetRequests removes the list of what an earlier run requested.
func (p *partition) forgetRequests() error { return p.files.RemoveTree(p.requestsFile()) }

// reportRequests tells the master which instances this one requested while it
// was deployed, so that others are no longer kept. Without a list nothing is
// told; an empty list is told.
type reportRequests struct{}

func (reportRequests) name() string { return "report requested instances" }

func (reportRequests) run(ctx context.Context, p *partition) error {
	data, err := p.files.Read(p.requestsFile())
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	references := []string{}
	for line := range strings.Lines(string(data)) {
		if reference := strings.TrimRight(line, "\r\n"); reference != "" {
			references = append(references, reference)
		}
	}
	err = p.slap.SetRelatedInstances(ctx, references)
	if errors.Is(err, slap.ErrNotFound) {
		p.log.WarnContext(ctx, fmt.Sprintf("NotFoundError: %v. \nCannot send requested instance list to master. "+
			"Please check if this feature is implemented on SlapOS Master.", err))
		return nil
	}
	return err
}

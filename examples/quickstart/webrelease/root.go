package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/slapos/slapos-go/slap"
)

// deployRoot requests what the service is made of and republishes the
// addresses. It runs at every processing of the partition: the first time the
// parts have no address yet, and the master has the root processed again as
// soon as they publish one.
func deployRoot(ctx context.Context, self *slap.ComputerPartition, p *partition) error {
	release, err := self.SoftwareRelease()
	if err != nil {
		return err
	}
	greeting, _ := self.InstanceParameters().String("greeting")

	web := slap.Request{
		SoftwareRelease: release.URI(),
		SoftwareType:    "web",
		Reference:       "web",
		Parameters:      slap.Parameters{"greeting": greeting},
	}
	page := slap.Request{
		SoftwareRelease: release.URI(),
		SoftwareType:    "web",
		Reference:       "visitors",
		Shared:          true,
		Parameters:      slap.Parameters{"text": "A page of its own, from a shared instance."},
	}
	published := slap.Parameters{}
	for _, part := range []struct {
		name string
		slap.Request
	}{{"url", web}, {"page-url", page}} {
		url, err := requestURL(ctx, self, part.Request)
		if err != nil {
			return fmt.Errorf("requesting %s: %w", part.Reference, err)
		}
		if url != "" {
			published[part.name] = url
		}
	}

	url, ready := published.String("url")
	if !ready {
		return p.writeScript("etc/promise/published", "echo the web server has not published its address yet; exit 1")
	}
	if err := self.SetConnectionParameters(ctx, published); err != nil {
		return err
	}
	return p.writeScript("etc/promise/published", "exec "+quote(p.program)+" check "+quote(url))
}

// requestURL requests an instance and returns the address it published, empty
// while there is none.
func requestURL(ctx context.Context, self *slap.ComputerPartition, r slap.Request) (string, error) {
	instance, err := self.Request(ctx, r)
	switch {
	case errors.Is(err, slap.ErrNotReady):
		return "", nil // accepted, but not on a partition yet
	case r.Shared && errors.Is(err, slap.ErrNotFound):
		return "", nil // no instance to share yet
	case err != nil:
		return "", err
	}
	url, err := instance.ConnectionParameter("url")
	if errors.Is(err, slap.ErrNotFound) || errors.Is(err, slap.ErrNotReady) {
		return "", nil
	}
	return url, err
}

package slapgrid

import (
	"context"
	"errors"
	"fmt"
	"log/slog"

	"github.com/slapos/slapos-go/slap"
)

// release is one software release during a pass.
type release struct {
	node     *Node
	slap     *slap.SoftwareRelease
	log      *slog.Logger
	url, dir string
	// holder is the release that the directory is for, usually this one.
	holder  string
	options SoftwareOptions
}

// releaseStep is one thing that is done to a release; see [partitionStep].
type releaseStep interface {
	name() string
	run(ctx context.Context, r *release) error
}

// reportBuilding tells the master that the build begins. A master that does
// not know the release does not matter here.
type reportBuilding struct{}

func (reportBuilding) name() string { return "report building" }

func (reportBuilding) run(ctx context.Context, r *release) error {
	err := r.slap.Building(ctx)
	if errors.Is(err, slap.ErrNotFound) {
		return nil
	}
	return err
}

// checkReleaseSpace refuses to build on a disk that is almost full.
type checkReleaseSpace struct{}

func (checkReleaseSpace) name() string { return "check free space" }

func (checkReleaseSpace) run(ctx context.Context, r *release) error {
	r.log.InfoContext(ctx, fmt.Sprintf("Installing software release %s ...", r.url))
	return requireSpace(r.dir, r.node.cfg.SoftwareMinFreeSpace, "software_min_free_space")
}

// buildRelease lets the builder of its kind build the release.
type buildRelease struct{}

func (buildRelease) name() string { return "build" }

func (buildRelease) run(ctx context.Context, r *release) error {
	builder, err := r.node.builderFor(r.url)
	if err != nil {
		return err
	}
	return builder.Software(ctx, SoftwareJob{
		URL: r.url, Directory: r.dir, Debug: r.options.BuildoutDebug,
		Develop: r.options.Force || r.node.cfg.Develop, Log: r.log,
	})
}

// reportAvailable tells the master that the release can be used.
type reportAvailable struct{}

func (reportAvailable) name() string { return "report available" }

func (reportAvailable) run(ctx context.Context, r *release) error { return r.slap.Available(ctx) }

// reportReleaseDestroyed tells the master that the release is gone.
type reportReleaseDestroyed struct{}

func (reportReleaseDestroyed) name() string { return "report destroyed" }

func (reportReleaseDestroyed) run(ctx context.Context, r *release) error {
	return r.slap.Destroyed(ctx)
}

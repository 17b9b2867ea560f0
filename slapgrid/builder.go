package slapgrid

import (
	"context"
	"log/slog"

	"github.com/slapos/slapos-go/slap"
)

// Builder turns software releases into files and deploys them in partitions.
// Methods are called concurrently for different releases and partitions, never
// twice at once for the same. Both are idempotent: after a crash in the middle
// they are simply called again.
type Builder interface {
	// Handles tells whether a release, by its URL, is of this kind.
	Handles(releaseURL string) bool
	// Software builds a release in its directory, which exists and belongs to
	// the owner of the software root. An error is posted to the master.
	Software(ctx context.Context, j SoftwareJob) error
	// Instance deploys a release in a partition. The release is complete; the
	// partition is not running a builder. An error is posted to the master.
	Instance(ctx context.Context, j InstanceJob) error
}

// SoftwareJob is what [Builder.Software] gets.
type SoftwareJob struct {
	// URL is the release, Directory where it is built.
	URL, Directory string
	// Debug asks for an interactive debugger.
	Debug bool
	// Develop asks for newest versions to be looked for.
	Develop bool
	// Log receives the output of the build, line by line.
	Log *slog.Logger
}

// InstanceJob is what [Builder.Instance] gets.
type InstanceJob struct {
	// URL and SoftwareDirectory are the release.
	URL, SoftwareDirectory string
	// ID and Directory are the partition.
	ID, Directory string
	// State is what the master asks for.
	State slap.State
	// KeyFile and CertFile are the identity of the partition; may be empty.
	KeyFile, CertFile string
	// Partition is what the master told about the instance.
	Partition *slap.ComputerPartition
	// Debug asks for an interactive debugger.
	Debug bool
	// Log receives the output of the build, line by line.
	Log *slog.Logger
}

// BuildError tells that a program of a release failed. Its text is what the
// master shows.
type BuildError struct {
	// Message names what failed, Output is the end of what it wrote.
	Message, Output string
}

func (e *BuildError) Error() string { return e.Message + ":\n" + e.Output + "\n" }

// builderFor finds the builder of a release.
func (n *Node) builderFor(url string) (Builder, error) {
	for _, b := range n.builders {
		if b.Handles(url) {
			return b, nil
		}
	}
	return nil, compatf("no builder for software release %s", url)
}

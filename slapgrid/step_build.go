package slapgrid

import "context"

// buildInstance lets the builder of the release deploy it.
type buildInstance struct{}

func (buildInstance) name() string { return "build" }

func (buildInstance) run(ctx context.Context, p *partition) error {
	builder, err := p.node.builderFor(p.releaseURL)
	if err != nil {
		return err
	}
	return builder.Instance(ctx, InstanceJob{
		URL: p.releaseURL, SoftwareDirectory: p.releaseDir,
		ID: p.id, Directory: p.dir, State: p.state,
		KeyFile: p.keyFile, CertFile: p.certFile,
		Partition: p.slap, Debug: p.debug, Log: p.log,
	})
}

package slapgrid

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/slapos/slapos-go/internal/atomicfile"
	"github.com/slapos/slapos-go/slap"
)

// fetchCertificate keeps the certificate and the key of the partition in the
// repository, if there is one.
type fetchCertificate struct{}

func (fetchCertificate) name() string { return "fetch the certificate" }

func (fetchCertificate) run(ctx context.Context, p *partition) error {
	if p.keyFile == "" {
		return nil
	}
	certificate, err := p.slap.Certificate(ctx)
	if errors.Is(err, slap.ErrNotFound) {
		return compatf("Partition %s is not known by SlapOS Master.: %w", p.id, err)
	}
	if err != nil {
		return err
	}
	if err := p.storeSecret(ctx, p.certFile, "certificate", certificate.Certificate); err != nil {
		return err
	}
	return p.storeSecret(ctx, p.keyFile, "key", certificate.Key)
}

// storeSecret writes a file that only the partition's user may read.
func (p *partition) storeSecret(ctx context.Context, path, kind, content string) error {
	told := fmt.Sprintf("Changed %s content. Updating '%s'", kind, path)
	if !exists(path) {
		told = fmt.Sprintf("Missing %s file. Creating '%s'", kind, path)
	}
	// The file belongs to a user who may have made it as large as the disk: it is
	// read only if it has the right size.
	changed, err := atomicfile.WriteIfChanged(path, []byte(content), 0o400)
	if err != nil {
		return err
	}
	if changed {
		p.log.InfoContext(ctx, told)
	}
	return p.giveSecret(path)
}

func (p *partition) giveSecret(path string) error {
	if os.Getuid() != 0 {
		return nil
	}
	return os.Lchown(path, p.owner.UID, p.owner.GID)
}

package slap

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"

	"github.com/slapos/slapos-go/internal/marshal"
)

// Computer (IComputer) is a node, by its identifier. What it has to run is
// read from the master on the first demand and kept: SoftwareReleases and
// Partitions share one reading, and Refresh reads again. Of several goroutines
// that ask first, one reads and the others wait for it.
//
// Calls about a computer without an identifier send nothing and are ErrNotFound.
// So is a computer that the master does not know, but for stand-alone masters of
// the reference, which answer 500 (ErrServer) or do not look. What a real master
// does not allow is ErrAuthentication.
type Computer struct {
	client *Client
	guid   string

	// turn holds something while a goroutine reads, and known is what was read last.
	turn  chan struct{}
	known atomic.Pointer[contents]
}

// contents is what a computer has to run. It is never changed.
type contents struct {
	releases   []*SoftwareRelease
	partitions []*ComputerPartition
}

// ID returns the identifier of the computer.
func (c *Computer) ID() string { return c.guid }

// SoftwareReleases returns the software releases the computer has to build or
// to remove (getSoftwareReleaseList). An unknown computer is ErrNotFound.
func (c *Computer) SoftwareReleases(ctx context.Context) ([]*SoftwareRelease, error) {
	known, err := c.load(ctx, false)
	if err != nil {
		return nil, err
	}
	return slices.Clone(known.releases), nil
}

// Partitions returns the partitions of the computer, free ones included
// (getComputerPartitionList). An unknown computer is ErrNotFound.
func (c *Computer) Partitions(ctx context.Context) ([]*ComputerPartition, error) {
	known, err := c.load(ctx, false)
	if err != nil {
		return nil, err
	}
	return slices.Clone(known.partitions), nil
}

// Refresh reads again what the computer has to run (getFullComputerInformation,
// or getComputerInformation from a master that has only that). If it fails,
// what was known before stays.
func (c *Computer) Refresh(ctx context.Context) error {
	_, err := c.load(ctx, true)
	return err
}

// load returns what is known, which is read if there is nothing, or again. One
// goroutine reads at a time; the others wait as long as their contexts let them.
func (c *Computer) load(ctx context.Context, again bool) (*contents, error) {
	const op = "computer information"
	if c.guid == "" {
		return nil, notFound(op, "the computer has no identifier")
	}
	if known := c.known.Load(); known != nil && !again {
		return known, nil
	}
	select {
	case c.turn <- struct{}{}:
		defer func() { <-c.turn }()
	case <-ctx.Done():
		return nil, &Error{
			Op: op, URL: c.client.URL(), Message: "given up while waiting for another reading of the computer",
			Err: contextError(ctx), Kinds: []error{ErrConnection},
		}
	}
	if known := c.known.Load(); known != nil && !again {
		return known, nil
	}
	read, err := c.read(ctx, op)
	if err != nil {
		return nil, err
	}
	c.known.Store(read)
	return read, nil
}

// read asks the master.
func (c *Computer) read(ctx context.Context, op string) (*contents, error) {
	ask := func(path string) (*marshal.Object, error) {
		return c.client.getObject(ctx, call{op: op, path: path, fields: []field{{"computer_id", c.guid}}},
			marshal.ClassComputer)
	}
	object, err := ask("getFullComputerInformation")
	if errors.Is(err, ErrNotFound) {
		object, err = ask("getComputerInformation")
	}
	if err != nil {
		return nil, err
	}
	releases, partitions, err := c.readLists(object)
	if err != nil {
		return nil, c.client.unreadable(op, err)
	}
	return &contents{releases, partitions}, nil
}

func (c *Computer) readLists(object *marshal.Object) ([]*SoftwareRelease, []*ComputerPartition, error) {
	releases, err := c.readReleases(object)
	if err != nil {
		return nil, nil, err
	}
	partitions, err := c.readPartitions(object)
	return releases, partitions, err
}

func (c *Computer) readReleases(object *marshal.Object) ([]*SoftwareRelease, error) {
	items, err := listOf(object, "_software_release_list")
	if err != nil {
		return nil, err
	}
	var releases []*SoftwareRelease
	for i, item := range items {
		r := readRelease(c.client, item, c.guid)
		if r == nil {
			return nil, fmt.Errorf("entry %d of the list of software releases is no software release", i)
		}
		releases = append(releases, r)
	}
	return releases, nil
}

func (c *Computer) readPartitions(object *marshal.Object) ([]*ComputerPartition, error) {
	const list = "_computer_partition_list"
	// Compat: the reference fails, too. To take none for an empty list would tell
	// whoever compares that all partitions are gone.
	if v, _ := object.Get(list); v == nil {
		return nil, errors.New("there is no list of partitions")
	}
	items, err := listOf(object, list)
	if err != nil {
		return nil, err
	}
	var partitions []*ComputerPartition
	var natives marshal.Natives
	seen := map[*marshal.Object]bool{}
	for i, item := range items {
		o, ok := item.(*marshal.Object)
		if !ok || o.Class != marshal.ClassComputerPartition {
			return nil, fmt.Errorf("entry %d of the list of partitions is no partition", i)
		}
		if seen[o] {
			return nil, fmt.Errorf("entry %d of the list of partitions refers to one before", i)
		}
		seen[o] = true
		p, err := readPartition(c.client, &natives, o)
		if err != nil {
			return nil, fmt.Errorf("entry %d of the list of partitions: %w", i, err)
		}
		partitions = append(partitions, newPartition(c.client, p))
	}
	return partitions, nil
}

// ReportUsage posts a usage report (reportUsage), an XML document as package tio
// makes it. An empty report is not sent. A real master answers 400, ErrServer, to
// one that is not valid, and so does the stand-alone one of this module; those of
// the reference do not look at it.
func (c *Computer) ReportUsage(ctx context.Context, usage []byte) error {
	if len(usage) == 0 {
		return nil
	}
	return c.post(ctx, "report usage", "useComputer", field{"use_string", string(usage)})
}

// UpdateConfiguration posts a description of the computer, a marshalled
// dictionary as slapformat makes it (updateConfiguration). The computer is the one
// that it names: the identifier here is not sent. Partitions that are not in it are
// forgotten by the master, whatever they hold, new ones become free ones, and others
// keep their instances. A description that cannot be understood is ErrServer.
func (c *Computer) UpdateConfiguration(ctx context.Context, xml []byte) error {
	_, err := c.client.post(ctx, call{
		op: "update configuration", path: "loadComputerConfigurationFromXML",
		fields: []field{{"xml", string(xml)}},
	})
	return err
}

// Bang reports a problem of the computer: all its instances are processed
// again (bang). Stand-alone masters of the reference ignore it.
func (c *Computer) Bang(ctx context.Context, message string) error {
	return c.post(ctx, "computer bang", "computerBang", field{"message", message})
}

// Status returns the latest status of the computer (getStatus). The
// stand-alone master of the reference does not offer this: ErrNotFound.
func (c *Computer) Status(ctx context.Context) (Status, error) {
	const op = "computer status"
	if c.guid == "" {
		return Status{}, notFound(op, "the computer has no identifier")
	}
	v, err := c.client.getValue(ctx, call{
		op: op, path: "getComputerStatus", fields: []field{{"computer_id", c.guid}},
	})
	if err != nil {
		return Status{}, err
	}
	return readStatus(v), nil
}

// Information returns what the HATEOAS interface of the master tells of the
// computer (getInformation). An unknown computer is ErrNotFound.
func (c *Computer) Information(ctx context.Context) (*ComputerInformation, error) {
	return c.client.computerInformation(ctx, c.guid)
}

// ErrCertificate is the document's ValueError of GenerateCertificate (another
// certificate is valid) and RevokeCertificate (none is). Masters answer both
// with 404, so that the error is ErrNotFound too.
var ErrCertificate = errors.New("certificate state does not allow this")

// GenerateCertificate makes a new certificate for the computer
// (generateCertificate). The master does not keep the key. ErrCertificate means
// that another certificate is still valid, or that the master has no certificates
// at all, as stand-alone ones.
func (c *Computer) GenerateCertificate(ctx context.Context) (Certificate, error) {
	const op = "generate certificate"
	if c.guid == "" {
		return Certificate{}, notFound(op, "the computer has no identifier")
	}
	v, err := c.client.postValue(ctx, call{
		op: op, path: "generateComputerCertificate", fields: []field{{"computer_id", c.guid}},
	})
	if err != nil {
		return Certificate{}, certificateError(err)
	}
	return readCertificate(c.client, op, v)
}

// RevokeCertificate revokes the certificate of the computer
// (revokeCertificate). ErrCertificate means that there is none, or that the master
// has no certificates at all.
func (c *Computer) RevokeCertificate(ctx context.Context) error {
	return certificateError(c.post(ctx, "revoke certificate", "revokeComputerCertificate"))
}

func certificateError(err error) error {
	if e, ok := errors.AsType[*Error](err); ok && e.Status == 404 {
		e.Kinds = append(e.Kinds, ErrCertificate)
	}
	return err
}

func (c *Computer) post(ctx context.Context, op, path string, more ...field) error {
	if c.guid == "" {
		return notFound(op, "the computer has no identifier")
	}
	fields := append([]field{{"computer_id", c.guid}}, more...)
	_, err := c.client.post(ctx, call{op: op, path: path, fields: fields})
	return err
}

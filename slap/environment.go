package slap

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
)

// Environment is what a program release finds in its environment. The empty
// text stands for an unset variable.
type Environment struct {
	MasterURL          string // SLAPOS_MASTER_URL
	ComputerID         string // SLAPOS_COMPUTER_ID
	PartitionID        string // SLAPOS_PARTITION_ID
	KeyFile            string // SLAPOS_KEY_FILE
	CertFile           string // SLAPOS_CERT_FILE
	CAFile             string // SLAPOS_CA_FILE
	RequestedState     State  // SLAPOS_REQUESTED_STATE
	SoftwareType       string // SLAPOS_SOFTWARE_TYPE
	SoftwareReleaseURL string // SLAPOS_SOFTWARE_RELEASE_URL
	SoftwareDir        string // SLAPOS_SOFTWARE_DIR
	InstanceDir        string // SLAPOS_INSTANCE_DIR
	InstanceFile       string // SLAPOS_INSTANCE_FILE
	InstanceRoot       string // SLAPGRID_INSTANCE_ROOT
}

// ParseEnvironment reads an environment in the form of [os.Environ]. Of a
// variable that is there twice, the last one counts.
func ParseEnvironment(environ []string) Environment {
	values := map[string]string{}
	for _, entry := range environ {
		if name, value, ok := strings.Cut(entry, "="); ok {
			values[name] = value
		}
	}
	return Environment{
		MasterURL:          values["SLAPOS_MASTER_URL"],
		ComputerID:         values["SLAPOS_COMPUTER_ID"],
		PartitionID:        values["SLAPOS_PARTITION_ID"],
		KeyFile:            values["SLAPOS_KEY_FILE"],
		CertFile:           values["SLAPOS_CERT_FILE"],
		CAFile:             values["SLAPOS_CA_FILE"],
		RequestedState:     State(values["SLAPOS_REQUESTED_STATE"]),
		SoftwareType:       values["SLAPOS_SOFTWARE_TYPE"],
		SoftwareReleaseURL: values["SLAPOS_SOFTWARE_RELEASE_URL"],
		SoftwareDir:        values["SLAPOS_SOFTWARE_DIR"],
		InstanceDir:        values["SLAPOS_INSTANCE_DIR"],
		InstanceFile:       values["SLAPOS_INSTANCE_FILE"],
		InstanceRoot:       values["SLAPGRID_INSTANCE_ROOT"],
	}
}

// Options returns the options that the environment asks for: client
// certificate, authority of the master's certificate, request journal.
func (e Environment) Options() []Option {
	var opts []Option
	if e.CertFile != "" || e.KeyFile != "" { // one alone is refused, not ignored
		opts = append(opts, WithKeyPair(e.CertFile, e.KeyFile))
	}
	if e.CAFile != "" {
		opts = append(opts, WithCAFile(e.CAFile))
	}
	if e.InstanceRoot != "" {
		opts = append(opts, WithRequestJournal(e.InstanceRoot))
	}
	return opts
}

// PartitionFromEnvironment is what a program release calls first: it turns the
// environment it was started with, [os.Environ], into a client of the master
// and the partition the program is to fill, read from the master. Requests of
// that partition are noted in the request journal, on which it depends that
// instances no longer requested are unlinked. Options given here come after
// those of the environment.
//
// A variable that is missing is ErrNotFound; other errors are those of [New] and
// [Client.ComputerPartition].
func PartitionFromEnvironment(ctx context.Context, environ []string, opts ...Option) (*Client, *ComputerPartition, error) {
	e := ParseEnvironment(environ)
	for _, needed := range []struct{ name, value string }{
		{"SLAPOS_MASTER_URL", e.MasterURL},
		{"SLAPOS_COMPUTER_ID", e.ComputerID},
		{"SLAPOS_PARTITION_ID", e.PartitionID},
	} {
		if needed.value == "" {
			return nil, nil, &Error{
				Op: "partition from environment", Message: needed.name + " is not set",
				Hint:  "this program is to be started by the SlapOS node agent",
				Kinds: []error{ErrNotFound},
			}
		}
	}
	c, err := New(e.MasterURL, append(e.Options(), opts...)...)
	if err != nil {
		return nil, nil, err
	}
	p, err := c.ComputerPartition(ctx, e.ComputerID, e.PartitionID)
	if err != nil {
		return nil, nil, err
	}
	return c, p, nil
}

// InstanceFile is the content of the file that SLAPOS_INSTANCE_FILE names: what
// the agent knew of the instance when it started the program. A program that
// needs nothing else from the master reads it without a connection. The fields
// are what the methods of [ComputerPartition] with these names return, but for
// those with comments.
type InstanceFile struct {
	Version            int                  `json:"version"`
	MasterURL          string               `json:"master_url"`
	ComputerID         string               `json:"computer_id"`
	PartitionID        string               `json:"partition_id"`
	InstanceGUID       string               `json:"instance_guid"`
	InstanceTitle      string               `json:"instance_title"`
	RootInstanceTitle  string               `json:"root_instance_title"`
	SoftwareReleaseURL string               `json:"software_release_url"`
	SoftwareType       string               `json:"software_type"`
	RequestedState     State                `json:"requested_state"`
	Timestamp          any                  `json:"timestamp"`  // a text from this agent, see ComputerPartition.Timestamp; others may write a number or null
	Parameters         Parameters           `json:"parameters"` // without those that masters add
	IPv4               []string             `json:"ipv4"`       // the addresses of IPList, without names
	IPv6               []string             `json:"ipv6"`
	IPList             [][2]string          `json:"ip_list"` // name and address of each
	SharedInstances    []InstanceFileShared `json:"shared_instances"`
}

// InstanceFileShared is a shared instance in an InstanceFile.
type InstanceFileShared struct {
	Reference  string     `json:"reference"`
	Title      string     `json:"title"`
	Parameters Parameters `json:"parameters"`
}

// InstanceFileVersion is the version of the format that this package knows.
const InstanceFileVersion = 1

// maxInstanceFile bounds the size of an instance file, in bytes.
const maxInstanceFile = 64 << 20

// ReadInstanceFile reads the file that SLAPOS_INSTANCE_FILE names. Keys it does
// not know are ignored; a version it does not know is an error.
func ReadInstanceFile(path string) (*InstanceFile, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("instance file: %w", err)
	}
	defer file.Close()
	data, err := io.ReadAll(io.LimitReader(file, maxInstanceFile+1))
	if err != nil {
		return nil, fmt.Errorf("instance file: %w", err)
	}
	if len(data) > maxInstanceFile {
		return nil, fmt.Errorf("instance file %s: %w", path, errors.New("too large"))
	}
	var f InstanceFile
	if err := unmarshalJSON(data, &f); err != nil {
		return nil, fmt.Errorf("instance file %s: %w", path, err)
	}
	if f.Version != InstanceFileVersion {
		return nil, fmt.Errorf("instance file %s: version %d is not known, only %d", path, f.Version, InstanceFileVersion)
	}
	return &f, nil
}

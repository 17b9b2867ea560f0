package slapgrid

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/slapos/slapos-go/internal/marshal"
	"github.com/slapos/slapos-go/slap"
	"github.com/slapos/slapos-go/slapgrid/internal/child"
	"github.com/slapos/slapos-go/slapgrid/internal/confined"
)

// Names in a program release and in its partitions.
const (
	programBuild       = "software/build"
	programInstantiate = "software/instantiate"
	instanceFileName   = agentDirectory + "/instance.json"
	stagingName        = ".unpack"
)

// childUmask is the mask of everything that releases make.
const childUmask = 0o027

// programBuilder is the [Builder] of releases that are programs: a directory
// or an archive with executables software/build and software/instantiate.
type programBuilder struct {
	cfg    *Config
	http   *http.Client
	ledger *child.Ledger
	// silence and limit are those of downloads.
	silence, limit time.Duration
}

var _ Builder = (*programBuilder)(nil)

func newProgramBuilder(n *Node) *programBuilder {
	return &programBuilder{cfg: &n.cfg, http: n.http, ledger: n.ledger, silence: downloadSilence, limit: downloadLimit}
}

// Handles implements [Builder]: every URL whose path does not end in .cfg.
func (b *programBuilder) Handles(releaseURL string) bool {
	return !strings.HasSuffix(releasePath(releaseURL), ".cfg")
}

// releasePath is the path of a release URL, without arguments and fragment.
func releasePath(releaseURL string) string {
	if u, err := url.Parse(releaseURL); err == nil && u.Scheme != "" {
		return u.Path
	}
	path, _, _ := strings.Cut(releaseURL, "#")
	return path
}

// Software implements [Builder]: fetch, unpack, run software/build.
func (b *programBuilder) Software(ctx context.Context, j SoftwareJob) error {
	dir, owner, err := openRelease(j.Directory)
	if err != nil {
		return err
	}
	defer dir.Close()
	if err := b.fetch(ctx, j, dir, owner); err != nil {
		return err
	}
	build := filepath.Join(j.Directory, programBuild)
	if dir.Exists(programBuild) {
		c := child.Command{
			Args: []string{build}, Dir: j.Directory, User: owner, AllowRoot: b.cfg.AllowRoot, Umask: childUmask,
			Ledger: b.ledger, Env: b.environ(j.URL, j.Directory, j.Directory, owner), Line: logLines(j.Log),
		}
		if err := runBuilder(ctx, c, fmt.Sprintf("Failed to run %s in directory '%s'", programBuild, j.Directory), j.Log); err != nil {
			return err
		}
	}
	info, err := dir.Stat(programInstantiate)
	if err != nil || !info.Mode().IsRegular() || info.Mode()&0o111 == 0 {
		return fmt.Errorf("software release %s has no executable %s", j.URL, programInstantiate)
	}
	return nil
}

// Instance implements [Builder]: write the instance file, run
// software/instantiate.
func (b *programBuilder) Instance(ctx context.Context, j InstanceJob) error {
	owner, err := child.OwnerOf(j.Directory)
	if err != nil {
		return err
	}
	if err := b.writeInstanceFile(j, owner); err != nil {
		return fmt.Errorf("instance file: %w", err)
	}
	softType, _ := j.Partition.InstanceParameters().String("slap_software_type")
	env := append(b.environ(j.URL, j.SoftwareDirectory, j.Directory, owner),
		"SLAPOS_MASTER_URL="+b.cfg.MasterURL,
		"SLAPOS_COMPUTER_ID="+b.cfg.ComputerID,
		"SLAPOS_PARTITION_ID="+j.ID,
		"SLAPOS_KEY_FILE="+j.KeyFile,
		"SLAPOS_CERT_FILE="+j.CertFile,
		"SLAPOS_CA_FILE="+b.cfg.MasterCAFile,
		"SLAPOS_REQUESTED_STATE="+string(j.State),
		"SLAPOS_SOFTWARE_TYPE="+softType,
		"SLAPOS_INSTANCE_DIR="+j.Directory,
		"SLAPOS_INSTANCE_FILE="+filepath.Join(j.Directory, instanceFileName),
		"SLAPGRID_INSTANCE_ROOT="+b.cfg.InstanceRoot)
	c := child.Command{
		Args: []string{filepath.Join(j.SoftwareDirectory, programInstantiate)}, Dir: j.Directory,
		User: owner, AllowRoot: b.cfg.AllowRoot, Umask: childUmask,
		Ledger: b.ledger, Env: env, Timeout: b.cfg.PartitionTimeout, Line: logLines(j.Log),
	}
	return runBuilder(ctx, c, fmt.Sprintf("Failed to run %s in directory '%s'", programInstantiate, j.Directory), j.Log)
}

// environ is the environment of both programs: nothing of the agent's but
// PATH.
func (b *programBuilder) environ(releaseURL, software, home string, owner child.User) []string {
	return []string{
		"PATH=" + child.Lookup(b.cfg.Environ, "PATH"),
		"SLAPOS_SOFTWARE_RELEASE_URL=" + releaseURL,
		"SLAPOS_SOFTWARE_DIR=" + software,
		"HOME=" + home, "USER=" + owner.Name, "LOGNAME=" + owner.Name,
		"LANG=C.UTF-8",
	}
}

// masterParameters are the keys that masters put among the parameters; the
// instance file has them elsewhere.
var masterParameters = []string{
	"ip_list", "full_ip_list", "full_address_list", "slap_software_type", "slap_software_release_url",
	"slap_computer_id", "slap_computer_partition_id", "instance_title", "root_instance_title",
	"slave_instance_list", "timestamp",
}

// writeInstanceFile leaves what the agent knows of the instance.
func (b *programBuilder) writeInstanceFile(j InstanceJob, owner child.User) error {
	parameters := j.Partition.InstanceParameters()
	text := func(key string) string {
		s, _ := parameters.String(key)
		return s
	}
	guid, _ := j.Partition.InstanceGUID() // empty if the master does not tell
	f := slap.InstanceFile{
		Version: slap.InstanceFileVersion, MasterURL: b.cfg.MasterURL, ComputerID: b.cfg.ComputerID,
		PartitionID: j.ID, InstanceGUID: guid,
		InstanceTitle: text("instance_title"), RootInstanceTitle: text("root_instance_title"),
		SoftwareReleaseURL: j.URL, SoftwareType: text("slap_software_type"), RequestedState: j.State,
		Timestamp: j.Partition.Timestamp(),
		IPv4:      []string{}, IPv6: []string{}, IPList: [][2]string{}, SharedInstances: []slap.InstanceFileShared{},
	}
	for _, address := range j.Partition.IPList() {
		f.IPList = append(f.IPList, [2]string{address.Name, address.Address})
		if strings.Contains(address.Address, ":") {
			f.IPv6 = append(f.IPv6, address.Address)
		} else {
			f.IPv4 = append(f.IPv4, address.Address)
		}
	}
	for _, shared := range j.Partition.SharedInstances() {
		f.SharedInstances = append(f.SharedInstances, slap.InstanceFileShared{
			Reference: shared.Reference, Title: shared.Title, Parameters: jsonParameters(shared.Parameters),
		})
	}
	for _, key := range masterParameters {
		delete(parameters, key)
	}
	f.Parameters = jsonParameters(parameters)
	data, err := json.Marshal(f)
	if err != nil {
		return err
	}
	files, err := confined.Open(j.Directory, confined.Owner{UID: owner.UID, GID: owner.GID})
	if err != nil {
		return err
	}
	defer files.Close()
	if err := files.MakeDir(agentDirectory, 0o755); err != nil {
		return err
	}
	return files.Write(instanceFileName, data, 0o600, true)
}

// jsonParameters replaces the numbers that JSON does not have by their text.
func jsonParameters(parameters slap.Parameters) slap.Parameters {
	out := slap.Parameters{}
	for key, value := range parameters {
		if _, err := json.Marshal(value); err != nil {
			value = marshal.Str(value)
		}
		out[key] = value
	}
	return out
}

// runBuilder runs a program of a release. What it wrote is the error.
func runBuilder(ctx context.Context, c child.Command, failure string, log interface {
	ErrorContext(context.Context, string, ...any)
}) error {
	res, err := child.Run(ctx, c)
	if err == nil && res.ExitCode == 0 {
		return nil
	}
	output := res.Output
	var timeout *child.TimeoutError
	switch {
	case errors.As(err, &timeout):
		output += "\n" + err.Error()
	case err != nil && ctx.Err() != nil:
		return fmt.Errorf("%s: interrupted: %w", failure, err)
	case err != nil:
		output += err.Error()
		log.ErrorContext(ctx, failure, "error", err)
		return &BuildError{Message: failure, Output: output}
	case res.ExitCode < 0:
		output += "(ended by a signal)"
	case output == "":
		output = "(exit status " + strconv.Itoa(res.ExitCode) + " without any output)"
	}
	log.ErrorContext(ctx, failure)
	return &BuildError{Message: failure, Output: output}
}

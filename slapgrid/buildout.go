package slapgrid

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/slapos/slapos-go/slapgrid/internal/child"
	"github.com/slapos/slapos-go/slapgrid/internal/confined"
)

// bootstrapSkipped marks that the next build has to bootstrap again: after a
// failure first the existing buildout is tried, then a fresh one.
const bootstrapSkipped = "buildout-bootstrap-skipped"

// buildoutBuilder is the [Builder] of buildout profiles.
type buildoutBuilder struct {
	node *Node
	cfg  *Config
	// tool is the buildout that bootstraps.
	tool *buildoutTool
}

var _ Builder = (*buildoutBuilder)(nil)

func newBuildoutBuilder(n *Node) *buildoutBuilder {
	return &buildoutBuilder{node: n, cfg: &n.cfg, tool: &buildoutTool{cfg: &n.cfg, ledger: n.ledger}}
}

// Handles implements [Builder]: URLs whose path ends in .cfg.
func (b *buildoutBuilder) Handles(releaseURL string) bool {
	return strings.HasSuffix(releasePath(releaseURL), ".cfg")
}

// buildoutRun is one directory that buildout works in.
type buildoutRun struct {
	dir, binary string
	owner       child.User
	parameters  []string
	job         buildoutJob
}

// buildoutJob is what runs for releases and for partitions have in common.
type buildoutJob struct {
	debug bool
	log   logger
}

type logger interface {
	InfoContext(context.Context, string, ...any)
	WarnContext(context.Context, string, ...any)
	ErrorContext(context.Context, string, ...any)
	DebugContext(context.Context, string, ...any)
}

// Software implements [Builder].
func (b *buildoutBuilder) Software(ctx context.Context, j SoftwareJob) error {
	dir, owner, err := openRelease(j.Directory)
	if err != nil {
		return err
	}
	defer dir.Close()
	if err := b.prepareSoftware(j, dir, owner); err != nil {
		return err
	}
	run := buildoutRun{
		dir: j.Directory, binary: filepath.Join(j.Directory, "bin", "buildout"), owner: owner,
		parameters: b.softwareParameters(j), job: buildoutJob{j.Debug, j.Log},
	}
	if err := b.bootstrapSoftware(ctx, dir, run); err != nil {
		return err
	}
	c := b.command(run, run.parameters...)
	c.Env = child.CleanEnviron(b.cfg.Environ, j.Directory)
	c.Line = logLines(j.Log)
	if err := b.buildout(ctx, c, run); err != nil {
		return err
	}
	return dir.Delete("bin/" + bootstrapSkipped)
}

// prepareSoftware writes what buildout needs before its first run.
func (b *buildoutBuilder) prepareSoftware(j SoftwareJob, dir *confined.Dir, owner child.User) error {
	if err := dir.MakeDir("extends-cache", 0o755); err != nil {
		return err
	}
	if err := copyNetrc(dir, owner, j.Directory); err != nil {
		return err
	}
	if dir.Exists("buildout.cfg") {
		return nil
	}
	var f ini
	f.section("buildout",
		"extends", j.URL,
		"shared-part-list", b.cfg.SharedPartList,
		"build-time-part-list", b.cfg.BuildTimePartList)
	return dir.Write("buildout.cfg", f.Bytes(), 0o644, true)
}

// copyNetrc gives the build the passwords of the software user, and takes them
// away when they are gone.
func copyNetrc(dir *confined.Dir, owner child.User, path string) error {
	source := filepath.Join(owner.Home, ".netrc")
	if filepath.Join(path, ".netrc") == source {
		return nil
	}
	if err := dir.Delete(".netrc"); err != nil {
		return err
	}
	data, err := confined.ReadForeign(source, owner.UID)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrPermission) {
		return nil
	}
	if err != nil {
		return err
	}
	return dir.Write(".netrc", data, 0o600, true)
}

// softwareParameters are the parameters of buildout for a release.
func (b *buildoutBuilder) softwareParameters(j SoftwareJob) []string {
	parameters := []string{
		"buildout:extends-cache=" + filepath.Join(j.Directory, "extends-cache"),
		"buildout:directory=" + j.Directory,
	}
	cache := b.cfg.NetworkCache
	if cache["signature-private-key-file"] != "" || cache["upload-cache-url"] != "" || cache["upload-dir-url"] != "" {
		parameters = append(parameters, "buildout:networkcache-section=networkcache")
	}
	for _, key := range networkCacheKeys {
		if value := cache[key]; value != "" {
			parameters = append(parameters, "networkcache:"+key+"="+value)
		}
	}
	if !j.Develop {
		parameters = append(parameters, "-N")
	}
	return append(parameters, "-c", filepath.Join(j.Directory, "buildout.cfg"))
}

// bootstrapSoftware makes bin/buildout, unless an earlier attempt did and this
// is the first run after it failed.
func (b *buildoutBuilder) bootstrapSoftware(ctx context.Context, dir *confined.Dir, run buildoutRun) error {
	const marker = "bin/" + bootstrapSkipped
	switch {
	case dir.Exists(marker):
		if err := dir.Delete(marker); err != nil {
			return err
		}
	case dir.Exists("bin/buildout"):
		return dir.Write(marker, nil, 0o644, false)
	}
	return b.bootstrap(ctx, run)
}

// bootstrap makes the binary of a run.
func (b *buildoutBuilder) bootstrap(ctx context.Context, run buildoutRun) error {
	args, err := b.tool.command(ctx, run.job.log)
	if err != nil {
		return err
	}
	args = append(append(args, run.parameters...), "bootstrap")
	c := child.Command{
		Args: args, Dir: run.dir, User: run.owner, AllowRoot: b.cfg.AllowRoot, Umask: childUmask,
		Ledger: b.node.ledger, Env: child.CleanEnviron(b.cfg.Environ, run.owner.Home),
	}
	c.Line = func(line string) { run.job.log.InfoContext(ctx, line) }
	return b.buildout(ctx, c, run)
}

// command runs the binary of a run through its interpreter.
func (b *buildoutBuilder) command(run buildoutRun, parameters ...string) child.Command {
	args := child.Interpreted(run.binary)
	if run.job.debug {
		args = append(args, "-D")
	}
	args = append(append(args, "-U"), parameters...)
	c := child.Command{Args: args, Dir: run.dir, User: run.owner, AllowRoot: b.cfg.AllowRoot, Umask: childUmask, Ledger: b.node.ledger}
	if run.job.debug {
		c.Terminal = b.node.terminal
	}
	return c
}

// buildout runs buildout with the error text of the reference.
func (b *buildoutBuilder) buildout(ctx context.Context, c child.Command, run buildoutRun) error {
	run.job.log.DebugContext(ctx, fmt.Sprintf("Invoking: '%s' in directory '%s'", strings.Join(c.Args, " "), run.dir))
	return runBuilder(ctx, c, fmt.Sprintf("Failed to run buildout profile in directory '%s'", run.dir), run.job.log)
}

// Instance implements [Builder].
func (b *buildoutBuilder) Instance(ctx context.Context, j InstanceJob) error {
	owner, err := child.OwnerOf(j.Directory)
	if err != nil {
		return err
	}
	dir, err := confined.Open(j.Directory, confined.Owner{UID: owner.UID, GID: owner.GID})
	if err != nil {
		return err
	}
	defer dir.Close()
	if err := b.writeProfile(j, dir, owner); err != nil {
		return err
	}
	run := buildoutRun{dir: j.Directory, owner: owner, job: buildoutJob{j.Debug, j.Log}}
	if run.binary, err = b.instanceBinary(ctx, j, run); err != nil {
		return err
	}
	c := b.command(run)
	c.Env = child.CleanEnviron(b.cfg.Environ, j.Directory, "SLAPGRID_INSTANCE_ROOT="+b.cfg.InstanceRoot)
	c.Timeout, c.Line = b.cfg.PartitionTimeout, logLines(j.Log)
	return b.buildout(ctx, c, run)
}

// instanceBinary finds the buildout of a partition: made by the release's own
// bootstrap program, else the release's, else bootstrapped here.
func (b *buildoutBuilder) instanceBinary(ctx context.Context, j InstanceJob, run buildoutRun) (string, error) {
	own := filepath.Join(j.Directory, "sbin", "buildout")
	entries, err := os.ReadDir(filepath.Join(j.SoftwareDirectory, "bin"))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return "", err
	}
	var candidates []string
	for _, entry := range entries {
		if strings.HasPrefix(entry.Name(), "bootstrap") {
			candidates = append(candidates, filepath.Join(j.SoftwareDirectory, "bin", entry.Name()))
		}
	}
	binary := own
	switch len(candidates) {
	case 0:
		binary = filepath.Join(j.SoftwareDirectory, "bin", "buildout")
		j.Log.InfoContext(ctx, fmt.Sprintf("Falling back to default buildout '%s'", binary))
	case 1:
		c := child.Command{
			Args: child.Interpreted(candidates[0]), Dir: j.Directory, User: run.owner,
			AllowRoot: b.cfg.AllowRoot, Umask: childUmask,
			Ledger: b.node.ledger, Env: child.CleanEnviron(b.cfg.Environ, run.owner.Home), Line: logLines(j.Log),
		}
		if err := runBuilder(ctx, c, fmt.Sprintf("Failed to bootstrap buildout in '%s'.", j.Directory), j.Log); err != nil {
			return "", err
		}
	default:
		return "", compatf("More than one bootstrap candidate found.")
	}
	if exists(binary) {
		return binary, nil
	}
	run.parameters = []string{"buildout:bin-directory=" + filepath.Join(j.Directory, "sbin")}
	return own, b.bootstrap(ctx, run)
}

// writeProfile writes buildout.cfg of a partition: the template of the release
// and what the agent adds, which wins.
func (b *buildoutBuilder) writeProfile(j InstanceJob, dir *confined.Dir, owner child.User) error {
	template, err := readTemplate(j.SoftwareDirectory)
	if errors.Is(err, fs.ErrNotExist) {
		return compatf("Software Release %s is not correctly installed.\nMissing file: %s",
			j.URL, filepath.Join(j.SoftwareDirectory, "instance.cfg"))
	}
	if err != nil {
		return err
	}
	content := append(append(template, "\n\n"...), b.profileTail(j)...)
	readers := confined.Dir{Root: dir.Root, Owner: confined.Owner{UID: os.Getuid(), GID: owner.GID}}
	return readers.Write("buildout.cfg", content, 0o640, true)
}

// readTemplate reads the profile that a release has for its partitions.
func readTemplate(software string) ([]byte, error) {
	info, err := os.Lstat(software) // of a link, whoever made it
	if err != nil {
		return nil, err
	}
	owner := child.OwnerIn(info, software)
	template, err := confined.ReadForeign(filepath.Join(software, "instance.cfg"), owner.UID)
	if errors.Is(err, fs.ErrNotExist) {
		return confined.ReadForeign(filepath.Join(software, "template.cfg"), owner.UID)
	}
	return template, err
}

// profileTail tells buildout which partition it works for.
func (b *buildoutBuilder) profileTail(j InstanceJob) []byte {
	var f ini
	f.WriteString("# Added by the node agent.\n")
	f.section("buildout",
		"bin-directory", "${buildout:directory}/sbin",
		"offline", "true")
	connection := [][2]string{
		{"computer-id", b.cfg.ComputerID}, {"partition-id", j.ID}, {"server-url", b.cfg.MasterURL},
		{"software-release-url", j.URL}, {"key-file", j.KeyFile}, {"cert-file", j.CertFile},
	}
	var dashed, underscored []string
	for _, pair := range connection {
		dashed = append(dashed, pair[0], pair[1])
		underscored = append(underscored, strings.ReplaceAll(pair[0], "-", "_"), pair[1])
	}
	dashed = append(dashed,
		"shared-part-list", indentList(b.cfg.SharedPartList),
		"build-time-part-list", indentList(b.cfg.BuildTimePartList),
		"requested-state", string(j.State))
	f.section("slap-connection", dashed...)
	f.section("slap_connection", underscored...)
	f.section("storage-configuration", "storage-home", b.cfg.InstanceStorageHome)
	f.section("network-information", "global-ipv4-network", b.cfg.IPv4GlobalNetwork)
	f.WriteString("# End of what the node agent added.\n")
	return bytes.TrimRight(f.Bytes(), "\n")
}

// indentList puts each line of a list below its key.
func indentList(list string) string {
	var b strings.Builder
	for line := range strings.Lines(list) {
		if line = strings.TrimSpace(line); line != "" {
			b.WriteString("\n" + line)
		}
	}
	return b.String()
}

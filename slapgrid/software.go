package slapgrid

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/slapos/slapos-go/slap"
	"github.com/slapos/slapos-go/slapgrid/internal/child"
	"github.com/slapos/slapos-go/slapgrid/internal/confined"
)

// completedFile marks a release that is built; its text is when.
const completedFile = ".completed"

// SoftwareOptions tune [Node.Software].
type SoftwareOptions struct {
	// Force builds again what is already built.
	Force bool
	// Only limits the pass to these releases, given by URL or by the md5 of
	// the URL; empty means all. As documented, naming a release forces it.
	Only []string
	// BuildoutDebug runs buildout with its debugger on the agent's terminal.
	BuildoutDebug bool
	// GarbageCollect removes the buildout releases on disk that the master no
	// longer mentions as available, selected in this run or not.
	GarbageCollect bool
}

// Software builds the releases that the master wants available and removes
// those it wants destroyed. The error is about the pass as a whole; those of
// releases are in the report.
func (n *Node) Software(ctx context.Context, o SoftwareOptions) (*Report, error) {
	if err := n.begin(ctx); err != nil {
		return nil, err
	}
	if o.BuildoutDebug && n.terminal == nil {
		return nil, errors.New("debug mode needs a terminal")
	}
	n.log.InfoContext(ctx, "Processing software releases...")
	releases, err := n.client.Computer(n.cfg.ComputerID).SoftwareReleases(ctx)
	if err != nil {
		return nil, err
	}
	releases = n.distinctReleases(ctx, releases)
	holders := directoryHolders(releases)
	report := &Report{Outcomes: runJobs(ctx, n.terminalLimit(o.BuildoutDebug), releases, nil, (*slap.SoftwareRelease).URI, func(ctx context.Context, s *slap.SoftwareRelease) Outcome {
		r := &release{node: n, slap: s, url: s.URI(), dir: n.releaseDirectory(s.URI()), options: o}
		r.holder = holders[releaseKey(r.url)]
		r.log = n.log.With("software", r.url)
		return r.job(ctx)
	})}
	if o.GarbageCollect {
		n.collectGarbage(ctx, releases)
	}
	n.log.InfoContext(ctx, "Finished software releases.")
	return report, context.Cause(ctx)
}

// distinctReleases drops releases that the master lists again: two builds in
// one directory would destroy each other's work.
func (n *Node) distinctReleases(ctx context.Context, all []*slap.SoftwareRelease) []*slap.SoftwareRelease {
	seen := map[string]bool{}
	return slices.DeleteFunc(slices.Clone(all), func(s *slap.SoftwareRelease) bool {
		again := seen[s.URI()]
		seen[s.URI()] = true
		if again {
			n.log.WarnContext(ctx, "the master lists a software release twice, only the first counts", "software", s.URI())
		}
		return again
	})
}

// directoryHolders tells, by the names of directories, which release has each.
// Texts with one md5 can be made at will: the first keeps the directory.
func directoryHolders(releases []*slap.SoftwareRelease) map[string]string {
	holders := map[string]string{}
	for _, s := range releases {
		if key := releaseKey(s.URI()); holders[key] == "" {
			holders[key] = s.URI()
		}
	}
	return holders
}

// job does what the master wants with one release and tells it if that fails.
func (r *release) job(ctx context.Context) Outcome {
	outcome := Outcome{Name: r.url, Action: ActionSkipped}
	only := r.options.Only
	if len(only) > 0 && !slices.Contains(only, r.url) && !slices.Contains(only, releaseKey(r.url)) {
		return outcome
	}
	outcome.Action, outcome.Err = r.process(ctx)
	if outcome.Err == nil {
		return outcome
	}
	if _, shown := errors.AsType[*BuildError](outcome.Err); !shown {
		r.log.ErrorContext(ctx, outcome.Err.Error())
	}
	if ctx.Err() != nil {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(context.WithoutCancel(ctx), lastWords)
		defer cancel()
	}
	if err := r.slap.ReportError(ctx, outcome.Err.Error()); err != nil {
		r.log.ErrorContext(ctx, "Problem while reporting error, continuing:", "error", err)
	}
	return outcome
}

// process builds or removes one release.
func (r *release) process(ctx context.Context) (Action, error) {
	if err := checkReleaseURL(r.url); err != nil {
		return ActionSkipped, err
	}
	if r.holder != r.url {
		return ActionSkipped, fmt.Errorf("software release %s has the same directory %s as %s, which comes first", r.url, r.dir, r.holder)
	}
	if err := r.node.checkAlone(r.dir); err != nil {
		return ActionSkipped, err
	}
	var steps []releaseStep
	action := ActionProcessed
	switch state := r.slap.State(); state {
	case slap.StateAvailable:
		force := r.options.Force || r.node.cfg.Develop || len(r.options.Only) > 0
		if !force && exists(filepath.Join(r.dir, completedFile)) {
			return ActionUpToDate, nil
		}
		steps = []releaseStep{
			reportBuilding{}, checkReleaseSpace{}, checkForcedCache{}, makeReleaseDirectory{},
			unmarkCompleted{}, buildRelease{}, reportAvailable{}, markCompleted{},
		}
	case slap.StateDestroyed:
		action = ActionRemoved
		steps = []releaseStep{removeRelease{}, reportReleaseDestroyed{}}
	default:
		return ActionSkipped, fmt.Errorf("software release %s has unsupported state: %s", r.url, state)
	}
	for _, step := range steps {
		if err := context.Cause(ctx); err != nil {
			return action, fmt.Errorf("interrupted before %s: %w", step.name(), err)
		}
		if err := step.run(ctx, r); err != nil {
			return action, err
		}
	}
	return action, nil
}

func exists(path string) bool {
	_, err := os.Lstat(path)
	return err == nil
}

// releaseName is the name of a directory that may be a release.
var releaseName = regexp.MustCompile(`^[0-9a-f]{32}$`)

// collectGarbage removes buildout releases that the master does not want
// available. What it cannot remove is logged.
func (n *Node) collectGarbage(ctx context.Context, releases []*slap.SoftwareRelease) {
	wanted := map[string]bool{}
	for _, r := range releases {
		if r.State() == slap.StateAvailable {
			wanted[releaseKey(r.URI())] = true
		}
	}
	entries, err := os.ReadDir(n.cfg.SoftwareRoot)
	if err != nil {
		n.log.ErrorContext(ctx, "cannot look for garbage", "error", err)
		return
	}
	for _, entry := range entries {
		path := filepath.Join(n.cfg.SoftwareRoot, entry.Name())
		if !releaseName.MatchString(entry.Name()) || wanted[entry.Name()] || !exists(filepath.Join(path, "buildout.cfg")) {
			continue
		}
		n.log.InfoContext(ctx, fmt.Sprintf("Destroying garbage collected software folder %s ...", path))
		if err := removeReleaseDirectory(n.cfg.SoftwareRoot, entry.Name()); err != nil {
			n.log.ErrorContext(ctx, err.Error())
			continue
		}
		n.log.InfoContext(ctx, fmt.Sprintf("Destroyed %s .", path))
	}
}

// makeReleaseDirectory makes the directory of the release for the owner of
// the software root.
type makeReleaseDirectory struct{}

func (makeReleaseDirectory) name() string { return "make the directory" }

func (makeReleaseDirectory) run(_ context.Context, r *release) error {
	owner, err := child.Owner(r.node.cfg.SoftwareRoot)
	if err != nil {
		return err
	}
	root, err := confined.Open(r.node.cfg.SoftwareRoot, confined.Owner{UID: owner.UID, GID: owner.GID})
	if err != nil {
		return err
	}
	defer root.Close()
	if err := root.MakeDir(filepath.Base(r.dir), 0o755); err != nil {
		return fmt.Errorf("make directory %s: %w (remove what is there and run the pass again)", r.dir, err)
	}
	return nil
}

// markCompleted notes that the release is built. It comes after the report, so
// that a report that did not get through is sent by the next pass.
type markCompleted struct{}

func (markCompleted) name() string { return "mark as completed" }

func (markCompleted) run(_ context.Context, r *release) error {
	when := r.node.now().Format("Mon Jan _2 15:04:05 2006")
	dir, _, err := openRelease(r.dir)
	if err != nil {
		return err
	}
	defer dir.Close()
	return dir.Write(completedFile, []byte(when), 0o644, false)
}

// unmarkCompleted makes a release that is built again count as not built until
// that is done: a build that fails or is killed is tried again by the next pass.
type unmarkCompleted struct{}

func (unmarkCompleted) name() string { return "unmark as completed" }

func (unmarkCompleted) run(_ context.Context, r *release) error {
	dir, _, err := openRelease(r.dir)
	if err != nil {
		return err
	}
	defer dir.Close()
	return dir.RemoveTree(completedFile)
}

// removeRelease removes the release from the disk.
type removeRelease struct{}

func (removeRelease) name() string { return "remove" }

func (removeRelease) run(ctx context.Context, r *release) error {
	if !exists(r.dir) {
		r.log.InfoContext(ctx, fmt.Sprintf("Path '%s' does not exists, no need to remove.", r.dir))
		return nil
	}
	r.log.InfoContext(ctx, fmt.Sprintf("Destroying '%s'...", r.url))
	r.log.InfoContext(ctx, fmt.Sprintf("Removing path '%s'", r.dir))
	if err := removeReleaseDirectory(r.node.cfg.SoftwareRoot, filepath.Base(r.dir)); err != nil {
		return compatf("I/O error while removing software (%s): %w", r.url, err)
	}
	r.log.InfoContext(ctx, fmt.Sprintf("Destroyed '%s'.", r.url))
	return nil
}

// removeReleaseDirectory removes a release. It is not complete from the beginning
// on: what an interruption leaves is not taken for the release.
func removeReleaseDirectory(root, name string) error {
	dir, err := confined.Open(root, confined.Owner{})
	if err != nil {
		return err
	}
	defer dir.Close()
	if info, err := dir.Lstat(name); err == nil && info.IsDir() {
		if err := dir.RemoveTree(name + "/" + completedFile); err != nil && !errors.Is(err, fs.ErrPermission) {
			return err
		}
	}
	return dir.RemoveTree(name)
}

// checkForcedCache refuses to build what the configuration wants only from
// the binary cache, which this version does not read.
type checkForcedCache struct{}

func (checkForcedCache) name() string { return "check the binary cache" }

func (checkForcedCache) run(_ context.Context, r *release) error {
	list := r.node.cfg.NetworkCache["download-from-binary-cache-force-url-list"]
	for line := range strings.Lines(list) {
		if prefix := strings.TrimSpace(line); prefix != "" && strings.HasPrefix(r.url, prefix) {
			return compatf("Binary cache forced for '%s', but failed to download, will retry again", r.url)
		}
	}
	return nil
}

//go:build linux

package versus

import (
	"context"
	"crypto/md5"
	"encoding/hex"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"

	"github.com/slapos/slapos-go/internal/sandbox"
	"github.com/slapos/slapos-go/internal/testpeer"
)

// idlePartitions is how many started instances the node of [BenchmarkIdlePass] has.
const idlePartitions = 100

// BenchmarkIdlePass is "slapos node instance --now" from exec to exit on a node of
// 100 started instances that are all up to date: of our agent and of the
// reference's, over the same partitions, with the same supervisor (ours) and the
// same master (ours, a process of its own). The instances have no promises, or one
// executable each which either was checked a moment ago or is due.
func BenchmarkIdlePass(b *testing.B) {
	for _, variant := range []struct {
		name     string
		promise  string   // what the release's buildout does for it
		due      string   // when it has to be checked, in seconds since 1970
		versions []string // of the reference
		said     string   // what an agent tells for each partition
	}{
		{"without promises", "", "", testpeer.Versions(), ""},
		{"promises checked before", makePromise, dueLater, testpeer.Versions(), "1 promises didn't need to be checked"},
		// Slow: only with the newest reference.
		{"promises due", makePromise, dueNow, []string{testpeer.Newest}, "Checking promise ok..."},
	} {
		b.Run(variant.name, func(b *testing.B) {
			n := newIdleNode(b, variant.promise)
			agents := []agent{n.ours()}
			for _, version := range variant.versions {
				peer := testpeer.Get(b, version)
				agents = append(agents, agent{"reference " + version, func(ctx context.Context, args ...string) *exec.Cmd {
					return peer.Command(ctx, "slapos", args...)
				}})
			}
			for _, a := range agents {
				b.Run(a.name, func(b *testing.B) {
					before := n.tree(b)
					if variant.due != dueNow { // then each pass tells it all
						n.schedule(b, variant.due)
						r := n.pass(b, a, "-v")
						require.Equal(b, idlePartitions, strings.Count(r.Output, "Partition already up-to-date."), "%s", r)
					}
					n.schedule(b, variant.due)
					var cpu time.Duration
					for b.Loop() {
						r := n.pass(b, a)
						b.StopTimer()
						cpu += r.CPU
						require.NotContains(b, r.Output, "Processing Computer Partition ")
						if variant.said != "" {
							require.Equal(b, idlePartitions, strings.Count(r.Output, variant.said), "%s", r)
						}
						n.schedule(b, variant.due)
						b.StartTimer()
					}
					b.ReportMetric(cpu.Seconds()*1000/float64(b.N), "cpu-ms/op")
					if diff := cmp.Diff(before, n.tree(b)); diff != "" {
						b.Errorf("a pass with nothing to do changed the instances:\n%s", diff)
					}
				})
			}
		})
	}
}

const (
	// dueNow is a time that has passed.
	dueNow = "1.0"
	// dueLater stands for the time at which promises are due that were checked a
	// moment ago: within their period of two minutes, beyond which ours takes the
	// clock to have been wrong.
	dueLater = "later"
)

// makePromise is the part of a buildout, a shell script, that makes a promise.
const makePromise = "mkdir -p etc/promise\nprintf '#!/bin/sh\\nexit 0\\n' > etc/promise/ok\nchmod 700 etc/promise/ok\n"

// agent is an implementation of the command line.
type agent struct {
	name    string
	command func(ctx context.Context, args ...string) *exec.Cmd
}

// idleNode is a node whose instances have nothing left to do.
type idleNode struct {
	*sandbox.Sandbox
	program, config string
}

// ours is our agent.
func (n *idleNode) ours() agent {
	return agent{"ours", func(ctx context.Context, args ...string) *exec.Cmd {
		return exec.CommandContext(ctx, n.program, args...)
	}}
}

// newIdleNode deploys an instance in every partition with our agent. The release
// is one of buildout, as the reference knows no other; its bin/buildout, a shell
// script, has the same part for both agents.
func newIdleNode(b *testing.B, promise string) *idleNode {
	b.Helper()
	program, err := binary()
	require.NoError(b, err)
	m := startOurs(b)
	n := &idleNode{Sandbox: sandbox.New(b)}
	// The account of the sandbox cannot enter the directory of the binary.
	data, err := os.ReadFile(program)
	require.NoError(b, err)
	n.program = n.executable(b, string(data), "slapos")
	n.config = n.Write(b, fmt.Sprintf(`[slapos]
computer_id = computer
master_url = %[1]s
software_root = %[2]s
instance_root = %[3]s
root_check = False
pidfile_instance = %[4]s
instance_min_free_space = 1M
`, m.url, n.Mkdir(b, "soft"), n.Mkdir(b, "inst"), n.Path("instance.pid")), "slapos.cfg")

	sum := md5.Sum([]byte(release))
	software := hex.EncodeToString(sum[:])
	n.Mkdir(b, "soft", software)
	n.Mkdir(b, "soft", software, "bin")
	n.executable(b, "#!/bin/sh\nset -e\n"+promise, "soft", software, "bin", "buildout")
	n.Write(b, "[buildout]\nparts =\n", "soft", software, "instance.cfg")

	m.format(b, "computer", idlePartitions)
	for i := range idlePartitions {
		require.NoError(b, os.Chmod(n.Mkdir(b, "inst", fmt.Sprintf("slappart%d", i)), 0o750))
	}
	m.allocate(b, "computer", idlePartitions, 4)
	output := n.pass(b, n.ours()).Output
	require.Equal(b, idlePartitions, strings.Count(output, "Processing Computer Partition "), "%s", output)
	return n
}

// executable writes a program.
func (n *idleNode) executable(b *testing.B, text string, elements ...string) string {
	b.Helper()
	path := n.Write(b, text, elements...)
	require.NoError(b, os.Chmod(path, 0o755))
	return path
}

// pass runs a pass that has to succeed and returns how it ended.
func (n *idleNode) pass(b *testing.B, a agent, options ...string) sandbox.Result {
	b.Helper()
	args := append(options, "node", "instance", "--now", "--cfg", n.config)
	r := n.Run(b, a.command(sandbox.Timeout(b), args...))
	require.Equal(b, 0, r.Code, "%s", r)
	return r
}

// nextRun is the part of a promise's schedule that tells when it is due.
var nextRun = regexp.MustCompile(`"next_run_after": [0-9.]+`)

// schedule makes every promise due at a time, the same for every pass but for
// dueLater.
func (n *idleNode) schedule(b *testing.B, due string) {
	b.Helper()
	if due == "" {
		return
	}
	files, err := filepath.Glob(n.Path("inst", "*", ".slapgrid", "promise", "cache", "ok"))
	require.NoError(b, err)
	require.Len(b, files, idlePartitions)
	if due == dueLater {
		due = fmt.Sprintf("%d.0", time.Now().Add(100*time.Second).Unix())
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		require.NoError(b, err)
		require.Regexp(b, nextRun, string(text))
		require.NoError(b, os.WriteFile(file, nextRun.ReplaceAll(text, []byte(`"next_run_after": `+due)), 0o644))
	}
}

// tree tells mode, size and age of everything in the partitions but the state of
// their promises.
func (n *idleNode) tree(b *testing.B) map[string]string {
	b.Helper()
	tree := map[string]string{}
	for i := range idlePartitions {
		root := n.Path("inst", fmt.Sprintf("slappart%d", i))
		require.NoError(b, filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
			if err != nil {
				return err
			}
			if entry.Name() == ".slapgrid" {
				return fs.SkipDir
			}
			info, err := entry.Info()
			if err != nil {
				return err
			}
			tree[path] = fmt.Sprint(info.Mode(), info.Size())
			if !info.IsDir() {
				tree[path] += info.ModTime().Format(time.RFC3339Nano)
			}
			return nil
		}))
	}
	require.FileExists(b, n.Path("inst", "slappart0", ".timestamp"))
	return tree
}

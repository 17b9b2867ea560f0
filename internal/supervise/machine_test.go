package supervise

import (
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/slapos/slapos-go/internal/supervise/client"
)

// slapgridPolicy is what slapgrid writes for every program of a partition.
func slapgridPolicy() policy {
	return policy{
		AutoRestart: restartNever, ExitCodes: []int{0},
		StopSignal: syscall.SIGTERM, StopWait: time.Minute, StopAsGroup: true, KillAsGroup: true,
	}
}

// defaultPolicy is what supervisord does when nothing is configured.
func defaultPolicy() policy {
	return policy{
		AutoStart: true, AutoRestart: restartUnexpected, MinUptime: time.Second, StartRetries: 3, ExitCodes: []int{0},
		StopSignal: syscall.SIGTERM, StopWait: 10 * time.Second,
	}
}

// life drives a machine with its own clock and notes what happens.
type life struct {
	t   *testing.T
	m   *machine
	now time.Time
	pid int
	log []string // effects and states
}

func newLife(t *testing.T, p policy) *life {
	return &life{t: t, m: &machine{policy: p}, now: time.Unix(1000000, 0), pid: 100}
}

// do notes an effect and the transitions; a spawn succeeds with the next pid.
func (l *life) do(e effect) {
	if e.signal != 0 {
		target := "process"
		if e.group {
			target = "group"
		}
		l.log = append(l.log, e.signal.String()+" to "+target)
	}
	l.collect()
	if e.spawn {
		l.pid++
		l.m.spawned(l.now, l.pid)
		l.collect()
	}
}

func (l *life) collect() {
	for _, t := range l.m.collect() {
		l.log = append(l.log, t.to.String())
	}
}

// pass lets time pass, ticking whenever the machine asks for it.
func (l *life) pass(d time.Duration) {
	end := l.now.Add(d)
	for range 1000 {
		l.do(l.m.tick(l.now, true))
		next := l.m.next(true)
		if next.IsZero() || next.After(end) {
			break
		}
		if next.After(l.now) {
			l.now = next
		}
	}
	l.now = end
	l.do(l.m.tick(l.now, true))
}

func (l *life) exit(status int) {
	l.m.exited(l.now, status)
	l.collect()
}

func (l *life) expect(want string) {
	l.t.Helper()
	require.Equal(l.t, want, strings.Join(l.log, ", "))
	l.log = nil
}

func TestMachineOfPartitions(t *testing.T) {
	l := newLife(t, slapgridPolicy())
	l.pass(time.Hour)
	l.expect("") // no autostart
	l.do(l.m.start(l.now))
	l.expect("STARTING, RUNNING") // startsecs 0
	require.Equal(t, 101, l.m.pid)
	l.pass(time.Hour)
	l.exit(0)
	l.expect("EXITED")
	l.pass(time.Hour)
	l.expect("") // no autorestart
	l.do(l.m.start(l.now))
	l.exit(3)
	l.expect("STARTING, RUNNING, EXITED")
	require.Equal(t, 3, l.m.exitStatus)
	require.Equal(t, "Bad exit code 3", l.m.spawnError)
	require.Zero(t, l.m.pid)
}

func TestMachineStops(t *testing.T) {
	l := newLife(t, slapgridPolicy())
	l.do(l.m.start(l.now))
	l.log = nil
	l.do(l.m.stop(l.now))
	l.expect("terminated to group, STOPPING")
	l.do(l.m.stop(l.now))
	l.expect("") // already asked
	l.pass(59 * time.Second)
	l.expect("")
	l.pass(2 * time.Second)
	l.expect("killed to group")
	l.exit(exitSignalled)
	l.expect("STOPPED")
	require.Equal(t, -1, l.m.exitStatus)
	l.do(l.m.stop(l.now))
	l.expect("")
}

func TestMachineKillsOnlyTheProcess(t *testing.T) {
	l := newLife(t, defaultPolicy())
	l.pass(2 * time.Second)
	l.expect("STARTING, RUNNING")
	l.do(l.m.stop(l.now))
	l.pass(11 * time.Second)
	l.expect("terminated to process, STOPPING, killed to process")
}

func TestMachineBacksOff(t *testing.T) {
	l := newLife(t, defaultPolicy())
	l.do(l.m.tick(l.now, true))
	for tries := 1; tries <= 3; tries++ {
		l.exit(1)
		l.expect("STARTING, BACKOFF")
		require.Equal(t, "Exited too quickly (process log may have details)", l.m.spawnError)
		l.pass(time.Duration(tries)*time.Second - time.Millisecond)
		l.expect("") // waits one second more each time
		l.now = l.now.Add(time.Millisecond)
		l.do(l.m.tick(l.now, true))
	}
	l.exit(1)
	l.expect("STARTING, BACKOFF")
	l.do(l.m.tick(l.now, true))
	l.expect("FATAL")
	l.pass(time.Hour)
	l.expect("")
	l.do(l.m.start(l.now))
	l.pass(time.Second)
	l.expect("STARTING, RUNNING")
	require.Zero(t, l.m.tries)
}

func TestMachineSpawnFailure(t *testing.T) {
	l := newLife(t, slapgridPolicy())
	require.True(t, l.m.start(l.now).spawn)
	l.m.spawnFailed(l.now, "can't find command '/x'")
	l.do(l.m.tick(l.now, true))
	l.expect("STARTING, BACKOFF, FATAL") // startretries 0
	require.Equal(t, "can't find command '/x'", l.m.spawnError)
}

func TestMachineStopInBackoff(t *testing.T) {
	l := newLife(t, defaultPolicy())
	l.do(l.m.tick(l.now, true))
	l.exit(1)
	l.do(l.m.stop(l.now))
	l.expect("STARTING, BACKOFF, STOPPED")
	l.pass(time.Hour)
	l.expect("")
}

func TestMachineRestarts(t *testing.T) {
	tests := []struct {
		when restart
		exit int
		want string
	}{
		{restartUnexpected, 0, ""},
		{restartUnexpected, 1, "STARTING, RUNNING"},
		{restartUnexpected, exitSignalled, "STARTING, RUNNING"},
		{restartAlways, 0, "STARTING, RUNNING"},
		{restartNever, 1, ""},
	}
	for _, test := range tests {
		p := defaultPolicy()
		p.AutoRestart = test.when
		l := newLife(t, p)
		l.pass(time.Minute)
		l.exit(test.exit)
		l.log = nil
		require.Equal(t, effect{}, l.m.tick(l.now, false)) // not while the daemon ends
		l.pass(2 * time.Second)
		l.expect(test.want)
	}
}

// TestMachinePacesRestarts: a program that ends at once is started once a second.
func TestMachinePacesRestarts(t *testing.T) {
	p := slapgridPolicy()
	p.AutoStart, p.AutoRestart = true, restartAlways
	l := newLife(t, p)
	starts := 0
	for range 10000 {
		if e := l.m.tick(l.now, true); e.spawn {
			starts++
			l.m.spawned(l.now, starts)
			l.m.exited(l.now, 0)
		}
		l.now = l.now.Add(time.Millisecond)
	}
	require.Equal(t, 10, starts)
}

func TestMachineTransitions(t *testing.T) {
	p := slapgridPolicy()
	m := &machine{policy: p}
	now := time.Unix(1000, 0)
	m.start(now)
	m.spawned(now, 7)
	m.exited(now, 1)
	require.Equal(t, []transition{
		{from: client.Stopped, to: client.Starting, expected: true},
		{from: client.Starting, to: client.Running, expected: true, pid: 7},
		{from: client.Running, to: client.Exited, expected: false, pid: 7},
	}, m.collect())
	require.Empty(t, m.collect())
}

func TestMachineAdopted(t *testing.T) {
	l := newLife(t, slapgridPolicy())
	l.m.adopted(l.now.Add(-time.Hour), 42, false, l.now)
	l.expect("")
	require.Equal(t, client.Running, l.m.state)
	l.m.collect()
	l.exit(exitSignalled)
	l.expect("EXITED")

	l = newLife(t, slapgridPolicy())
	l.m.adopted(l.now, 42, true, l.now)
	l.m.collect()
	l.pass(2 * time.Minute)
	require.Equal(t, "killed to group", l.log[0])
	l.exit(exitSignalled)
	require.Equal(t, client.Stopped, l.m.state)
}

func TestMachineRecall(t *testing.T) {
	for was, want := range map[client.State]client.State{
		client.Exited: client.Exited, client.Fatal: client.Fatal, client.Stopped: client.Stopped,
		client.Backoff: client.Backoff, client.Running: client.Stopped, client.Stopping: client.Stopped,
	} {
		l := newLife(t, defaultPolicy())
		l.m.policy.AutoRestart = restartNever
		l.m.recall(was, l.now.Add(-time.Hour), l.now.Add(-time.Minute), l.now)
		require.Equal(t, want, l.m.state)
		l.do(l.m.tick(l.now, true))
		if was == client.Backoff {
			l.expect("STARTING")
		} else {
			l.expect("") // not started again, although it has autostart
		}
	}
}

package testpeer

import (
	"os/exec"
)

// guardScript waits until its input ends, which a process that dies brings about
// however it dies. Then it ends all that runs in the directory $0 or was started
// with a path of it on its command line or in its environment, and removes the
// directory.
const guardScript = `
exec 2>/dev/null
read -r never
belongs() {
	cd -P "$1/cwd" && case $PWD/ in "$0"/*) return 0 ;; esac
	grep -qF "$0/" "$1/cmdline" "$1/environ"
}
tries=0
while [ "$tries" -lt 100 ]; do
	tries=$((tries + 1)) found=
	for process in /proc/[0-9]*; do
		[ "$process" = "/proc/$$" ] || ! belongs "$process" || ! kill -9 "${process#/proc/}" || found=yes
	done
	[ -n "$found" ] || break
	sleep 0.1
done
cd /
rm -rf "$0"
`

// Guard watches over a test directory in case this process is killed, by a time
// limit or by hand, before its tests have cleaned up: whatever still runs in the
// directory, or was started with a path below it (an argument or a variable), is then ended (on Linux) and the
// directory removed. The path must be absolute. Tests that end call release, after
// which the directory is theirs alone; who forgets it without calling it sets the
// guard off.
func Guard(dir string) (release func(), err error) {
	cmd := exec.Command("/bin/sh", "-c", guardScript, dir)
	// Signals to the group of the tests do not reach it.
	cmd.SysProcAttr = ownSession()
	input, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	return func() {
		// It has nothing to do any more; how it ends tells nothing.
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		_ = input.Close()
	}, nil
}

// Package supervise is the embedded supervisor: a daemon that reads the
// configuration files of supervisord and serves its XML-RPC interface on the
// same socket, so that the real supervisorctl, the agent and the standalone
// helper drive it like the real one.
//
// Processes outlive the daemon. They write straight into their log files and
// run in sessions of their own; the daemon notes their process ids and start times
// in a state file beside its pid file, and a new daemon adopts the living ones instead of
// starting them twice.
package supervise

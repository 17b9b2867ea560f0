// Package slapgrid is the agent of a SlapOS node: it makes the machine match
// what the master asks for.
//
// A [Node] runs passes. Each one reads the master, makes a list of jobs and
// runs them on a bounded pool; a failing job never stops the others:
//
//	Software      builds and removes software releases
//	Instances     deploys, starts and stops the partitions
//	Promises      checks the started partitions
//	Usage         sends usage reports and destroys what has to go
//	Bang          asks the master to have the whole node processed again
//
// A job is an ordered list of small steps, each idempotent, one in a file of
// its own: reading the lists in steps.go and software.go is reading the agent.
// An agent that is killed at any moment leaves a state from which the next
// pass goes on.
//
// The smallest agent:
//
//	node, err := slapgrid.New(slapgrid.Config{
//		MasterURL: "http://127.0.0.1:5000", ComputerID: "computer",
//		SoftwareRoot: "/opt/slapgrid", InstanceRoot: "/srv/slapgrid",
//		SupervisorCommand: []string{"/usr/bin/slapos", "node", "slapos-supervisor"},
//		Environ: os.Environ(),
//	})
//	report, err := node.Instances(ctx, slapgrid.InstanceOptions{})
//	os.Exit(report.ExitCode())
//
// # Seams
//
// Three interfaces have at least two implementations each:
//
//   - [Builder]: buildout profiles (.cfg), built by the real zc.buildout, and
//     program releases, which are directories or archives with executables;
//   - [Supervisor]: the daemon behind the socket of the instance root, the
//     embedded one or the real supervisord. One that answers is used,
//     whichever it is; there are never two;
//   - [PromiseRunner]: executables in etc/promise and Python plugins in
//     etc/plugin, the latter each in a process of the release's interpreter.
//
// # Buildout
//
// Releases are bootstrapped by the script that the key buildout names; else by
// the zc.buildout that the configured Python can import; else by a pinned one,
// which pip installs once for each version of Python in the directory
// .buildout of the software root. The last needs a Python with pip or venv.
// bin/buildout of a release refers to the buildout that made it, which must
// therefore stay.
//
// # Users
//
// As root, programs of releases and partitions run as the owner of the
// software root or partition; roots that belong to root are refused unless
// [Config.AllowRoot] is set. As an ordinary user everything runs as that user.
// Children get a cleaned environment, have a mask of their own, no descriptor
// of the agent's but the standard ones, and die with the agent.
//
// The owner of the software root and the users of partitions are not trusted: a
// link, pipe or other file of theirs never makes the agent wait, nor read,
// write or remove anything outside of the directory it works in. Whoever asks for
// releases is not either: local ones are read with the rights of the owner of the
// software root.
//
// # Limits
//
// Everything ends with the context of its pass: programs with their process
// tree and the daemons they made, downloads, the unpacking of archives. Besides:
//
//	Config.PartitionTimeout   buildout or software/instantiate of a partition,
//	                          each report and destruction program
//	Config.PromiseTimeout     each promise
//	a minute of silence,      the download of a program release
//	or six hours altogether
//	none                      software/build and buildout of a release, which
//	                          may compile for hours: interrupt the pass instead
//
// A program that ends by itself in time may leave daemons, as with the
// reference.
//
// # Passes that were killed
//
// A program dies with the agent, but not what it started. While a program runs
// there is a note of it in var/run/slapgrid of the instance root, and the
// variable SLAPGRID_RUN in its environment has the name of the note. A pass
// first ends what the notes of dead agents lead to: processes of that user with
// the mark, in the session of the program, or below such ones. What cannot be
// ended costs the release or partition it works in, not the node. Only a program
// that goes out of its way escapes: by leaving its session and its parents with
// an environment wiped.
//
// # Compatibility
//
// Files under both roots, calls to the master, exit codes and the texts of
// logs and errors are those of slapos.core; where its versions 1.6.10 and 1.26
// differ, the newer. These are different on purpose:
//
//   - naming releases or partitions forces them, as documented and as 1.6.10;
//   - promise_timeout of the configuration file is honoured;
//   - a run that is forced (also by ForceStop) removes the stored timestamp
//     first, so that the next run tries again what failed or was stopped;
//   - garbage collection spares available releases that are not selected;
//   - bin/buildout without an interpreter line is run itself;
//   - a retention delay that is no number counts as zero, with a warning; the
//     files about it, .timestamp and the list of processes to wait for count only
//     if they are the agent's own;
//   - a partition that must not run is stopped even if nothing else of its
//     processing succeeds;
//   - report and destruction programs have the time limit of the partition, or
//     15 minutes;
//   - times noted in the future by a clock that was wrong do not delay
//     partitions and promises;
//   - files of partitions that the supervisor cannot read are written anew;
//   - what programs of a killed pass left running is ended by the next one, and
//     daemons of a program that exceeds its time limit with it;
//   - root drops privileges whatever its group is, and its children have a
//     session, without terminal, of their own;
//   - what the master lists twice counts once; partitions that are called etc
//     or var, and releases whose URL has control characters, are refused;
//   - usage reports are removed once the master has taken them, unless they were
//     written anew, text is escaped, and a failure is charged to each contributor;
//   - a forced build removes .completed first; of releases with one md5 the first
//     keeps the directory, the others fail;
//   - links in a destroyed partition are unlinked, never followed;
//   - promises run in the order of their names; an executable that failed
//     stays failed until it is due again; the files that only 1.6.10 wrote are
//     neither written nor removed;
//   - partitions and programs whose names would break the supervisor's files are
//     refused; of two programs with one name that of etc/service runs;
//   - users unknown to the account database can run a node for themselves;
//   - the supervisor is always told when a partition is started or stopped, as
//     an agent that was killed may have changed its files without telling;
//   - partitions are processed in parallel; Parallel = 1 gives the reference's
//     order.
//
// Not in this version: the binary cache (releases are built, except that those
// which must come from the cache fail), firewall rules and managers: each pass
// warns when they are configured.
package slapgrid

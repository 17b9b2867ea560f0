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
// The smallest agent:
//
//	node, err := slapgrid.New(slapgrid.Config{
//		MasterURL: "http://127.0.0.1:5000", ComputerID: "computer",
//		SoftwareRoot: "/opt/slapgrid", InstanceRoot: "/srv/slapgrid",
//		Environ: os.Environ(),
//	})
//	report, err := node.Instances(ctx, slapgrid.InstanceOptions{})
//	os.Exit(report.ExitCode())
//
// Three seams have at least two implementations each: [Builder] (buildout
// releases and program releases), [Supervisor] (the embedded daemon and the
// real supervisord, behind the same socket) and [PromiseRunner].
package slapgrid

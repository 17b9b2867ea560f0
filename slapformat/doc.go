// Package slapformat prepares a computer for SlapOS: its directories, its
// partitions and what identifies them, and tells the master about them.
//
//	err := slapformat.Format(ctx, slapformat.Config{
//		ComputerID: "computer", MasterURL: "http://127.0.0.1:5000/",
//		SoftwareRoot: "/opt/slapgrid", InstanceRoot: "/srv/slapgrid",
//		ComputerXML: "/opt/slapos/slapos.xml", PartitionAmount: 10,
//	}, slapformat.Options{})
//
// Format is made of steps that can be called one by one: [Load] finds out which
// computer is wanted (from the state file or an input definition file and the
// configuration), [Inspect] looks at the machine, [NewPlan] compares the two and
// returns a [Plan], which is data: it can be printed, and applied. Applying a
// plan twice does nothing the second time, as the second plan is empty.
//
// # Users and network
//
// This version prepares a computer without privileges: users, interfaces,
// addresses and taps are not made. alter_user and alter_network must be
// false; asking for what is not there is an error, not ignored. Partitions
// get the addresses of the state or definition file, and new ones
// [Config.Addresses].
//
// Under root a partition belongs to its configured user if that exists, else to the owner
// of the instance root, as in an installation with one user for everything.
// The agent refuses partitions of root, so that one of the two has to
// be another user. The key partition_user ([Config.PartitionUser]) names one
// account for all new partitions; the instance root can then stay with root, where no
// instance can change what the supervisor of root reads.
//
// # Compatibility
//
// The message to the master, the state file, its archive, the resource files
// and the definition files are those of the reference, with the keys of its
// newest release. Deviations: a plan is made before anything is touched, also
// in a dry run, which has no side effect at all; files are replaced atomically; missing
// base names have the defaults slappart, slapuser and slaptap; the public
// IPv4 address is not asked for on the Internet and sent as none; a partition
// without privileges gets loopback addresses where the reference, with
// alter_network false, leaves it without any.
package slapformat

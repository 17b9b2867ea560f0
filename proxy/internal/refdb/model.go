package refdb

// The schemas that are read.
const (
	// Oldest and Newest are the schemas between which files are read.
	Oldest = 10
	Newest = 18
	// Documented is the schema of release 1.6.10.
	Documented = 14
	// treesSince is the first schema whose instances name the title of the root
	// of their tree; those before name the partition of their requester.
	treesSince = 17
)

// Database is the content of a file. Null is read as empty text, and a time that
// was never set as zero. Lists are in the order of the tables.
type Database struct {
	// Versions are the schemas of which the file has tables, ascending. A file
	// with several was left by an upgrade that failed.
	Versions   []int
	Computers  []Computer
	Software   []Software
	Partitions []Partition
	Slaves     []Slave
	Addresses  []Address
	Forwarded  []Forwarded
	// SoftwareRoot is the local software release root, empty if it is not kept.
	SoftwareRoot string
}

// Computer is a node.
type Computer struct{ Reference, Address, Netmask string }

// Software is a release supplied on a computer.
type Software struct{ URL, Computer, State string }

// Partition is a place with its instance, if it has one.
type Partition struct {
	Reference, Computer string
	// SlapState is busy or free.
	SlapState string
	Release   string
	// XML and ConnectionXML are instance XML, SlaveList a marshalled list.
	XML, ConnectionXML, SlaveList string
	Type, Title                   string
	// Tree is the title of the root of the tree, from schema 17 on.
	Tree string
	// Requester is the partition that requested it, or the word user: directly,
	// up to schema 16 and in schema 18.
	Requester string
	State     string
	Timestamp float64
	// ByPartition tells that the row is of a schema up to 16, which has no Tree.
	ByPartition bool
}

// Slave is a shared instance, whether a host lists it or not.
type Slave struct {
	// Reference is the partition or, from schema 17 on, the title of the root
	// that asked for it, an underscore, and its own title.
	Reference, Computer, ConnectionXML string
	// Host is the partition that serves it.
	Host string
	// Requester is as in Partition; Tree is in schema 17 only.
	Tree, Requester string
	ByPartition     bool
}

// Address is an address of a partition.
type Address struct{ Partition, Computer, Interface, Address, Netmask string }

// Forwarded is a request that another master serves.
type Forwarded struct{ Reference, Master string }

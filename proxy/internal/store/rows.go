package store

// Times are seconds since 1970; zero means never.

// Status is the last report about an object.
type Status struct {
	// Text begins with #access, #building or #error; empty means that
	// nothing was reported yet.
	Text string
	// State is the state reported last, if any report had one.
	State string
	// Reporter names who reported.
	Reporter string
	// CreatedAt is the time of the report, Since that of the first of an
	// unbroken series of reports with the same first word.
	CreatedAt, Since float64
}

// Event is a dated text: an error or a bang.
type Event struct {
	Text string
	At   float64
}

// Computer is a node.
type Computer struct {
	ID        int64
	Reference string
	Address   string
	Netmask   string
	// Formatted tells that its configuration was received; without it, the
	// row only exists because something refers to it.
	Formatted bool
	// Sequence orders computers: the one formatted last is last.
	Sequence int64
	Status   Status
	Bang     Event
}

// Software is a release supplied on a computer.
type Software struct {
	ID         int64
	ComputerID int64
	Computer   string
	URL        string
	// State is the wanted state: available or destroyed.
	State  string
	Status Status
	Error  Event
}

// Partition is a place for an instance.
type Partition struct {
	ID         int64
	ComputerID int64
	Computer   string
	Reference  string
	// Timestamp tells nodes when the partition last changed.
	Timestamp float64
	// Hidden tells that its node no longer lists it: it is kept for its instance.
	Hidden bool
	// Instance is nil if the partition is free.
	Instance *Instance
	// Addresses and Shared are read only by the methods that say so.
	Addresses []Address
	Shared    []*Shared
}

// Instance occupies a partition.
type Instance struct {
	ID int64
	// Title is unique in its tree; empty if it was requested without one.
	Title string
	// Tree is the title of the root of the tree, empty for the root itself.
	Tree string
	// Requester is the instance that requested it last, zero for a person.
	Requester int64
	// RequesterPartition is the reference of the requester's partition; it
	// is read, never written.
	RequesterPartition string
	Release            string
	Type               string
	// State is the wanted state.
	State string
	// Parameters and Connection are instance XML; Connection is empty until
	// something was published. Filter is a marshalled dictionary or empty.
	Parameters, Connection, Filter string
	// Unlinked is when the instance that had requested it no longer did, zero
	// unless nothing has requested it since.
	Unlinked float64
	Status   Status
	Error    Event
	Bang     Event
}

// Address is an address of a partition.
type Address struct {
	Interface, Address, Netmask string
	// Gateway and Network are those of an address with a route of its own.
	Gateway, Network string
}

// Shared is a shared instance, called slave on the wire.
type Shared struct {
	ID         int64
	ComputerID int64
	Computer   string
	// Key is its reference: the tree's root title, an underscore, its title.
	Key string
	// Tree is the title of the root of the requesting tree.
	Tree string
	// Host is the instance that serves it, HostPartition the reference of
	// that instance's partition (read, never written).
	Host          int64
	HostPartition string
	// Requester is the instance that requested it last, zero for a person;
	// RequesterPartition and RequesterComputer are read, never written.
	Requester                             int64
	RequesterPartition, RequesterComputer string
	// State is the wanted state; only listed ones are shown to the host.
	State  string
	Listed bool
	// Position orders the listed ones of a host.
	Position int64
	// Type is the software type asked for.
	Type string
	// Entry is the marshalled dictionary shown to the host.
	Entry string
	// Connection is instance XML, empty until something was published.
	Connection string
	// Unlinked is what that of an Instance is.
	Unlinked float64
	Status   Status
	Error    Event
}

// UsageReport is an accepted usage report.
type UsageReport struct {
	ID int64
	// Computer is the reference of the reporting computer.
	Computer string
	// Reference is the reference of the report's first transaction.
	Reference string
	// Version counts the different reports under one reference, from 1.
	Version    int64
	Body       string
	ReceivedAt float64
}

// Forwarded is a request that another master serves.
type Forwarded struct {
	// Reference names the requester and the instance.
	Reference string
	// Master is the URL of that master.
	Master string
}

// FrontEnd is a front end that was requested and is answered without an instance.
type FrontEnd struct {
	// Reference names the requester and the front end, as the key of a shared
	// instance does.
	Reference string
	// Requester is the instance that requested it, zero for a person's: it goes
	// with that.
	Requester int64
	// Origin is what it shows: scheme, host and port of a URL.
	Origin string
}

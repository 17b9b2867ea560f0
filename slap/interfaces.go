package slap

import "context"

// The interfaces of the documentation, one to one. Code that is to be tested
// with doubles takes them; this package returns its concrete types, and a double
// gets those from a client whose master is a handler (package slaptest). Methods
// with a context talk to the master, the others never do. All may be called
// by several goroutines at once. A failed call leaves the object as it was; which
// calls may be made again is in the package documentation. Each method is
// documented, with its errors, at the type that has it.

// IRequester is what can request instances.
type IRequester interface {
	// Request is documented at [OpenOrder.Request].
	Request(ctx context.Context, r Request) (*ComputerPartition, error)
	// Information is documented at [OpenOrder.Information].
	Information(ctx context.Context, reference string) (*Instance, error)
}

// ISoftwareRelease is a software release that a computer builds; see
// [SoftwareRelease].
type ISoftwareRelease interface {
	URI() string
	ComputerID() string
	State() State
	Building(ctx context.Context) error
	Available(ctx context.Context) error
	Destroyed(ctx context.Context) error
	ReportError(ctx context.Context, log string) error
}

// IComputerPartition is a place for an instance on a computer, and the
// instance in it; see [ComputerPartition].
type IComputerPartition interface {
	IRequester

	ID() (string, error)
	InstanceGUID() (string, error)
	State() (State, error)
	Type() (string, error)
	AccessStatus() string
	SoftwareRelease() (*SoftwareRelease, error)
	InstanceParameters() Parameters
	InstanceParameter(key string) (any, error)
	ConnectionParameters() Parameters
	ConnectionParameter(key string) (string, error)
	SetUsage(log string)

	Started(ctx context.Context) error
	Stopped(ctx context.Context) error
	Destroyed(ctx context.Context) error
	ReportError(ctx context.Context, log string) error
	Bang(ctx context.Context, message string) error
	Rename(ctx context.Context, newName string) error
	RenameShared(ctx context.Context, sharedReference, newName string) error
	SetConnectionParameters(ctx context.Context, p Parameters) error
	SetSharedConnectionParameters(ctx context.Context, sharedReference string, p Parameters) error
	SetRelatedInstances(ctx context.Context, references []string) error
	Certificate(ctx context.Context) (Certificate, error)
	HostingIPAddresses(ctx context.Context) ([]NetworkAddress, error)
	Status(ctx context.Context) (Status, error)
}

// IComputer is a node; see [Computer].
type IComputer interface {
	ID() string
	SoftwareReleases(ctx context.Context) ([]*SoftwareRelease, error)
	Partitions(ctx context.Context) ([]*ComputerPartition, error)
	Information(ctx context.Context) (*ComputerInformation, error)
	Status(ctx context.Context) (Status, error)
	ReportUsage(ctx context.Context, usage []byte) error
	UpdateConfiguration(ctx context.Context, xml []byte) error
	Bang(ctx context.Context, message string) error
	GenerateCertificate(ctx context.Context) (Certificate, error)
	RevokeCertificate(ctx context.Context) error
}

// IOpenOrder requests the instances and computers of a person; see [OpenOrder].
type IOpenOrder interface {
	IRequester
	RequestComputer(ctx context.Context, title string) (*Computer, error)
}

// ISupply offers software releases on computers; see [Supply].
type ISupply interface {
	Supply(ctx context.Context, softwareRelease, computerGUID string, state State) error
}

// ISlap is the way in: the documentation's interface "slap"; see [Client].
type ISlap interface {
	Computer(guid string) *Computer
	ComputerPartition(ctx context.Context, computerGUID, partitionID string) (*ComputerPartition, error)
	SoftwareRelease(uri string) *SoftwareRelease
	OpenOrder() *OpenOrder
	Supply() *Supply
	Token(ctx context.Context) (string, error)
	OpenOrders(ctx context.Context) ([]*Instance, error)
	Computers(ctx context.Context) ([]*ComputerInformation, error)
	SoftwareReleasesOfProduct(ctx context.Context, product string) ([]string, error)
	SoftwareReleasesLike(ctx context.Context, softwareRelease string) ([]string, error)
}

var (
	_ ISlap              = (*Client)(nil)
	_ IComputer          = (*Computer)(nil)
	_ IComputerPartition = (*ComputerPartition)(nil)
	_ ISoftwareRelease   = (*SoftwareRelease)(nil)
	_ IOpenOrder         = (*OpenOrder)(nil)
	_ ISupply            = (*Supply)(nil)
	_ IRequester         = (*OpenOrder)(nil)
	_ IRequester         = (*ComputerPartition)(nil)
)
